"""Would other wordings have ordered the identities alike? Split-half reliability, and agreement of scorings.

Split-half: the paraphrases of each cluster (or the surface forms of each identity, or the frames of the probe) are
parted at random into two halves, and each half asked on its own for every identity's disparity. The correlation r of
the two halves over identities becomes the reliability 2 r / (1 + r) of both together (Spearman 1910, Brown 1910). A
split depends on luck, so the median of many is given. Below `RANKING` identities are not to be ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.core.contrasts import Contrast, Mask, Matching
from auditor.core.disparities import Disparity, compared_cells, disparities_of
from auditor.core.items import Design, Item
from auditor.core.measured import Measured
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray, Render
from auditor.core.sides import Scoring
from auditor.core.tables import ScoreTable

Facet = Literal["paraphrase", "surface", "frame"]
FACETS: tuple[Facet, ...] = ("paraphrase", "surface", "frame")
SPLITS = 200
# Conventional floor of a measure by which groups are compared: Nunnally 1978, "Psychometric Theory", chapter 7.
RANKING = 0.7
# A correlation over fewer identities says nothing.
MIN_IDENTITIES = 4


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well two halves of the wordings agree on the disparities of a probe's marked identities at one checkpoint.

    Attributes:
        facet: what was parted.
        correlation: of the two halves over identities, median of the splits.
        reliability: of both halves together, Spearman-Brown; 0 where the halves do not agree at all.
        low, high: the 5th and 95th percentile of the reliability over the splits.
        identities: how many were correlated.
    """

    probe: str
    design: Design
    render: Render
    checkpoint: str
    facet: Facet
    correlation: float
    reliability: float
    low: float
    high: float
    identities: int


@dataclass(frozen=True, slots=True)
class ScoringAgreement:
    """Correlation of disparities with those of another scoring, over marked identities and clusters, at one checkpoint.

    Attributes:
        cells: how many means over a cluster of an identity were correlated.
    """

    probe: str
    design: Design
    render: Render
    checkpoint: str
    scoring: Scoring
    correlation: float
    cells: int


def reliabilities_of(table: ScoreTable, matching: Matching, seed: int) -> tuple[Reliability, ...]:
    """Every facet that can be parted, at every checkpoint.

    Args:
        seed: of the splits.
    """
    levels = _levels(table.sides.margins(), matching)
    found = []
    for design, cells in _designs(table.items).items():
        for facet in FACETS:
            grid = _Grid(table.items, matching, cells, facet)
            means = np.stack([grid.means(level) for level in levels])
            correlations, identities = half_correlations(means, facet, np.random.default_rng(seed))
            for checkpoint, own in zip(table.checkpoints, correlations, strict=True):
                known = own[np.isfinite(own)]
                if len(known):
                    r = float(np.median(known))
                    low, high = np.quantile(spearman_brown(known), [0.05, 0.95])
                    whole = float(spearman_brown(np.array(r)))
                    where = (table.probe.name, design, table.render, checkpoint)
                    found.append(Reliability(*where, facet, r, whole, float(low), float(high), identities))
    return tuple(found)


def _levels(margins: FloatArray, matching: Matching) -> list[Measured]:
    """Each checkpoint's margins, shape (n, checkpoints), over the rows that have one."""
    return [Measured(matching, column, np.isfinite(column)) for column in margins.T]


def scoring_agreements(table: ScoreTable, matching: Matching) -> tuple[ScoringAgreement, ...]:
    """Summed margins against those of the mean token, the mean byte and the shared tokens, at every checkpoint."""
    scorings: tuple[Scoring, ...] = ("per_token", "per_byte", "shared_tokens")
    found = []
    for design, cells in _designs(table.items).items():
        for scoring in scorings:
            other = table.sides.margins(scoring)
            # Both on the same rows: a pair may have no shared token.
            summed = np.where(np.isfinite(other), table.sides.margins(), np.nan)
            levels = zip(_levels(summed, matching), _levels(other, matching), strict=True)
            for checkpoint, pair in zip(table.checkpoints, levels, strict=True):
                one, another = (_flat(disparities_of(cells, level)) for level in pair)
                if len(one) > 2 and np.ptp(one) > 0 and np.ptp(another) > 0:
                    r = float(np.corrcoef(one, another)[0, 1])
                    found.append(
                        ScoringAgreement(table.probe.name, design, table.render, checkpoint, scoring, r, len(one))
                    )
    return tuple(found)


def spearman_brown(correlation: FloatArray) -> FloatArray:
    """Reliability of two halves together from the correlation of the two; 0 for one below 0."""
    positive = np.maximum(correlation, 0.0)
    whole: FloatArray = 2 * positive / (1 + positive)
    return whole


_Cells = tuple[tuple[Cell, Contrast], ...]
# What a facet's labels are numbered within.
_GROUPS: Mapping[Facet, Callable[[Item], Hashable]] = {
    "paraphrase": lambda item: item.cluster,
    "surface": lambda item: (item.axis, item.identity),
    "frame": lambda _: "",
}


