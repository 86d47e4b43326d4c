"""Whom each marked identity of a run is compared with: the reference rows that share its match keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.items.item_margins import read_error
from auditor.core.items import HARMFUL
from auditor.core.scores import IntArray

# Reference identities in order of name, by probe, axis and identity.
ReferenceNames = Mapping[tuple[str, str, str], tuple[str, ...]]

_WHO = ("probe", "axis", "identity")
_UNDECLARED = ("axis", "theme", "cluster", "paraphrase", "frame")


def reference_names(items: Path, render: str, checkpoint: str) -> ReferenceNames:
    """Read a run's table of items; the rule is that of `auditor.core.contrasts.match_key`.

    Args:
        items: ``items.parquet``.
        render: of one rendering; all have the same rows.
        checkpoint: one that scored them all.

    Raises:
        UsageError: the table cannot be read.
    """
    wanted = {"render": render, "checkpoint": checkpoint, "candidate": HARMFUL, "valence": "harm"}
    conditions = pc.field("role").isin(["marked", "reference"])
    for name, value in wanted.items():
        conditions = conditions & (pc.field(name) == value)
    columns = ["probe", "identity", "role", "match", *_UNDECLARED]
    try:
        rows = pq.read_table(items, columns=columns, filters=conditions)
    except (OSError, pa.ArrowException) as error:
        raise read_error(items, error) from error
    if not rows.num_rows:
        return {}
    codes = {name: _codes(rows[name]) for name in columns}
    declared = codes["match"][0] != codes["match"][1].get("", -1)
    keys = _joint(
        [codes["probe"][0], codes["match"][0], *(np.where(declared, 0, codes[one][0]) for one in _UNDECLARED)]
    )
    reference = codes["role"][0] == codes["role"][1].get("reference", -1)
    who = _joint([codes[name][0] for name in _WHO])
    pairs = _pairs(keys, who, codes["identity"][0], reference)
    names = list(codes["identity"][1])
    found: dict[tuple[str, str, str], set[str]] = {}
    _, first = np.unique(who, return_index=True)
    for one, other in pairs.tolist():
        probe, axis, identity = (list(codes[name][1])[codes[name][0][first[one]]] for name in _WHO)
        found.setdefault((probe, axis, identity), set()).add(names[other])
    return {place: tuple(sorted(others)) for place, others in found.items()}


def _pairs(keys: IntArray, who: IntArray, names: IntArray, reference: Any) -> IntArray:
    """Each marked identity with the name of each of its references, once; shape (n, 2)."""
    held = np.unique(np.stack([keys[reference], names[reference]], axis=1), axis=0)
    asked = np.unique(np.stack([keys[~reference], who[~reference]], axis=1), axis=0)
    low = np.searchsorted(held[:, 0], asked[:, 0], "left")
    counts = np.searchsorted(held[:, 0], asked[:, 0], "right") - low
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    others = held[np.repeat(low, counts) + within, 1]
    return np.unique(np.stack([np.repeat(asked[:, 1], counts), others], axis=1), axis=0)


def _codes(column: pa.ChunkedArray[Any]) -> tuple[IntArray, dict[str, int]]:
    """A number for each text of a column, and the texts in the order of their numbers."""
    texts: dict[str, int] = {}
    codes = [texts.setdefault(text or "", len(texts)) for text in column.to_pylist()]
    return np.array(codes, dtype=np.int64), texts


def _joint(columns: Sequence[IntArray]) -> IntArray:
    """One number for each combination of several."""
    joint = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        joint = np.unique(joint * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    return joint
