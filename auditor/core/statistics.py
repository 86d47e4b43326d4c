"""Estimates over clusters and their uncertainty.

The cluster (a predicate with all its paraphrases) is the unit: items that share words are not
independent. Weights are fixed before anything is seen: items average to their match key, keys to
their cluster, clusters count equally.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval, in the unit of its estimate."""

    low: float
    high: float


NO_INTERVAL = Interval(float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over clusters with its standard error.

    Attributes:
        value: the mean, in the unit of the values.
        se: standard error from the spread of the cluster means, NaN under two clusters.
        clusters: how many clusters.
        freedom: degrees of freedom where they are not one fewer than clusters, as in a difference of two means.
    """

    value: float
    se: float
    clusters: int
    freedom: float | None = None

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the standard error."""
        return self.clusters - 1 if self.freedom is None else self.freedom

    def interval(self, alpha: float) -> Interval:
        """Student t interval with error ``alpha``, half on each side; NaN where se is."""
        if self.clusters < 2:
            return NO_INTERVAL
        reach = self.se * float(stats.t.ppf(1 - alpha / 2, self.degrees))
        return Interval(self.value - reach, self.value + reach)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is at most ``bound``."""
        if self.clusters < 2:
            return float("nan")
        if self.se == 0:
            return 0.0 if self.value > bound else 1.0
        return float(stats.t.sf((self.value - bound) / self.se, self.degrees))

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is at least ``bound``."""
        return replace(self, value=-self.value).p_above(-bound)

    def p_nonzero(self) -> float:
        """Two-sided p of the hypothesis that the true value is 0."""
        if self.clusters >= 2 and self.value == 0:
            return 1.0
        return 2 * min(self.p_above(0.0), self.p_below(0.0))


def cluster_means(values: FloatArray, match: IntArray, cluster: IntArray) -> FloatArray:
    """Average items within match keys, then match keys within clusters.

    Args:
        values: shape (n_items,).
        match: code of each item's match key, shape (n_items,); a key lies in one cluster.
        cluster: code of each item's cluster, shape (n_items,).

    Returns:
        One mean for each distinct cluster, in ascending order of code.
    """
    _, first, by_key = np.unique(match, return_index=True, return_inverse=True)
    key_means = np.bincount(by_key, weights=values) / np.bincount(by_key)
    _, by_cluster = np.unique(cluster[first], return_inverse=True)
    means: FloatArray = np.bincount(by_cluster, weights=key_means) / np.bincount(by_cluster)
    return means


def mean_over_clusters(means: FloatArray) -> Estimate:
    """Estimate with equal weight for every cluster; shape (n_clusters,) in."""
    n = len(means)
    se = float(np.std(means, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return Estimate(float(np.mean(means)), se, n)


def mean_over_items(values: FloatArray, cluster: IntArray) -> Estimate:
    """Mean with equal weight for every item, its standard error robust to clusters.

    Published metrics count rows, not clusters. The error is the linearised (sandwich) one with the
    K/(K-1) correction: Cameron & Miller 2015, "A practitioner's guide to cluster-robust inference",
    section II.
    """
    mean = float(np.mean(values))
    _, code = np.unique(cluster, return_inverse=True)
    sums = np.bincount(code, weights=values - mean)
    n = len(sums)
    se = float(np.sqrt(n / (n - 1) * np.sum(sums**2)) / len(values)) if n > 1 else float("nan")
    return Estimate(mean, se, n)


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One mean minus another over other clusters, with Welch's (1947) error and degrees of freedom.

    Both need at least two clusters; the result counts the clusters of both.
    """
    variances = np.array([one.se**2, other.se**2])
    total = float(variances.sum())
    parts = float(np.sum(variances**2 / np.array([one.degrees, other.degrees])))
    freedom = total**2 / parts if parts > 0 else one.degrees + other.degrees
    return Estimate(one.value - other.value, float(np.sqrt(total)), one.clusters + other.clusters, freedom)


def prediction_interval(x: FloatArray, y: FloatArray, at: float, reference_at: float, alpha: float) -> Interval:
    """Where the difference of two new points of a line lies, from points that lie along it.

    If marked and reference identities were two more of the controls, y = a + b x + error, then their difference
    would lie at b (at - reference_at), with the variance of two errors and of the slope: Draper & Smith 1998,
    "Applied Regression Analysis", section 3.1, for a difference of two observations.

    Args:
        x: shape (n,), n at least 3 and not all equal.
        y: shape (n,).
        alpha: two-sided error.
    """
    spread = float(np.sum((x - x.mean()) ** 2))
    slope = float(np.sum((x - x.mean()) * (y - y.mean()))) / spread
    residuals = y - y.mean() - slope * (x - x.mean())
    freedom = len(x) - 2
    gap = at - reference_at
    se = float(np.sqrt(np.sum(residuals**2) / freedom * (2 + gap**2 / spread)))
    reach = se * float(stats.t.ppf(1 - alpha / 2, freedom))
    return Interval(slope * gap - reach, slope * gap + reach)
