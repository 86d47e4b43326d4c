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
from auditor.core.statistics import IntArray
from auditor.core.tables import ScoreTable, codes_of

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
    for design, cells in _designs(table.cells).items():
        for facet in FACETS:
            asked = _asked(table, levels, cells, facet)
            correlations, identities = half_correlations(asked, np.random.default_rng(seed))
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
    for design, cells in _designs(table.cells).items():
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


def _designs(everything: Sequence[Cell]) -> dict[Design, _Cells]:
    marked = [one for one in compared_cells(everything) if one[0].judged]
    return {
        design: tuple(one for one in marked if one[0].design == design)
        for design in dict.fromkeys(cell.design for cell, _ in marked)
    }


def _flat(disparities: Sequence[Disparity]) -> FloatArray:
    return np.concatenate([one.means.means for one in disparities]) if disparities else np.array([])


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of n combinations of identity, cluster and label, a label being a wording, form or frame.

    Attributes:
        values: means over the rows of each at every checkpoint, shape (checkpoints, n).
        identity, cluster, label: codes from 0, shape (n,).
        group: within which each label is parted from others, a code from 0, shape (labels,).
    """

    values: FloatArray
    identity: IntArray
    cluster: IntArray
    label: IntArray
    group: IntArray


def _asked(table: ScoreTable, levels: Sequence[Measured], cells: _Cells, facet: Facet) -> Asked:
    """Everything labelled that has a disparity; a row that has one has it at every checkpoint."""
    chosen = [levels[0].usable(cell.rows, contrast) for cell, contrast in cells]
    labelled = np.array([bool(getattr(item, facet)) for item in table.items], dtype=bool)
    parts = [rows[labelled[rows]] for rows in chosen]
    values = [
        np.concatenate([level.values(rows, contrast) for rows, (_, contrast) in zip(parts, cells, strict=True)])
        for level in levels
    ]
    rows = np.concatenate(parts)
    items = [table.items[row] for row in rows]
    groups = codes_of(_GROUPS[facet](item) for item in items)
    labels = codes_of(zip(groups.tolist(), (getattr(item, facet) for item in items), strict=True))
    owner = np.zeros(int(labels.max(initial=-1)) + 1, dtype=np.intp)
    owner[labels] = groups
    identity = np.repeat(np.arange(len(cells)), [len(part) for part in parts])
    cluster = codes_of(levels[0].matching.cluster[rows].tolist())
    place, at = np.unique(np.stack([identity, cluster, labels]), axis=1, return_inverse=True)
    means = np.stack([np.bincount(at, weights=one) / np.bincount(at) for one in values])
    return Asked(means, place[0], place[1], place[2], owner)


def half_correlations(asked: Asked, rng: np.random.Generator) -> tuple[FloatArray, int]:
    """Correlation of two halves over identities, for each checkpoint and random split; NaN where there is none.

    Returns:
        Shape (checkpoints, splits); and the most identities that a split correlated.
    """
    found, identities = np.full((len(asked.values), SPLITS), np.nan), 0
    if len(np.unique(asked.identity)) < MIN_IDENTITIES or len(asked.group) < 2:
        return found, 0
    shape = (int(asked.identity.max()) + 1, int(asked.cluster.max()) + 1)
    for split in range(SPLITS):
        first = _half(asked.group, rng)[asked.label]
        (one, count), (other, count_other) = (_by_cluster(asked, half, shape) for half in (first, ~first))
        # Both halves over the same clusters, so that they differ in nothing but the wording.
        both = (count > 0) & (count_other > 0)
        usable = both.any(axis=1)
        if usable.sum() >= MIN_IDENTITIES:
            weights = both[usable] / both[usable].sum(axis=1, keepdims=True)
            found[:, split] = _correlations(*(np.sum(side[:, usable] * weights, axis=2) for side in (one, other)))
            identities = max(identities, int(usable.sum()))
    return found, identities


def _half(group: IntArray, rng: np.random.Generator) -> Mask:
    """A random half of the labels of each group, shape (labels,); of an odd number one more or less."""
    order = np.lexsort((rng.random(len(group)), group))
    counts = np.bincount(group)
    rank = np.empty(len(group), dtype=np.intp)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    half: Mask = rank < ((counts + rng.integers(0, 2, len(counts))) // 2)[group]
    return half


def _by_cluster(asked: Asked, chosen: Mask, shape: tuple[int, int]) -> tuple[FloatArray, IntArray]:
    """Mean over the chosen labels, shape (checkpoints, identities, clusters), 0 where none is; and their number."""
    place = (asked.identity * shape[1] + asked.cluster)[chosen]
    size = shape[0] * shape[1]
    counts = np.bincount(place, minlength=size)
    sums = np.stack([np.bincount(place, weights=one[chosen], minlength=size) for one in asked.values])
    means: FloatArray = sums / np.maximum(counts, 1)
    return means.reshape(-1, *shape), counts.reshape(shape)


def _correlations(one: FloatArray, other: FloatArray) -> FloatArray:
    """Pearson's, row by row; NaN where a row has no spread; shape (k, n) each, (k,) out."""
    x, y = (side - side.mean(axis=1, keepdims=True) for side in (one, other))
    spread = np.sqrt(np.sum(x**2, axis=1) * np.sum(y**2, axis=1))
    found = np.full(len(x), np.nan)
    np.divide(np.sum(x * y, axis=1), spread, out=found, where=spread > 0)
    return found
