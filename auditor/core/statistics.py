"""Estimates over clusters and their uncertainty.

The cluster (a predicate with all its paraphrases) is the unit: items that share words are not
independent. Weights are fixed before anything is seen: items average to their match key, keys to
their cluster, clusters count equally.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from auditor.core.bootstrap import REPLICATES, Bootstrap

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Method = Literal["t", "studentised bootstrap"]
# Of so many clusters every one is left out once.
MOST_LEFT_OUT = 1_000


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
        pivots: the studentised bootstrap's distribution where the cluster means are skewed, else None.
    """

    value: float
    se: float
    clusters: int
    freedom: float | None = None
    pivots: FloatArray | None = field(default=None, repr=False, compare=False)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the standard error."""
        return self.clusters - 1 if self.freedom is None else self.freedom

    @property
    def method(self) -> Method:
        """What its intervals come from; with the bootstrap each end is the wider of its and t's."""
        return "t" if self.pivots is None else "studentised bootstrap"

    def interval(self, alpha: float) -> Interval:
        """Two-sided interval with error ``alpha``, half on each side; NaN where se is."""
        if self.clusters < 2:
            return NO_INTERVAL
        above = below = t_quantile(1 - alpha / 2, self.degrees)
        if self.pivots is not None:
            at = int(alpha / 2 * (REPLICATES + 1) + 1e-9)
            # Too far out to be seen in so many replicates: then nothing is known of that side.
            low, high = (self.pivots[at - 1], self.pivots[-at]) if at else (-np.inf, np.inf)
            above, below = max(above, -float(low)), max(below, float(high))
        return Interval(self.value - self.se * below, self.value + self.se * above)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is at most ``bound``."""
        return self._p(bound, direction=1)

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is at least ``bound``."""
        return self._p(bound, direction=-1)

    def _p(self, bound: float, direction: int) -> float:
        if self.clusters < 2:
            return float("nan")
        if self.se == 0:
            return 0.0 if direction * (self.value - bound) > 0 else 1.0
        t = (self.value - bound) / self.se
        p = float(special.stdtr(self.degrees, -direction * t))
        if self.pivots is None:
            return p
        # The inverse of the interval: the p at which one of its ends would lie at the bound.
        below = int(np.searchsorted(self.pivots, t, side="left" if direction > 0 else "right"))
        beyond = len(self.pivots) - below if direction > 0 else below
        return max(p, (1 + beyond) / (REPLICATES + 1))

    def p_nonzero(self) -> float:
        """Two-sided p of the hypothesis that the true value is 0."""
        if self.clusters >= 2 and self.value == 0:
            return 1.0
        return float(np.minimum(1.0, 2 * np.minimum(self.p_above(0.0), self.p_below(0.0))))


def t_quantile(p: float, degrees: float) -> float:
    """Student's t below which a share ``p`` lies."""
    return float(special.stdtrit(degrees, p))


@dataclass(frozen=True, slots=True)
class ClusterMeans:
    """Means of clusters, each once.

    Attributes:
        codes: which clusters, ascending, shape (n,).
        means: shape (n,).
    """

    codes: IntArray
    means: FloatArray

    def of(self, codes: IntArray) -> FloatArray:
        """The means of some of these clusters, in the order of ``codes``."""
        found: FloatArray = self.means[np.searchsorted(self.codes, codes)]
        return found


def by_cluster(values: FloatArray, match: IntArray, cluster: IntArray) -> ClusterMeans:
    """Average items within match keys, then match keys within clusters.

    Args:
        values: shape (n_items,).
        match: code of each item's match key, at least 0, shape (n_items,); a key lies in one cluster.
        cluster: code of each item's cluster, at least 0, shape (n_items,).
    """
    keys, key_means = _means_by_code(values, match)
    of_key = np.zeros(len(keys), dtype=np.intp)
    of_key[np.searchsorted(keys, match)] = cluster
    return ClusterMeans(*_means_by_code(key_means, of_key))


def _means_by_code(values: FloatArray, code: IntArray) -> tuple[IntArray, FloatArray]:
    """Each code that occurs, ascending, and the mean of its values."""
    if int(code.max(initial=0)) > 4 * len(code):
        # A few of many codes: what is counted is those that occur, in the same order.
        codes, code = np.unique(code, return_inverse=True)
        return codes, np.bincount(code, weights=values) / np.bincount(code)
    counts = np.bincount(code)
    codes = np.flatnonzero(counts)
    return codes, np.bincount(code, weights=values)[codes] / counts[codes]


def row_weights(match: IntArray, cluster: IntArray) -> FloatArray:
    """What each item counts in the mean over clusters of `by_cluster`'s means; shape (n_items,), sum 1."""
    _, at, key, items = np.unique(match, return_index=True, return_inverse=True, return_counts=True)
    _, of_key, keys = np.unique(cluster[at], return_inverse=True, return_counts=True)
    by_key: FloatArray = 1 / (len(keys) * keys[of_key] * items)
    return by_key[key]


def cluster_means(values: FloatArray, match: IntArray, cluster: IntArray) -> FloatArray:
    """The means of `by_cluster`, in ascending order of the clusters' codes."""
    return by_cluster(values, match, cluster).means


