"""Which items a costly attribution is made of: some drawn to stand for all, and the strongest as evidence.

Items picked for their size say nothing about the others, so averages read only those that were drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Matching
from auditor.core.measured import Measured
from auditor.core.scores import FloatArray, IntArray
from auditor.core.tables import ScoreTable


@dataclass(frozen=True, slots=True)
class Chosen:
    """Places of items in one table, ascending, shape (k,) each.

    Attributes:
        drawn: clusters at random, one match key of each, and in it every row: marked, reference and control.
        strongest: marked rows with the largest numbers, and the reference rows they are held against.
    """

    drawn: IntArray
    strongest: IntArray

    @property
    def all(self) -> IntArray:
        """Both, each place once."""
        return np.union1d(self.drawn, self.strongest)


def choose_items(
    table: ScoreTable,
    matching: Matching,
    numbers: FloatArray,
    *,
    identities: Collection[str] = (),
    clusters: int,
    top: int,
    seed: int,
) -> Chosen:
    """Choose items of one table.

    Args:
        numbers: of every row, such as its shift, nats, shape (n,); ranked by the absolute excess where a row has one.
        identities: marked ones to look at, all of them if there are none.
        clusters: how many to draw on each axis; the same match keys for all identities, so that they stay comparable.
        top: how many rows to pick for their size, over all identities.
    """
    pairs = np.array([item.pair is not None and item.valence == "harm" for item in table.items], dtype=bool)
    is_marked = np.array([item.role == "marked" for item in table.items], dtype=bool)
    named = np.array([not identities or item.identity in identities for item in table.items], dtype=bool)
    wanted, others = pairs & is_marked & named, pairs & ~is_marked
    keys = _drawn_keys(table, matching, np.flatnonzero(wanted), clusters, seed)
    drawn = np.flatnonzero(np.isin(matching.key, keys) & (wanted | others))
    measured = Measured(matching, numbers, np.isfinite(numbers))
    sizes = np.abs(np.where(measured.compared, numbers - measured.reference, numbers))
    ranked = np.flatnonzero(wanted & np.isfinite(sizes))
    # Ties go by place, so that the choice is the same everywhere.
    strongest = ranked[np.lexsort((ranked, -sizes[ranked]))][:top]
    beside = matching.is_reference & np.isin(matching.key, matching.key[strongest[measured.compared[strongest]]])
    return Chosen(drawn, np.union1d(strongest, np.flatnonzero(beside)))


def _drawn_keys(table: ScoreTable, matching: Matching, rows: IntArray, clusters: int, seed: int) -> IntArray:
    """One match key of each of so many clusters an axis, in an order that only the seed and the names decide."""
    by_cluster: dict[str, dict[int, list[int]]] = {}
    for at in rows.tolist():
        own_axis = by_cluster.setdefault(table.items[at].axis, {})
        own_axis.setdefault(int(matching.cluster[at]), []).append(int(matching.key[at]))
    keys: list[int] = []
    for axis, members in by_cluster.items():
        name = f"{seed}\0{table.probe.name}\0{axis}"
        generator = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
        order = generator.permutation(len(members))[:clusters]
        codes = list(members)
        for place in order.tolist():
            own = sorted(set(members[codes[place]]))
            keys.append(own[int(generator.integers(len(own)))])
    return np.array(keys, dtype=np.int64)