def _designs(items: tuple[Item, ...]) -> dict[Design, _Cells]:
    marked = [one for one in compared_cells(items) if one[0].judged]
    return {
        design: tuple(one for one in marked if one[0].design == design)
        for design in dict.fromkeys(cell.design for cell, _ in marked)
    }


def _flat(disparities: Sequence[Disparity]) -> FloatArray:
    return np.concatenate([one.means.means for one in disparities]) if disparities else np.array([])


class _Grid:
    """Means over identity, cluster and what a facet tells apart within them.

    A paraphrase is numbered within its cluster, a surface form within its identity, a frame within the probe.
    """

    def __init__(self, items: Sequence[Item], matching: Matching, cells: _Cells, facet: Facet) -> None:
        self._cells = cells
        rows = np.concatenate([cell.rows for cell, _ in cells])
        self._cluster = np.searchsorted(np.unique(matching.cluster[rows]), matching.cluster)
        self._labelled = np.array([bool(getattr(item, facet)) for item in items], dtype=bool)
        numbers: dict[Hashable, dict[str, int]] = {}
        within = (numbers.setdefault(_GROUPS[facet](item), {}) for item in items)
        labels = ((own, getattr(item, facet)) for own, item in zip(within, items, strict=True))
        self._number = np.array([own.setdefault(label, len(own)) for own, label in labels], dtype=np.intp)

    def means(self, measured: Measured) -> FloatArray:
        """Shape (identities, clusters, labels), NaN where nothing was asked; every row of a cell counts equally."""
        clusters, labels = (int(one.max()) + 1 for one in (self._cluster, self._number))
        means = np.full((len(self._cells), clusters * labels), np.nan)
        for at, (cell, contrast) in enumerate(self._cells):
            rows = measured.usable(cell.rows[self._labelled[cell.rows]], contrast)
            place = self._cluster[rows] * labels + self._number[rows]
            counts = np.bincount(place, minlength=clusters * labels)
            sums = np.bincount(place, weights=measured.values(rows, contrast), minlength=clusters * labels)
            np.divide(sums, counts, out=means[at], where=counts > 0)
        return means.reshape(len(self._cells), clusters, labels)


def half_correlations(means: FloatArray, facet: Facet, rng: np.random.Generator) -> tuple[FloatArray, int]:
    """Correlation of two halves over identities, for each checkpoint and random split; NaN where there is none.

    Args:
        means: shape (checkpoints, identities, clusters, labels), NaN where nothing was asked.

    Returns:
        Shape (checkpoints, splits); and the most identities that a split correlated.
    """
    present = np.isfinite(means[0])
    found, identities = np.full((len(means), SPLITS), np.nan), 0
    if means.shape[3] < 2 or means.shape[1] < MIN_IDENTITIES:
        return found, 0
    filled = np.where(present, means, 0.0)
    axis = {"paraphrase": (0,), "surface": (1,), "frame": (0, 1)}[facet]
    there = present.any(axis=axis, keepdims=True)
    for split in range(SPLITS):
        first = _half(there, rng)
        one, other = (_by_cluster(filled, present & half) for half in (first, ~first))
        # Both halves over the same clusters, so that they differ in nothing but the wording.
        both = np.isfinite(one[0]) & np.isfinite(other[0])
        usable = both.any(axis=1)
        if usable.sum() >= MIN_IDENTITIES:
            weights = both[usable] / both[usable].sum(axis=1, keepdims=True)
            pair = [np.sum(np.where(both, side, 0.0)[:, usable] * weights, axis=2) for side in (one, other)]
            found[:, split] = _correlations(*pair)
            identities = max(identities, int(usable.sum()))
    return found, identities


def _half(there: Mask, rng: np.random.Generator) -> Mask:
    """A random half of the labels of each group, which lie along the last axis; of an odd number one more or less."""
    order = np.argsort(np.argsort(np.where(there, rng.random(there.shape), 2.0), axis=-1), axis=-1)
    count = there.sum(axis=-1, keepdims=True)
    half: Mask = order < (count + rng.integers(0, 2, count.shape)) // 2
    return half


def _by_cluster(filled: FloatArray, chosen: Mask) -> FloatArray:
    """Mean over the chosen labels, shape (checkpoints, identities, clusters), NaN where none is."""
    counts = chosen.sum(axis=2).astype(np.float64)
    sums = np.einsum("kicl,icl->kic", filled, chosen)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _correlations(one: FloatArray, other: FloatArray) -> FloatArray:
    """Pearson's, row by row; NaN where a row has no spread; shape (k, n) each, (k,) out."""
    x, y = (side - side.mean(axis=1, keepdims=True) for side in (one, other))
    spread = np.sqrt(np.sum(x**2, axis=1) * np.sum(y**2, axis=1))
    found = np.full(len(x), np.nan)
    np.divide(np.sum(x * y, axis=1), spread, out=found, where=spread > 0)
    return found
