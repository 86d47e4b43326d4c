"""The studentised bootstrap against a plain loop, and what it must not do."""

import numpy as np
import pytest
from scipy import stats

from auditor.core.bootstrap import MAX_CLUSTERS, REPLICATES, RESAMPLES, SKEWED, Bootstrap, percentiles, skewness
from auditor.core.statistics import mean_over_clusters

RNG = np.random.default_rng(3)
LONG_TAIL = RNG.exponential(size=12)


@pytest.mark.parametrize("means", [LONG_TAIL, RNG.normal(size=30), -LONG_TAIL])
def test_skewness_is_scipys_adjusted_one(means: np.ndarray) -> None:
    assert skewness(means) == pytest.approx(stats.skew(means, bias=False))


def test_rounding_errors_have_no_skewness() -> None:
    assert skewness(np.array([0.1 + 0.2, 0.3, 0.3, 0.3])) == 0.0
    assert skewness(np.array([1.0, 2.0])) == 0.0


def test_means_that_do_not_lean_keep_students_t() -> None:
    symmetric = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    estimate = mean_over_clusters(symmetric, Bootstrap(0))
    assert estimate.method == "t"
    assert estimate.interval(0.05) == mean_over_clusters(symmetric).interval(0.05)


def test_pivots_equal_a_plain_loop_over_resamples() -> None:
    pivots = Bootstrap(7).pivots(LONG_TAIL)
    n = len(LONG_TAIL)
    generator = np.random.default_rng([7, n])
    counts = generator.multinomial(n, np.full(n, 1 / n), size=REPLICATES)
    expected = []
    for row in counts:
        sample = np.repeat(LONG_TAIL, row)
        expected.append((sample.mean() - LONG_TAIL.mean()) / (sample.std(ddof=1) / np.sqrt(n)))
    assert pivots == pytest.approx(np.sort(expected), rel=1e-9)


def test_each_end_is_the_wider_of_bootstrap_and_t() -> None:
    # 250 of 10,000 are 2.5%: the ends are the 250th pivots from either side, or t's where that is wider.
    pivots = Bootstrap(0).pivots(LONG_TAIL)
    assert pivots is not None
    estimate = mean_over_clusters(LONG_TAIL, Bootstrap(0))
    t = stats.t.ppf(0.975, len(LONG_TAIL) - 1)
    low = estimate.value - estimate.se * max(t, np.sort(pivots)[-250])
    high = estimate.value - estimate.se * min(-t, np.sort(pivots)[249])
    interval = estimate.interval(0.05)
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert interval.high > estimate.value + t * estimate.se, "the long tail lies above"
    assert interval.low == pytest.approx(estimate.value - t * estimate.se)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 0.002])
def test_p_is_the_error_at_which_the_interval_ends_at_the_bound(alpha: float) -> None:
    for means in (LONG_TAIL, -LONG_TAIL):
        estimate = mean_over_clusters(means, Bootstrap(0))
        interval = estimate.interval(alpha)
        for p, end, step in ((estimate.p_above, interval.low, 1e-9), (estimate.p_below, interval.high, -1e-9)):
            assert p(end - step) <= alpha / 2 * (1 + 1e-6)
            assert p(end + step) > alpha / 2 * (1 - 1e-6)


def test_an_error_too_small_for_the_replicates_says_nothing_of_either_side() -> None:
    interval = mean_over_clusters(LONG_TAIL, Bootstrap(0)).interval(1e-5)
    assert (interval.low, interval.high) == (-np.inf, np.inf)


def test_resamples_without_a_spread_are_infinitely_far_out() -> None:
    # One odd cluster of five: a third of the resamples miss it and have no spread. Nothing is known above.
    interval = mean_over_clusters(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), Bootstrap(0)).interval(0.05)
    assert interval.high == np.inf


def test_shifting_and_scaling_the_means_shifts_and_scales_the_interval() -> None:
    plain = mean_over_clusters(LONG_TAIL, Bootstrap(1)).interval(0.05)
    moved = mean_over_clusters(3 * LONG_TAIL + 2, Bootstrap(1)).interval(0.05)
    assert (moved.low, moved.high) == pytest.approx((3 * plain.low + 2, 3 * plain.high + 2))


def test_the_seed_decides_and_the_order_of_asking_does_not() -> None:
    one, other = Bootstrap(5), Bootstrap(5)
    other.pivots(LONG_TAIL[:8])
    assert one.pivots(LONG_TAIL).tolist() == other.pivots(LONG_TAIL).tolist()
    assert one.pivots(LONG_TAIL).tolist() != Bootstrap(6).pivots(LONG_TAIL).tolist()


def test_very_many_clusters_and_hardly_skewed_ones_use_t() -> None:
    assert Bootstrap(0).pivots(RNG.exponential(size=MAX_CLUSTERS + 1)) is None
    mild = np.array([0.0, 1.0, 2.0, 3.0, 4.6])
    assert 0 < skewness(mild) < SKEWED
    assert Bootstrap(0).pivots(mild) is None


def test_resamples_of_clusters_are_as_many_and_as_large_as_they_should_be() -> None:
    parts = list(Bootstrap(3).resamples(7))
    counts = np.concatenate(parts)
    assert counts.shape == (RESAMPLES, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert np.array_equal(counts, np.concatenate(list(Bootstrap(3).resamples(7))))
    assert not np.array_equal(counts, np.concatenate(list(Bootstrap(4).resamples(7))))
    # Each cluster stands once in a resample, on average.
    assert np.abs(counts.mean(axis=0) - 1).max() < 0.15
    many = list(Bootstrap(3).resamples(3_000))
    assert len(many) > 1
    assert sum(len(part) for part in many) == RESAMPLES


def test_percentiles_need_values() -> None:
    values = np.arange(1000.0)
    assert percentiles(values) == pytest.approx((24.975, 974.025))
    assert np.isnan(percentiles(np.full(10, np.nan))).all()
    assert np.isnan(percentiles(np.where(values < 101, np.nan, values))).all()
    assert np.isfinite(percentiles(np.where(values < 99, np.nan, values))).all()
