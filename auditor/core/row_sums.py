"""Means of a probe as sums over its rows with fixed weights, for programs that know nothing of clusters and matches.

Weights are fixed before anything is scored, so the mean margin of an identity, its excess over its reference
rows and the share of its pairs that prefer the harmful text each are one weight a row: with the margins of all rows
they give what an audit's `level` gives, as long as no row is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.core.contrasts import match_key
from auditor.core.items import Design, Item
from auditor.core.row_groups import Cell, cells_of
from auditor.core.scores import FloatArray
from auditor.core.statistics import IntArray, row_weights
from auditor.core.tables import codes_of

# ``margin`` and ``excess`` sum margins, ``share_positive`` counts the rows whose margin lies above 0.
Sum = Literal["margin", "share_positive", "excess"]


@dataclass(frozen=True, slots=True)
class RowSum:
    """One mean over rows.

    Attributes:
        identity: whom it is about, "" for all marked identities together.
        rows: places among the items it was made from, ascending, shape (k,).
        weights: of the rows; they sum to 1, those of an excess to 0. Shape (k,).
    """

    kind: Sum
    identity: str
    axis: str
    design: Design
    rows: IntArray
    weights: FloatArray


def row_sums(items: Sequence[Item]) -> tuple[RowSum, ...]:
    """The sums of all pairs about marked identities, then of each marked and reference identity.

    Overall every pair counts alike; an identity's margins are averaged as in an audit, to match keys, to clusters, and
    over these. Neutral pairs and control identities are in no sum.
    """
    cells = [cell for cell in cells_of(items) if cell.theme is None and cell.valence == "harm"]
    marked = [cell for cell in cells if cell.role == "marked"]
    shown = [*marked, *(cell for cell in cells if cell.role == "reference")]
    keys = codes_of(match_key(item) for item in items)
    clusters = codes_of((item.axis, item.valence, item.cluster) for item in items)
    found = list(_overall(marked))
    for cell in shown:
        weights = row_weights(keys[cell.rows], clusters[cell.rows])
        found.append(_of(cell, "margin", cell.rows, weights))
        found.append(_of(cell, "share_positive", cell.rows, _alike(cell.rows)))
        found += _excess(cell, items, keys, clusters)
    return tuple(found)


def _of(cell: Cell, kind: Sum, rows: IntArray, weights: FloatArray) -> RowSum:
    return RowSum(kind, cell.identity, cell.axis, cell.design, rows, weights)


def _alike(rows: IntArray) -> FloatArray:
    return np.full(len(rows), 1 / len(rows))


def _overall(marked: Sequence[Cell]) -> Iterator[RowSum]:
    """Of each design apart: what a positive margin says differs between them."""
    for design in dict.fromkeys(cell.design for cell in marked):
        rows = np.sort(np.concatenate([cell.rows for cell in marked if cell.design == design]))
        kinds: tuple[Sum, ...] = ("margin", "share_positive")
        for kind in kinds:
            yield RowSum(kind, "", "", design, rows, _alike(rows))


def _excess(cell: Cell, items: Sequence[Item], keys: IntArray, clusters: IntArray) -> Iterator[RowSum]:
    """Its matched rows, and against each the reference rows that share its key and its two texts."""
    if cell.role == "reference" or cell.design == "identity_swap":
        return
    references: dict[int, list[int]] = {}
    for at, item in enumerate(items):
        if item.role == "reference" and item.pair is not None:
            references.setdefault(int(keys[at]), []).append(at)
    matched = np.array(
        [at for at in cell.rows.tolist() if _fits(items, at, references.get(int(keys[at]), []))], dtype=np.intp
    )
    if not len(matched):
        return
    weights = np.zeros(len(items))
    weights[matched] = row_weights(keys[matched], clusters[matched])
    for at in matched.tolist():
        against = references[int(keys[at])]
        weights[against] -= weights[at] / len(against)
    rows = np.flatnonzero(weights)
    yield _of(cell, "excess", rows, weights[rows])


def _fits(items: Sequence[Item], at: int, references: Sequence[int]) -> bool:
    """Whether a row has reference rows, and none of them asks about other texts."""
    return bool(references) and all(items[one].candidates == items[at].candidates for one in references)
