"""Contrasts: the raw margin of a row, and what is left of it beside its reference rows.

*Raw* is a preference for the harmful text. *Excess* is a disparity: a row minus the mean of the
reference rows with the same match key. *Reference* is that mean; raw = excess + reference on the
matched rows, item by item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from auditor.core.items import Item
from auditor.core.refusals import Refusal
from auditor.core.scores import FloatArray
from auditor.core.statistics import IntArray
from auditor.core.tables import ScoreTable, codes_of

Contrast = Literal["raw", "excess", "reference"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Matching:
    """Who is compared with whom, in one score table of n items.

    Attributes:
        key: code of each item's match key, shape (n,).
        cluster: code of each item's cluster, shape (n,).
        form: code of each item's surface form, -1 where it names none, shape (n,).
        is_reference: which items are reference rows, shape (n,).
        matched: items that have reference rows with the same candidate tokens, shape (n,).
        refusals: items that were to be compared and cannot be.
    """

    key: IntArray
    cluster: IntArray
    form: IntArray
    is_reference: Mask
    matched: Mask
    refusals: tuple[Refusal, ...]

    def reference_mean(self, values: FloatArray) -> FloatArray:
        """Mean value of the reference rows that share each item's key, NaN where there are none."""
        size = int(self.key.max(initial=-1)) + 1
        keys = self.key[self.is_reference]
        counts = np.bincount(keys, minlength=size)
        sums = np.bincount(keys, weights=values[self.is_reference], minlength=size)
        means = np.full(size, np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        return means[self.key]


def match_key(item: Item) -> Hashable:
    """What an item must share with its reference rows: the declared key, else all but the identity."""
    if item.match:
        return (item.valence, item.match)
    return (item.valence, item.axis, item.theme, item.cluster, item.paraphrase, item.frame)


def match_items(table: ScoreTable) -> Matching:
    """Find each item's reference rows and refuse the items that have none to be compared with."""
    key = codes_of(match_key(item) for item in table.items)
    cluster = codes_of((item.axis, item.valence, item.cluster) for item in table.items)
    forms = codes_of(item.surface for item in table.items)
    form = np.where([bool(item.surface) for item in table.items], forms, -1)
    is_reference = np.array([item.role == "reference" for item in table.items], dtype=bool)
    compared = np.array([_is_compared(item) for item in table.items], dtype=bool)
    has_reference = np.isin(key, key[is_reference])
    same = _same_candidates(table.candidate_codes, key, is_reference)
    refusals = [
        *_refuse(table, compared & ~has_reference, "no_match"),
        *_refuse(table, compared & has_reference & ~same, "candidate_tokens_differ"),
    ]
    return Matching(key, cluster, form, is_reference, compared & has_reference & same, tuple(refusals))


def _is_compared(item: Item) -> bool:
    return item.role != "reference" and item.design in ("text_swap", "responsiveness") and item.pair is not None


def _same_candidates(codes: IntArray, key: IntArray, is_reference: Mask) -> Mask:
    """Items whose candidates have the token ids of every reference row of their key, everywhere."""
    size = int(key.max(initial=-1)) + 1
    least = np.full((size, codes.shape[1]), np.iinfo(np.intp).max)
    most = np.full((size, codes.shape[1]), -1)
    np.minimum.at(least, key[is_reference], codes[is_reference])
    np.maximum.at(most, key[is_reference], codes[is_reference])
    same: Mask = ((least[key] == codes) & (most[key] == codes)).all(axis=1)
    return same


_DETAIL = {
    "no_match": "no reference row shares the match key: no excess",
    "candidate_tokens_differ": "the candidates have other token ids than the reference's: no excess",
}


def _refuse(table: ScoreTable, mask: Mask, reason: Literal["no_match", "candidate_tokens_differ"]) -> Iterable[Refusal]:
    """One Refusal for each identity, counting its rows."""
    counts = Counter(item.identity for item, hit in zip(table.items, mask, strict=True) if hit)
    for identity, count in counts.items():
        yield Refusal(reason, _DETAIL[reason], table.probe.name, render=table.render, identity=identity, count=count)
