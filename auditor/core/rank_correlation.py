"""Spearman's rank correlation of items that count several times or not at all: all resamples of a bootstrap at once.

An item that counts w times takes part as w equal ones would: ranks are midranks among all that count, and Pearson's
correlation of the ranks weighs each item by w (Spearman 1904; midranks: Kendall 1945, "The treatment of ties").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auditor.core.bootstrap import Bootstrap, percentiles
from auditor.core.statistics import NO_INTERVAL, FloatArray, IntArray, Interval

# Fewer clusters say nothing of how much a correlation may differ.
MIN_CLUSTERS = 5


def spearman(one: FloatArray, other: FloatArray, weights: FloatArray) -> FloatArray:
    """Rank correlation under each row of weights; NaN where one side has no spread.

    Args:
        one, other: shape (n,).
        weights: how often each item counts, whole numbers, shape (resamples, n).

    Returns:
        Shape (resamples,).
    """
    return _correlation(_Order.of(one), _Order.of(other), weights)


def _correlation(one: _Order, other: _Order, weights: FloatArray) -> FloatArray:
    ranks = [side.midranks(weights) for side in (one, other)]
    size = weights.sum(axis=1, keepdims=True)
    x, y = (side - (weights * side).sum(axis=1, keepdims=True) / size for side in ranks)
    spread = np.sqrt((weights * x**2).sum(axis=1) * (weights * y**2).sum(axis=1))
    found = np.full(len(weights), np.nan)
    # Ranks are multiples of a half: what is smaller than this is rounding error of a spread that is none.
    np.divide((weights * x * y).sum(axis=1), spread, out=found, where=spread > 1e-6)
    return found


def resampled_spearman(
    one: FloatArray, other: FloatArray, cluster: IntArray, bootstrap: Bootstrap
) -> tuple[float, Interval]:
    """Rank correlation of items with its 95% interval from resampled clusters; NaN under `MIN_CLUSTERS`, or of nothing.

    Args:
        one, other: shape (n,).
        cluster: a code of each item's, shape (n,).
    """
    if not len(one):
        return float("nan"), NO_INTERVAL
    sides = _Order.of(one), _Order.of(other)
    value = float(_correlation(*sides, np.ones((1, len(one))))[0])
    codes = np.unique(cluster, return_inverse=True)[1]
    if int(codes.max()) + 1 < MIN_CLUSTERS:
        return value, NO_INTERVAL
    found = [_correlation(*sides, weights) for weights in item_weights(bootstrap, codes)]
    return value, Interval(*percentiles(np.concatenate(found)))


def drawn_items(cluster: IntArray, most: int, seed: int) -> IntArray:
    """Places of all items, or of those of whole clusters at random until there are so many; at least one cluster.

    Args:
        cluster: a code of each item's, at least 0, shape (n,).
    """
    sizes = np.bincount(cluster)
    order = np.random.default_rng(seed).permutation(len(sizes))
    kept = order[np.cumsum(sizes[order]) - sizes[order] < most]
    return np.flatnonzero(np.isin(cluster, kept))


def item_weights(bootstrap: Bootstrap, cluster: IntArray) -> Iterator[FloatArray]:
    """How often each item counts in each resample of its clusters, a few resamples at a time.

    Args:
        cluster: a code of each item's, each from 0 on at least once, shape (n,).

    Yields:
        Whole numbers, shape (part, n).
    """
    clusters = int(cluster.max()) + 1
    for counts in bootstrap.resamples(clusters):
        at_once = max(1, len(counts) * clusters // len(cluster))
        for first in range(0, len(counts), at_once):
            yield counts[first : first + at_once][:, cluster]


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Values from the lowest up, put in order once for all resamples.

    Attributes:
        order: places of the values; ``codes``: equal for equal values and in their order; both of shape (n,).
        starts: where in the order each code begins.
    """

    order: IntArray
    codes: IntArray
    starts: IntArray

    @classmethod
    def of(cls, values: FloatArray) -> _Order:
        codes = np.unique(values, return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        return cls(order, codes, np.searchsorted(codes[order], np.arange(int(codes.max(initial=-1)) + 1)))

    def midranks(self, weights: FloatArray) -> FloatArray:
        """The rank of each among all that count, the mean of their places for equal ones; shape (resamples, n)."""
        counts = weights[:, self.order]
        if len(self.starts) < len(self.order):
            counts = np.add.reduceat(counts, self.starts, axis=1)
        ranks: FloatArray = np.cumsum(counts, axis=1) - counts + (counts + 1) / 2
        return ranks[:, self.codes]
