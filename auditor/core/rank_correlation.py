"""Spearman's rank correlation of items that count several times or not at all: all resamples of a bootstrap at once.

An item that counts w times takes part as w equal ones would: ranks are midranks among all that count, and Pearson's
correlation of the ranks weighs each item by w (Spearman 1904; midranks: Kendall 1945, "The treatment of ties").
"""

from __future__ import annotations

import numpy as np

from auditor.core.statistics import FloatArray, IntArray


def spearman(one: FloatArray, other: FloatArray, weights: FloatArray) -> FloatArray:
    """Rank correlation under each row of weights; NaN where one side has no spread.

    Args:
        one, other: shape (n,).
        weights: how often each item counts, whole numbers, shape (resamples, n).

    Returns:
        Shape (resamples,).
    """
    ranks = [_midranks(np.unique(side, return_inverse=True)[1], weights) for side in (one, other)]
    size = weights.sum(axis=1, keepdims=True)
    x, y = (side - (weights * side).sum(axis=1, keepdims=True) / size for side in ranks)
    spread = np.sqrt((weights * x**2).sum(axis=1) * (weights * y**2).sum(axis=1))
    found = np.full(len(weights), np.nan)
    # Ranks are multiples of a half: what is smaller than this is rounding error of a spread that is none.
    np.divide((weights * x * y).sum(axis=1), spread, out=found, where=spread > 1e-6)
    return found


def _midranks(codes: IntArray, weights: FloatArray) -> FloatArray:
    """The rank of each item among all that count, the mean of their places for equal ones; shape (resamples, n).

    Args:
        codes: equal for equal values and in their order, each from 0 on at least once, shape (n,).
    """
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(int(codes.max(initial=-1)) + 1))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: FloatArray = np.cumsum(counts, axis=1) - counts + (counts + 1) / 2
    return ranks[:, codes]
