"""How much of the first checkpoint's disparities is still there at the end: a slope over clusters.

Over the clusters of one identity, excess at the end of a path of training is regressed on excess where it began: 1 says
that wordings which set the identity apart then still do as much, 0 that where it is set apart now has nothing to do
with where it was. Training that sharpens everything steepens the slope for everyone, so that of the control identities
stands beside it. A shift is never regressed on the base: what is subtracted would come out as a slope of its own.

Chance in the wording of a cluster flattens a slope. Its paraphrases tell how much of the covariance of cluster means is
that chance, and the disattenuated slope leaves it out of both parts,

    (S_xy - W_xy) / (S_xx - W_xx),   reliability (S_xx - W_xx) / S_xx,

S between clusters and W what paraphrases put into their means, by analysis of variance. Where their errors at the two
checkpoints are unrelated, this is the slope over the reliability (Spearman 1904; Fuller 1987, "Measurement Error
Models", section 1.2); the same paraphrases are asked twice, so W_xy goes as well. Intervals are jackknifed over
clusters (Miller 1974).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Contrast, Matching
from auditor.core.disparities import compared_cells
from auditor.core.items import Design, Role
from auditor.core.measured import Measured
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray, Render
from auditor.core.series import Series
from auditor.core.statistics import NO_INTERVAL, IntArray, Interval, t_quantile
from auditor.core.tables import ScoreTable, codes_of

MIN_CLUSTERS = 5
# Of a ratio whose lower part is mostly chance, nothing is known.
MIN_RELIABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Persistence:
    """The slope of one identity's disparities at the end of a path of training on those where it began.

    Attributes:
        identity: None for all control identities of the axis together, within each of which the slope is taken.
        slope: nats a nat; ``interval``: 95%.
        reliability: of the cluster means at the first checkpoint over their paraphrases; NaN where there are none.
        disattenuated: the slope without the chance of the paraphrases, NaN where their reliability is too low.
    """

    probe: str
    identity: str | None
    axis: str
    design: Design
    render: Render
    role: Role
    contrast: Contrast
    checkpoint: str
    measure_from: str
    slope: float
    interval: Interval
    reliability: float
    disattenuated: float
    disattenuated_interval: Interval
    clusters: int


_Estimate = tuple[float, Interval, float, float, Interval, int]


def persistences_of(table: ScoreTable, matching: Matching, series: Series) -> tuple[Persistence, ...]:
    """Every marked identity's, and that of each axis's control identities, along every path of training."""
    margins = table.sides.margins()
    everything = np.ones(len(margins), dtype=bool)
    levels = {name: Measured(matching, margins[:, at], everything) for at, name in enumerate(table.checkpoints)}
    paraphrase = codes_of((item.cluster, item.paraphrase) for item in table.items)
    found = []
    for path in (path for path in series.paths if len(path) > 1):
        for identity, cells, contrast in _groups(table.cells):
            parts = []
            for cell in cells:
                rows = levels[path[0]].usable(cell.rows, contrast)
                x, y = (levels[name].values(rows, contrast) for name in (path[0], path[-1]))
                parts.append(Clusters.read(x, y, matching.cluster[rows], paraphrase[rows]))
            estimate = regress(parts)
            if estimate is not None:
                cell = cells[0]
                who = (table.probe.name, identity, cell.axis, cell.design, table.render, cell.role, contrast)
                found.append(Persistence(*who, path[-1], path[0], *estimate))
    return tuple(found)


def _groups(everything: Sequence[Cell]) -> Iterator[tuple[str | None, list[Cell], Contrast]]:
    """Each marked identity on its own, then the control identities of each axis and design together."""
    controls: dict[tuple[str, Design, Contrast], list[Cell]] = {}
    for cell, contrast in compared_cells(everything):
        if cell.judged:
            yield cell.identity, [cell], contrast
        else:
            controls.setdefault((cell.axis, cell.design, contrast), []).append(cell)
    for (_, _, contrast), cells in controls.items():
        yield None, cells, contrast


@dataclass(frozen=True, slots=True)
class Clusters:
    """What each cluster of one identity adds to the sums a slope is made of.

    Attributes:
        codes: which clusters, ascending, shape (n,).
        x, y: their means at either checkpoint, every paraphrase counting equally, shape (n,).
        within: over the cluster's p paraphrases the sum of squares of x about their mean and of products with y, p - 1,
            and 1 / p; shape (n, 4).
    """

    codes: IntArray
    x: FloatArray
    y: FloatArray
    within: FloatArray

    @classmethod
    def read(cls, x: FloatArray, y: FloatArray, cluster: IntArray, paraphrase: IntArray) -> Clusters:
        """From values of items, shape (k,) each; a paraphrase lies in one cluster."""
        labels, of_label = np.unique(paraphrase, return_inverse=True)
        codes, at = np.unique(cluster, return_inverse=True)
        owner = np.zeros(len(labels), dtype=np.intp)
        owner[of_label] = at
        px, py = (np.bincount(of_label, weights=one) / np.bincount(of_label) for one in (x, y))
        count = np.bincount(owner).astype(np.float64)
        mx, my = (np.bincount(owner, weights=one) / count for one in (px, py))
        dx, dy = px - mx[owner], py - my[owner]
        squares, products = (np.bincount(owner, weights=one) for one in (dx * dx, dx * dy))
        return cls(codes, mx, my, np.stack([squares, products, count - 1, 1 / count], axis=1))


def regress(parts: Sequence[Clusters]) -> _Estimate | None:
    """Slope, its interval, reliability, disattenuated slope, its interval, clusters; of several identities, pooled.

    None under `MIN_CLUSTERS`, or where the first checkpoint's disparities do not differ between clusters.
    """
    codes = np.unique(np.concatenate([part.codes for part in parts]))
    n = len(codes)
    if n < MIN_CLUSTERS:
        return None
    sums = np.zeros((len(parts), n, 9))
    for at, part in enumerate(part for part in parts if len(part.codes)):
        # About their means, so that squares keep their digits.
        x, y = (_centred(one) for one in (part.x, part.y))
        own = [np.ones(len(x)), x, y, x * x, x * y, *part.within.T]
        sums[at, np.searchsorted(codes, part.codes)] = np.stack(own, axis=1)
    whole = sums.sum(axis=1)
    slope, reliability, disattenuated = _slopes(whole)
    if not np.isfinite(slope):
        return None
    left_out = [_slopes(whole - sums[:, at]) for at in range(n)]
    interval = _jackknife(slope, [one[0] for one in left_out])
    if not reliability >= MIN_RELIABILITY:
        return slope, interval, reliability, float("nan"), NO_INTERVAL, n
    return slope, interval, reliability, disattenuated, _jackknife(disattenuated, [one[2] for one in left_out]), n


def _centred(values: FloatArray) -> FloatArray:
    """Deviations from the mean; those at rounding error count as none."""
    deviations: FloatArray = values - values.mean()
    deviations[np.abs(deviations) <= 1e-12 * np.abs(values).max()] = 0.0
    return deviations


def _slopes(sums: FloatArray) -> tuple[float, float, float]:
    """Slope, reliability and disattenuated slope; NaN where there is none.

    Args:
        sums: over clusters, a row an identity.
    """
    count, x, y, xx, xy, within_xx, within_xy, freedom, shares = sums[sums[:, 0] > 1].T
    between_xx, between_xy = (total - x * other / count for total, other in ((xx, x), (xy, y)))
    # Chance of the paraphrases in a cluster's mean: their variance over how many there are.
    scale = np.divide(shares / count * (count - 1), freedom, out=np.full(len(count), np.nan), where=freedom > 0)
    lower, upper = float(between_xx.sum()), float(between_xy.sum())
    true_lower, true_upper = lower - float((within_xx * scale).sum()), upper - float((within_xy * scale).sum())
    if lower <= 0:
        return float("nan"), float("nan"), float("nan")
    # Where chance alone would differ by more than is seen, nothing of it is reliable.
    reliability = max(true_lower / lower, 0.0) if np.isfinite(true_lower) else float("nan")
    return upper / lower, reliability, true_upper / true_lower if true_lower != 0 else float("nan")


def _jackknife(value: float, left_out: Sequence[float]) -> Interval:
    """95% interval from the values without each cluster."""
    n = len(left_out)
    se = float(np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)))
    reach = se * t_quantile(0.975, n - 1)
    return Interval(value - reach, value + reach)
