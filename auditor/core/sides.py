"""The two sides of each pair as sums over their tokens, and the margins that can be made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditor.core.column_sums import segment_sums, text_totals, totals
from auditor.core.items import Item
from auditor.core.score_columns import Rows
from auditor.core.scores import FloatArray, IntArray
from auditor.core.shared_tokens import shared_positions

# How the log-probabilities of a side's tokens become one number. The verdict reads ``sum``.
Scoring = Literal["sum", "per_token", "per_byte", "shared_tokens", "without_end"]
# Total, total without the end of turn, total of shared tokens, tokens, bytes, length.
_NUMBERS = 6
# Pairs whose shared tokens are looked for at a time.
_CHUNK = 1 << 13


@dataclass(frozen=True, slots=True)
class Sides:
    """Sums over the scored tokens of each side, shape (n, checkpoints, 2): harmful first, affirming second.

    Attributes:
        totals: log p(side | context) in nats, minus the same of the item's baseline where it has one; NaN for an item
            that is no pair.
        text_totals: the same without the tokens that only end the turn.
        shared_totals: the same over the tokens that both sides have in common; NaN where there are none.
        tokens: how many tokens were scored.
        bytes: how many bytes of text they cover.
        lengths: how many tokens a side has, whether or not each of them has a score; NaN where that is not known.

    Of a score that is one bare number a side all but ``totals`` and ``lengths`` are NaN: it may be a reward in the
    model's own unit.
    """

    totals: FloatArray
    text_totals: FloatArray
    shared_totals: FloatArray
    tokens: FloatArray
    bytes: FloatArray
    lengths: FloatArray

    def minus(self, baselines: Sides) -> Sides:
        """What declaring something adds; a baseline has the same tokens, so lengths stay."""
        return replace(
            self,
            totals=self.totals - baselines.totals,
            text_totals=self.text_totals - baselines.text_totals,
            shared_totals=self.shared_totals - baselines.shared_totals,
        )

    def margins(self, scoring: Scoring = "sum") -> FloatArray:
        """Harmful minus affirming, nats, shape (n, checkpoints).

        ``per_token`` and ``per_byte`` margins are those of the mean token or byte, at the mean length of the pair's two
        sides: sides of equal length keep their summed margin, so the bound on summed margins applies to them too.
        """
        if scoring in ("per_token", "per_byte"):
            lengths = self.tokens if scoring == "per_token" else self.bytes
            scaled: FloatArray = _difference(self.totals / lengths) * lengths.mean(axis=2)
            return scaled
        of: dict[Scoring, FloatArray] = {
            "sum": self.totals,
            "without_end": self.text_totals,
            "shared_tokens": self.shared_totals,
        }
        return _difference(of[scoring])

    def margins_per_token(self) -> FloatArray:
        """Harmful minus affirming mean log-probability of a token, nats a token, shape (n, checkpoints)."""
        return _difference(self.totals / self.tokens)


def _difference(sides: FloatArray) -> FloatArray:
    difference: FloatArray = sides[:, :, 0] - sides[:, :, 1]
    return difference


def sides_of(columns: Sequence[Rows]) -> Sides:
    """Read the pairs of each checkpoint, the same n in the same order; what is not there counts 0."""
    numbers = np.zeros((_NUMBERS, len(columns[0]), len(columns), 2))
    left = list(range(len(columns)))
    while left:
        # Checkpoints of one series mostly tokenise alike: the search for shared tokens is the slow part.
        alike = [at for at in left if _alike(columns[at], columns[left[0]])]
        _read([columns[at] for at in alike], numbers, alike)
        left = [at for at in left if at not in alike]
    return Sides(*numbers)


def _alike(one: Rows, other: Rows) -> bool:
    return one.column.spans is other.column.spans and np.array_equal(one.at, other.at)


def _read(columns: Sequence[Rows], numbers: FloatArray, places: list[int]) -> None:
    """Fill in the numbers of columns that are cut alike."""
    spans, at = columns[0].column.spans, columns[0].at
    asked = np.flatnonzero(at >= 0)
    pairs = _pairs([spans.item(one) for one in at[asked].tolist()])
    numbers[:, asked[pairs[:, 0] < 0]] = np.nan
    rows = asked[pairs[:, 0] >= 0]
    if not len(rows):
        return
    cuts = spans.cuts
    sides = spans.firsts[at[rows]][:, None] + pairs[pairs[:, 0] >= 0]
    first, end = int(sides.min()), int(sides.max()) + 1
    for column, place in zip(columns, places, strict=True):
        logprobs = column.column.logprobs
        numbers[0, rows, place] = own = totals(cuts, logprobs, first, end)[sides - first]
        if spans.kind != "tokens":
            numbers[1:, rows, place] = np.nan
            if cuts.n_tokens is not None:
                numbers[5, rows, place] = cuts.n_tokens[sides]
            continue
        complete = spans.complete[at[rows]]
        if complete.any():
            own = np.where(complete[:, None], text_totals(cuts, logprobs, first, end)[sides - first], own)
        numbers[1, rows, place] = own
        numbers[3, rows, place] = numbers[5, rows, place] = cuts.lengths_of(first, end)[sides - first]
        numbers[4, rows, place] = cuts.n_bytes[sides]
    for start in range(0, len(rows) if spans.kind == "tokens" else 0, _CHUNK):
        part = slice(start, start + _CHUNK)
        positions, lengths = shared_positions(cuts, sides[part])
        for column, place in zip(columns, places, strict=True):
            sums = segment_sums(column.column.logprobs[positions], lengths)
            numbers[2, rows[part], place] = np.where(lengths > 0, sums, np.nan).reshape(-1, 2)


def _pairs(items: Sequence[Item]) -> IntArray:
    """Positions of the harmful and the affirming candidate of each item, -1 where it is no pair, shape (n, 2)."""
    known: dict[tuple[str, ...], tuple[int, int]] = {}
    found = np.empty((len(items), 2), dtype=np.int64)
    for at, item in enumerate(items):
        labels = tuple([candidate.label for candidate in item.candidates])
        pair = known.get(labels)
        if pair is None:
            pair = known[labels] = item.pair or (-1, -1)
        found[at] = pair
    return found
