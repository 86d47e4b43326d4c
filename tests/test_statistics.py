"""Estimates over clusters against scipy and hand arithmetic."""

import math

import numpy as np
import pytest
from scipy import stats

from auditor.core.statistics import (
    Estimate,
    at_zero,
    by_cluster,
    cluster_means,
    difference,
    difference_interval,
    mean_over_clusters,
    mean_over_items,
    prediction_interval,
    row_weights,
)

MEANS = np.array([0.1, 0.7, 0.4, -0.2, 0.9, 0.3])


def test_cluster_means_by_hand() -> None:
    # Cluster 0 holds key 0 (items 1 and 3, mean 2) and key 1 (item 6): (2 + 6) / 2 = 4.
    # Cluster 1 holds key 2 (items 10 and 20): 15. An item counts by its key, not by itself.
    values = np.array([1.0, 6.0, 10.0, 3.0, 20.0])
    means = cluster_means(values, np.array([0, 1, 2, 0, 2]), np.array([0, 0, 1, 0, 1]))
    assert means.tolist() == [4.0, 15.0]


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.001])
def test_interval_equals_scipys_t(alpha: float) -> None:
    expected = stats.ttest_1samp(MEANS, 0).confidence_interval(1 - alpha)
    interval = mean_over_clusters(MEANS).interval(alpha)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize("bound", [-0.5, 0.0, 0.22])
def test_p_values_equal_scipys(bound: float) -> None:
    estimate = mean_over_clusters(MEANS)
    assert estimate.p_above(bound) == pytest.approx(stats.ttest_1samp(MEANS, bound, alternative="greater").pvalue)
    assert estimate.p_below(bound) == pytest.approx(stats.ttest_1samp(MEANS, bound, alternative="less").pvalue)


def test_p_against_zero_equals_scipys() -> None:
    assert mean_over_clusters(MEANS).p_nonzero() == pytest.approx(stats.ttest_1samp(MEANS, 0).pvalue)


def test_one_cluster_has_a_mean_and_nothing_else() -> None:
    estimate = mean_over_clusters(np.array([0.5]))
    assert estimate.value == 0.5
    assert math.isnan(estimate.se)
    assert math.isnan(estimate.interval(0.05).low)
    assert math.isnan(estimate.p_above(0.0))
    assert math.isnan(estimate.p_nonzero())


def test_all_zero_is_certain_and_not_different_from_zero() -> None:
    estimate = mean_over_clusters(np.zeros(4))
    assert (estimate.interval(0.05).low, estimate.interval(0.05).high) == (0.0, 0.0)
    assert estimate.p_nonzero() == 1.0
    assert estimate.p_above(0.2) == 1.0
    assert estimate.p_below(0.2) == 0.0


def test_mean_over_items_by_hand() -> None:
    # Mean of 1 0 | 1 1 | 0 is 0.6. Residual sums by cluster: (0.4 - 0.6), (0.4 + 0.4), -0.6, that is
    # -0.2, 0.8, -0.6; squares 0.04 + 0.64 + 0.36 = 1.04; x 3/2 = 1.56; root / 5 = 0.249800.
    estimate = mean_over_items(np.array([1.0, 0, 1, 1, 0]), np.array([0, 0, 1, 1, 2]))
    assert estimate.value == pytest.approx(0.6)
    assert estimate.se == pytest.approx(math.sqrt(1.56) / 5)
    assert estimate.clusters == 3


def test_mean_over_items_without_clusters_is_the_plain_mean() -> None:
    values = np.array([0.2, 0.5, 0.9, 0.1])
    estimate = mean_over_items(values, np.arange(4))
    assert estimate.se == pytest.approx(stats.sem(values))


def test_p_below_mirrors_p_above() -> None:
    assert Estimate(0.3, 0.1, 8).p_below(0.1) == pytest.approx(Estimate(-0.3, 0.1, 8).p_above(-0.1))