def mean_over_clusters(means: FloatArray, bootstrap: Bootstrap | None = None) -> Estimate:
    """Estimate with equal weight for every cluster; shape (n_clusters,) in, NaN for none.

    Args:
        bootstrap: where its intervals come from if the means are skewed; t alone without one.
    """
    n = len(means)
    se = float(np.std(means, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    pivots = bootstrap.pivots(means) if bootstrap is not None else None
    return Estimate(float(np.mean(means)) if n else float("nan"), se, n, pivots=pivots)


def leave_one_out(
    means: FloatArray, alpha: float, bootstrap: Bootstrap
) -> tuple[IntArray, list[tuple[Estimate, Interval]]]:
    """The estimate over all clusters but one, and its interval; shape (n,) in, at least three.

    What `mean_over_clusters` and `Estimate.interval` give, all at once. Of more than `MOST_LEFT_OUT` clusters only
    those with the smallest and the largest means are left out, half of each: leaving one out moves the mean by its
    distance from it over n - 1, so those in between move it less.

    Returns:
        Which clusters were left out, ascending; and what each leaves.
    """
    n = len(means) - 1
    if n >= MOST_LEFT_OUT:
        order = np.argsort(means, kind="stable")
        half = MOST_LEFT_OUT // 2
        chosen: IntArray = np.sort(np.concatenate([order[:half], order[-half:]]))
        return chosen, _without_each(means, chosen, alpha)
    samples = np.array([np.delete(means, at) for at in range(len(means))])
    values, errors = samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(n)
    below = np.full(len(means), t_quantile(1 - alpha / 2, n - 1))
    above = below.copy()
    skewed = np.flatnonzero(bootstrap.is_for(samples))
    if len(skewed):
        at = int(alpha / 2 * (REPLICATES + 1) + 1e-9)
        low, high = bootstrap.quantiles(samples[skewed], at) if at else (-np.inf, np.inf)
        above[skewed], below[skewed] = np.maximum(above[skewed], -low), np.maximum(below[skewed], high)
    return np.arange(len(means)), [
        (Estimate(float(value), float(se), n), Interval(float(value - se * down), float(value + se * up)))
        for value, se, down, up in zip(values, errors, below, above, strict=True)
    ]


def _without_each(means: FloatArray, chosen: IntArray, alpha: float) -> list[tuple[Estimate, Interval]]:
    """The same of some clusters among so many that t is all there is.

    From the sums over all clusters one is taken: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample
    variance", eq. 2.1.
    """
    n, mean = len(means) - 1, means.mean()
    centred = means - mean
    values = mean - centred[chosen] / n
    squares = np.maximum(np.sum(centred**2) - centred[chosen] ** 2 * (n + 1) / n, 0.0)
    errors = np.sqrt(squares / (n - 1) / n)
    reach = t_quantile(1 - alpha / 2, n - 1)
    return [
        (Estimate(float(value), float(se), n), Interval(float(value - se * reach), float(value + se * reach)))
        for value, se in zip(values, errors, strict=True)
    ]


def at_zero(means: FloatArray, covariate: FloatArray) -> Estimate:
    """The mean where a covariate of the clusters is 0: intercept of a least-squares line, with its error.

    NaN where the covariate has no spread or fewer than three clusters leave no error. Draper & Smith 1998, section 1.4.

    Args:
        means, covariate: shape (n,).
    """
    n = len(means)
    centred = covariate - covariate.mean()
    spread = float(np.sum(centred**2))
    if n < 3 or not spread > 0:
        return Estimate(float("nan"), float("nan"), 0)
    slope = float(np.sum(centred * means)) / spread
    residuals = means - means.mean() - slope * centred
    variance = float(np.sum(residuals**2)) / (n - 2) * (1 / n + float(covariate.mean()) ** 2 / spread)
    value = float(means.mean() - slope * covariate.mean())
    return Estimate(value, float(np.sqrt(variance)), n, n - 2)


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


def jackknife_error(others: FloatArray) -> float:
    """Standard error of a statistic from its values without each cluster, shape (k,); NaN under two.

    Efron & Tibshirani 1993, "An Introduction to the Bootstrap", eq. 11.5.
    """
    k = len(others)
    return float(np.sqrt((k - 1) / k * np.sum((others - others.mean()) ** 2))) if k > 1 else float("nan")


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One mean minus another over other clusters, with Welch's (1947) error and degrees of freedom.

    Both need at least two clusters; the result counts the clusters of both.
    """
    variances = np.array([one.se**2, other.se**2])
    total = float(variances.sum())
    parts = float(np.sum(variances**2 / np.array([one.degrees, other.degrees])))
    freedom = total**2 / parts if parts > 0 else one.degrees + other.degrees
    return Estimate(one.value - other.value, float(np.sqrt(total)), one.clusters + other.clusters, freedom)


def difference_interval(y: FloatArray, alpha: float) -> Interval:
    """Where the difference of two new points lies, from points about one mean: `prediction_interval` without a line.

    Args:
        y: shape (n,), n at least 2.
        alpha: two-sided error.
    """
    reach = float(np.std(y, ddof=1)) * float(np.sqrt(2)) * t_quantile(1 - alpha / 2, len(y) - 1)
    return Interval(-reach, reach)


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
    reach = se * t_quantile(1 - alpha / 2, freedom)
    return Interval(slope * gap - reach, slope * gap + reach)
