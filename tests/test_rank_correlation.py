"""Spearman under weights, held against scipy on items written out as often as they count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from auditor.core.bootstrap import Bootstrap
from auditor.core.rank_correlation import drawn_items, item_weights, resampled_spearman, spearman


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


def test_resamples_are_of_clusters() -> None:
    cluster = np.array([0, 0, 1, 2, 2, 2, 3, 4])
    weights = np.concatenate(list(item_weights(Bootstrap(1), cluster)))
    counts = np.concatenate(list(Bootstrap(1).resamples(5)))
    assert np.array_equal(weights, counts[:, cluster])


def test_an_interval_needs_five_clusters() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 30))
    value, interval = resampled_spearman(x, y, np.arange(30) % 6 * 10, Bootstrap(0))
    assert value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert interval.low < value < interval.high
    assert np.isfinite(resampled_spearman(x, y, np.arange(30) % 5, Bootstrap(0))[1].low)
    value, interval = resampled_spearman(x, y, np.arange(30) % 4, Bootstrap(0))
    assert np.isfinite(value)
    assert np.isnan([interval.low, interval.high]).all()
    nothing = np.array([])
    value, interval = resampled_spearman(nothing, nothing, nothing.astype(int), Bootstrap(0))
    assert np.isnan([value, interval.low]).all()


def test_of_too_many_items_whole_clusters_are_drawn() -> None:
    cluster = np.repeat(np.arange(50), 4)
    assert drawn_items(cluster, 1000, 0).tolist() == list(range(200))
    drawn = drawn_items(cluster, 41, 0)
    # The cluster that reaches the number is still whole.
    assert len(drawn) == 44
    assert set(np.bincount(cluster[drawn]).tolist()) == {0, 4}
    assert not np.array_equal(drawn, drawn_items(cluster, 41, 1))
    assert len(drawn_items(cluster, 40, 0)) == 40, "no cluster more where so many are reached"
    assert len(drawn_items(cluster, 1, 0)) == 4
