"""The studentised bootstrap of a mean over clusters, for means whose t interval would lean to one side.

With skewed cluster means the t interval is too short on the side of the long tail: over 8 exponential clusters the 95%
interval covers 90%. The bootstrap's own t (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", section 12.5)
is skewed as the means are. On the other side it is too short where one outlier makes the skew, so each end of an
interval is the wider of the two (`auditor.core.statistics.Estimate`; figures in ``benchmarks/results/coverage.json``).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

REPLICATES = 9_999
# Bulmer 1979, "Principles of Statistics", chapter 4: beyond a half, a sample is moderately skewed.
SKEWED = 0.5
# The lean is of the order of skewness / sqrt(clusters): beyond this many, t alone is good to half a percent.
MAX_CLUSTERS = 500
# Numbers of clusters whose draws are kept, 10 MB each at most.
_KEPT_DRAWS = 32


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
        self._draws = lru_cache(_KEPT_DRAWS)(lambda n: _draws(seed, n))

    def pivots(self, means: FloatArray) -> FloatArray | None:
        """Sorted values of (mean* - mean) / se*, shape (replicates,); None where t is to be used.

        A resample without a spread counts as infinitely far out, which can only widen an interval.

        Args:
            means: cluster means, shape (n,).
        """
        return np.sort(self._pivots(means[None, :])[:, 0]) if self.is_for(means) else None

    def is_for(self, means: FloatArray) -> Mask:
        """Whether means are so skewed, and clusters so few, that t is not to be left alone; shape (..., n) to (...)."""
        skewed: Mask = (means.shape[-1] <= MAX_CLUSTERS) & (np.abs(skewness(means)) > SKEWED)
        return skewed

    def quantiles(self, samples: FloatArray, at: int) -> tuple[FloatArray, FloatArray]:
        """The ``at``-th smallest and the ``at``-th largest pivot of many samples of equal size.

        Args:
            samples: shape (k, n), each one skewed.
            at: from 1.
        """
        pivots = np.partition(self._pivots(samples), [at - 1, REPLICATES - at], axis=0)
        return pivots[at - 1], pivots[REPLICATES - at]

    def _pivots(self, samples: FloatArray) -> FloatArray:
        """Shape (replicates, k) for samples of shape (k, n)."""
        n = samples.shape[1]
        counts = self._draws(n).astype(np.float64)
        deviations = (samples - samples.mean(axis=1, keepdims=True)).T
        centre = counts @ deviations / n
        variance = np.maximum(counts @ deviations**2 / n - centre**2, 0.0)
        # se* as in the estimate itself: the unbiased variance over n.
        se = np.sqrt(variance / (n - 1))
        flat = se <= 1e-9 * np.abs(centre)
        pivots: FloatArray = np.where(flat, np.copysign(np.inf, centre), centre / np.where(flat, 1.0, se))
        return pivots


def _draws(seed: int, n: int) -> NDArray[np.int16]:
    """How often each of n clusters stands in each resample, shape (replicates, n)."""
    generator = np.random.default_rng([seed, n])
    return generator.multinomial(n, np.full(n, 1 / n), size=REPLICATES).astype(np.int16)