def test_difference_is_welchs_test() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(1.0, 0.5, 9), rng.normal(0.2, 2.0, 14)
    found = difference(mean_over_clusters(one), mean_over_clusters(other))
    peer = stats.ttest_ind(one, other, equal_var=False)
    interval = peer.confidence_interval(0.95)
    assert found.degrees == pytest.approx(peer.df)
    assert found.p_nonzero() == pytest.approx(peer.pvalue)
    assert (found.interval(0.05).low, found.interval(0.05).high) == pytest.approx((interval.low, interval.high))
    assert found.clusters == 23


def test_difference_of_means_without_spread_is_certain() -> None:
    found = difference(mean_over_clusters(np.ones(3)), mean_over_clusters(np.zeros(4)))
    assert (found.value, found.se, found.degrees) == (1.0, 0.0, 5)


def test_prediction_interval_follows_the_line() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(-8, 2, 12)
    y = 0.3 * x + rng.normal(0, 0.5, 12)
    line = stats.linregress(x, y)
    found = prediction_interval(x, y, -11.0, -6.0, 0.05)
    assert (found.low + found.high) / 2 == pytest.approx(line.slope * -5.0)
    # Two errors and the slope's own, which scipy gives as a standard error.
    error = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 10)
    expected = stats.t.ppf(0.975, 10) * np.sqrt(2 * error**2 + (5.0 * line.stderr) ** 2)
    assert (found.high - found.low) / 2 == pytest.approx(expected)


def test_prediction_interval_holds_its_promise() -> None:
    # Difference of two new points of the same line: inside in 95% of 4,000 draws, Monte-Carlo sd 0.34%.
    rng = np.random.default_rng(6)
    inside = 0
    for _ in range(4000):
        x = rng.normal(0, 1, 8)
        noise = rng.normal(0, 1, 10)
        found = prediction_interval(x, 2 * x + noise[:8], 1.5, -0.5, 0.05)
        inside += found.low < 2 * 2.0 + noise[8] - noise[9] < found.high
    assert abs(inside / 4000 - 0.95) < 4 * 0.0034


def test_row_weights_are_those_of_the_mean() -> None:
    # Two items of key 0 and one of key 4 in cluster 9; one alone in cluster 2, between them.
    match, cluster = np.array([0, 7, 4, 0]), np.array([9, 2, 9, 9])
    assert row_weights(match, cluster).tolist() == [1 / 8, 1 / 2, 1 / 4, 1 / 8]
    values = np.random.default_rng(1).normal(size=4)
    assert row_weights(match, cluster) @ values == pytest.approx(by_cluster(values, match, cluster).means.mean())


def test_means_of_a_few_of_many_codes_are_those_of_a_few() -> None:
    rng = np.random.default_rng(0)
    match = rng.integers(0, 40, 200)
    cluster, values = match // 4, rng.normal(size=200)
    few, many = by_cluster(values, match, cluster), by_cluster(values, match * 10**6, cluster * 10**5)
    assert many.means.tolist() == few.means.tolist()
    assert many.codes.tolist() == (few.codes * 10**5).tolist()


def test_no_line_through_a_covariate_that_is_not_known() -> None:
    found = at_zero(np.array([1.0, 2.0, 4.0]), np.full(3, np.nan))
    assert found.clusters == 0
    assert math.isnan(found.value)


def test_difference_interval_holds_its_promise() -> None:
    rng = np.random.default_rng(8)
    points = rng.normal(3.0, 2.0, (20_000, 10))
    covered = 0
    for own in points:
        found = difference_interval(own[:8], 0.05)
        covered += found.low <= own[8] - own[9] <= found.high
    # Monte Carlo error of 20,000 draws: 0.0015.
    assert covered / len(points) == pytest.approx(0.95, abs=0.005)


def test_difference_interval_is_that_of_a_line_without_a_slope() -> None:
    y = np.array([0.3, -0.1, 0.5, 0.2, 0.9])
    reach = stats.t.ppf(0.95, 4) * y.std(ddof=1) * np.sqrt(2)
    found = difference_interval(y, 0.1)
    assert (found.low, found.high) == (pytest.approx(-reach), pytest.approx(reach))
