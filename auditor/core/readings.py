"""Metrics as pure functions over all scored items of a probe: what each item says, and what that comes to.

A metric reads every item once, alone; what it says of any group of them (all rows, an axis, an identity) is then a
function of these readings. They are not additive over checkpoints and never called a reward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.items import Item
from auditor.core.scores import FloatArray, ScoredItem, ScoreKind
from auditor.core.statistics import (
    NO_INTERVAL,
    Estimate,
    IntArray,
    Interval,
    jackknife_error,
    mean_over_clusters,
    mean_over_items,
)

PERCENT, POINTS, PERPLEXITY = "%", "points of 100", "perplexity"
METRIC_UNITS = (PERCENT, POINTS, PERPLEXITY)
UP_TO_100 = (0.0, 100.0)


@dataclass(frozen=True, slots=True)
class Readings:
    """What n items of one group say, at least one; items that say nothing are not among them.

    Attributes:
        values: one number an item, or several, shape (k,) each.
        cluster: code of each item's cluster, shape (n,).
    """

    items: Sequence[Item]
    values: Sequence[FloatArray]
    cluster: IntArray

    @property
    def first(self) -> FloatArray:
        """The first number of every item, shape (n,)."""
        return np.array([one[0] for one in self.values])


@dataclass(frozen=True, slots=True)
class Metric:
    """A published metric.

    Attributes:
        name: as it stands in ``results.json``.
        title: as people know it.
        reading: what an item says, shape (k,); None where it says nothing of this.
        summary: of the readings of any group; None where they do not define it. ``se`` is NaN where no error is known.
        source: where it is defined, and what is done otherwise here.
        bounds: between which it lies whatever the data, so that an interval ends there too.
        compares: the first number of a reading is a difference: positive ones and ties are counted.
        needs_tokens: it is made of more than each text's summed log-probability.
    """

    name: str
    title: str
    reading: Callable[[ScoredItem], FloatArray | None]
    summary: Callable[[Readings], Estimate | None]
    source: str
    unit: str = PERCENT
    bounds: tuple[float, float] = (-math.inf, math.inf)
    compares: bool = False
    needs_tokens: bool = False

    def can_read(self, kind: ScoreKind) -> bool:
        """Whether scores of a kind hold what it is made of; no metric is made of rewards."""
        return kind == "tokens" or (kind == "sum" and not self.needs_tokens)

    def interval(self, estimate: Estimate) -> Interval:
        """95%; NaN where no error is known, or where clusters that all say the same leave none to be seen."""
        if estimate.se <= 1e-9 * max(1.0, abs(estimate.value)):
            return NO_INTERVAL
        whole = estimate.interval(0.05)
        low, high = np.clip((whole.low, whole.high), *self.bounds).tolist()
        return Interval(low, high)


def share_positive(readings: Readings) -> Estimate:
    """Percentage of items with a positive first number; ties stay in the denominator."""
    return mean_over_items(np.where(readings.first > 0, 100.0, 0.0), readings.cluster)


def mean_reading(readings: Readings) -> Estimate:
    """Mean first number of an item, in its own unit."""
    return mean_over_items(readings.first, readings.cluster)


def mean_percentage(readings: Readings) -> Estimate:
    """Mean first number of an item, times 100."""
    return mean_over_items(100 * readings.first, readings.cluster)


def ratio_percentage(readings: Readings) -> Estimate | None:
    """Sum of the first numbers over the sum of the second ones, times 100; None where the latter is 0.

    Its error is the linearised one, robust to clusters, with the K/(K-1) correction: Cochran 1977, "Sampling
    Techniques", section 6.3, for sums over clusters.
    """
    above, below = np.stack(list(readings.values)).T
    whole = float(below.sum())
    if whole == 0:
        return None
    ratio = float(above.sum()) / whole
    # The mean of these is 0: their error over n, with the whole over n in the denominator.
    residuals = mean_over_items(above - ratio * below, readings.cluster)
    return Estimate(100 * ratio, 100 * residuals.se * len(below) / whole, residuals.clusters)


def macro_means(readings: Readings) -> FloatArray:
    """Mean reading of each term, shape (terms, k): a term is what its items call their cluster, on whatever axis."""
    names = [item.cluster for item in readings.items]
    codes = {name: at for at, name in enumerate(dict.fromkeys(names))}
    sums = np.zeros((len(codes), len(readings.values[0])))
    of_item = np.array([codes[name] for name in names])
    np.add.at(sums, of_item, np.stack(list(readings.values)))
    means: FloatArray = sums / np.bincount(of_item)[:, None]
    return means


def macro_percentage(at: int) -> Callable[[Readings], Estimate]:
    """Mean over terms of their mean of one number of the reading, times 100."""
    return lambda readings: mean_over_clusters(100 * macro_means(readings)[:, at])


def jackknife(value_of: Callable[[FloatArray], float], rows: FloatArray) -> Estimate:
    """A smooth function of column means, with the error of leaving one row out at a time.

    Args:
        value_of: of column means, shape (k,).
        rows: shape (n, k).
    """
    n = len(rows)
    left = (rows.sum(axis=0) - rows) / (n - 1) if n > 1 else rows[:0]
    return Estimate(value_of(rows.mean(axis=0)), jackknife_error(np.array([value_of(one) for one in left])), n)
