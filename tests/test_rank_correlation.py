"""Spearman under weights, held against scipy on items written out as often as they count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditor.core.rank_correlation import spearman


@pytest.mark.parametrize("levels", [3, 1000])
def test_an_item_that_counts_twice_is_two_items(levels: int) -> None:
    rng = np.random.default_rng(levels)
    x, y = (rng.integers(0, levels, 40).astype(float) for _ in range(2))
    weights = rng.integers(0, 4, (25, 40)).astype(float)
    found = spearman(x, y, weights)
    for own, value in zip(weights.astype(int), found, strict=True):
        expected = stats.spearmanr(np.repeat(x, own), np.repeat(y, own)).statistic
        assert value == pytest.approx(expected, abs=1e-12)


def test_without_a_spread_there_is_no_correlation() -> None:
    x, y = np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    assert np.isnan(spearman(x, y, np.array([[2.0, 1.0, 0.0]]))).all()
    assert spearman(x, y, np.array([[1.0, 1.0, 1.0]]))[0] == pytest.approx(stats.spearmanr(x, y).statistic)


def test_orders_are_all_that_counts() -> None:
    x = np.array([0.1, 5.0, 2.0, -3.0])
    ones = np.ones((1, 4))
    assert spearman(x, np.exp(x), ones)[0] == pytest.approx(1.0)
    assert spearman(x, -(x**3), ones)[0] == pytest.approx(-1.0)
