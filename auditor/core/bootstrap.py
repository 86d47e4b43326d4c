"""The studentised bootstrap of a mean over clusters, for means whose t interval would lean to one side.

With skewed cluster means the t interval is too short on the side of the long tail: over 8 exponential clusters the 95%
interval covers 90%. The bootstrap's own t (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", section 12.5)
is skewed as the means are. On the other side it is too short where one outlier makes the skew, so each end of an
interval is the wider of the two (`auditor.core.statistics.Estimate`; figures in ``benchmarks/results/coverage.json``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

REPLICATES = 9_999
# Bulmer 1979, "Principles of Statistics", chapter 4: beyond a half, a sample is moderately skewed.
SKEWED = 0.5
# Of a statistic that decides nothing, and is slower to take than a mean.
RESAMPLES = 999
_NUMBERS_AT_ONCE = 1_000_000
# The lean is of the order of skewness / sqrt(clusters): beyond this many, t alone is good to half a percent.
MAX_CLUSTERS = 500
# Numbers of clusters whose draws are kept, 10 MB each at most.
_KEPT_DRAWS = 32
# Samples resampled together: what becomes of them stays in the processor's cache.
_AT_ONCE = 8


def skewness(means: FloatArray) -> FloatArray:
    """Adjusted Fisher-Pearson coefficient of cluster means, shape (..., n) to (...); 0 without a spread or for two."""
    n = means.shape[-1]
    if n < 3:
        return np.zeros(means.shape[:-1])
    deviations = means - means.mean(axis=-1, keepdims=True)
    squares = deviations**2
    variance = squares.mean(axis=-1)
    # Deviations at rounding error have a skewness of their own, which means nothing.
    spread = variance > (1e-12 * np.abs(means).max(axis=-1)) ** 2
    biased = (squares * deviations).mean(axis=-1) / np.where(spread, variance, 1.0) ** 1.5
    adjusted: FloatArray = np.where(spread, biased * math.sqrt(n * (n - 1)) / (n - 2), 0.0)
    return adjusted


class Bootstrap:
    """Resamples of clusters, drawn once for each number of clusters, so that equal means get equal intervals.

    Args:
        seed: the draws depend on it and on the number of clusters alone, not on what was asked before.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws = lru_cache(_KEPT_DRAWS)(lambda n: _draws(seed, n))

    def pivots(self, means: FloatArray) -> FloatArray | None:
        """Sorted values of (mean* - mean) / se*, shape (replicates,); None where t is to be used.

        A resample without a spread counts as infinitely far out, which can only widen an interval.

        Args:
            means: cluster means, shape (n,).
        """
        if not self.is_for(means):
            return None
        return np.sort(_pivots(means[None, :], self._draws(len(means)).astype(np.float64).T)[0])

    def is_for(self, means: FloatArray) -> Mask:
        """Whether means are so skewed, and clusters so few, that t is not to be left alone; shape (..., n) to (...)."""
        skewed: Mask = (means.shape[-1] <= MAX_CLUSTERS) & (np.abs(skewness(means)) > SKEWED)
        return skewed

    def resamples(self, clusters: int) -> Iterator[FloatArray]:
        """How often each of some clusters stands in each of `RESAMPLES` resamples, a part of them at a time.

        Yields:
            Whole numbers, shape (part, clusters).
        """
        generator = np.random.default_rng([self._seed, clusters])
        part = max(1, _NUMBERS_AT_ONCE // clusters)
        for first in range(0, RESAMPLES, part):
            size = min(part, RESAMPLES - first)
            yield generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=size).astype(np.float64)

    def quantiles(self, samples: FloatArray, at: int) -> tuple[FloatArray, FloatArray]:
        """The ``at``-th smallest and the ``at``-th largest pivot of many samples of equal size.

        Args:
            samples: shape (k, n), each one skewed.
            at: from 1.
        """
        low, high = np.empty(len(samples)), np.empty(len(samples))
        counts = self._draws(samples.shape[1]).astype(np.float64).T
        for first in range(0, len(samples), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            pivots = _pivots(samples[part], counts)
            pivots.partition([at - 1, REPLICATES - at], axis=1)
            low[part], high[part] = pivots[:, at - 1], pivots[:, REPLICATES - at]
        return low, high


def percentiles(values: FloatArray) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile of resampled values; NaN where more than one in ten has no value.

    Percentile intervals of few clusters are too short (8 clusters: they cover 88%), so no verdict reads them.
    """
    known = values[np.isfinite(values)]
    if not len(known) or len(known) < 0.9 * len(values):
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _pivots(samples: FloatArray, counts: FloatArray) -> FloatArray:
    """Of every resample, shape (k, replicates), for samples of shape (k, n) and counts of shape (n, replicates)."""
    n = samples.shape[1]
    deviations = samples - samples.mean(axis=1, keepdims=True)
    pivots: FloatArray = deviations @ counts / n
    se = deviations**2 @ counts / n
    se -= pivots**2
    np.maximum(se, 0.0, out=se)
    # se* as in the estimate itself: the unbiased variance over n.
    se /= n - 1
    np.sqrt(se, out=se)
    flat = se <= 1e-9 * np.abs(pivots)
    if flat.any():
        pivots[flat], se[flat] = np.copysign(np.inf, pivots[flat]), 1.0
    pivots /= se
    return pivots


def _draws(seed: int, n: int) -> NDArray[np.int16]:
    """How often each of n clusters stands in each resample, shape (replicates, n)."""
    generator = np.random.default_rng([seed, n])
    return generator.multinomial(n, np.full(n, 1 / n), size=REPLICATES).astype(np.int16)
