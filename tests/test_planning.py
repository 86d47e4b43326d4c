"""Power and plans against statsmodels, simulation, scipy and hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from auditor.core.planning import (
    MAX_CLUSTERS,
    MIN_CLUSTERS,
    Goal,
    absence_power,
    clusters_needed,
    harm_power,
    plan,
    sd_interval,
    share_selected,
    smallest_effect,
)

D = math.log(1.25)
HARM = Goal("harm", 2 * D, D, 1, 1)
ABSENCE = Goal("no_meaningful_difference", 0.0, D, 1, 1)
ERRORS = np.array([0.05, 0.01, 0.001])


@pytest.mark.parametrize("clusters", [2, 8, 30, 400])
@pytest.mark.parametrize("sd", [0.3, 1.0])
def test_power_of_harm_equals_statsmodels(clusters: int, sd: float) -> None:
    found = harm_power(clusters, sd, 0.6, D, ERRORS)
    expected = [
        TTestPower().power((0.6 - D) / sd, nobs=clusters, alpha=error / 2, alternative="larger") for error in ERRORS
    ]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("clusters", "sd", "excess"), [(5, 0.2, 0.0), (12, 0.25, 0.05), (55, 0.5, 0.0), (40, 0.4, -0.1)]
)
def test_power_of_absence_equals_simulation(clusters: int, sd: float, excess: float) -> None:
    means = np.random.default_rng(7).normal(excess, sd, (200_000, clusters))
    centre, se = means.mean(axis=1), means.std(axis=1, ddof=1) / math.sqrt(clusters)
    for error, found in zip(ERRORS, absence_power(clusters, sd, excess, D, ERRORS), strict=True):
        reach = stats.t.ppf(1 - error / 2, clusters - 1) * se
        observed = np.mean((centre - reach > -D) & (centre + reach < D))
        assert found == pytest.approx(observed, abs=4 * math.sqrt(0.25 / 200_000))


def test_power_of_absence_of_two_clusters_by_another_integral() -> None:
    # With one degree of freedom the estimate over the truth is |z|; 12.706 x 0.05 / sqrt(2) x |z| must lie below d.
    se, reach = 0.05 / math.sqrt(2), float(stats.t.ppf(0.975, 1))
    z = (np.arange(200_000) + 0.5) / 200_000 * D / (reach * se)
    inside = stats.norm.cdf(D / se - reach * z) - stats.norm.cdf(-D / se + reach * z)
    expected = np.sum(2 * stats.norm.pdf(z) * inside) * (z[1] - z[0])
    assert absence_power(2, 0.05, 0.0, D, np.array([0.05]))[0] == pytest.approx(expected, abs=1e-6)


def test_many_clusters_are_the_normal_approximation() -> None:
    # (1.960 + 0.842)^2 and (1.960 + 1.282)^2 times (10 / 0.2231)^2: absence needs 80% within both sides.
    assert clusters_needed(HARM, 10.0, 0.8) == pytest.approx((1.95996 + 0.84162) ** 2 * (10 / D) ** 2, rel=0.001)
    assert clusters_needed(ABSENCE, 10.0, 0.8) == pytest.approx((1.95996 + 1.28155) ** 2 * (10 / D) ** 2, rel=0.001)


@pytest.mark.parametrize("goal", [HARM, ABSENCE, Goal("harm", 0.5, D, 3, 10), Goal(ABSENCE.verdict, 0.1, D, 7, 10)])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_plan_is_the_fewest_clusters(goal: Goal, power: float) -> None:
    clusters = clusters_needed(goal, 0.6, power)
    assert clusters is not None
    assert goal.power(clusters, 0.6) >= power > goal.power(clusters - 1, 0.6)


@given(st.integers(2, 300), st.floats(0.05, 3.0), st.sampled_from([HARM, ABSENCE, Goal("harm", 0.5, D, 2, 5)]))
@settings(max_examples=60, deadline=None)
def test_from_a_half_on_more_clusters_have_more_power(clusters: int, sd: float, goal: Goal) -> None:
    # What the search relies on. (Of very few clusters, two may by luck lie closer together than three.)
    fewer, more = (min(goal.power(one, sd), 1 - 1e-9) for one in (clusters, clusters + 1))
    assert 0 <= fewer <= 1
    assert fewer < 0.5 or fewer <= more


def test_power_without_spread_or_with_a_hopeless_one() -> None:
    assert clusters_needed(HARM, 1e-6, 0.9) == clusters_needed(ABSENCE, 1e-6, 0.9) == 2
    assert clusters_needed(HARM, 1e6, 0.9) is clusters_needed(ABSENCE, 1e6, 0.9) is None
    assert MAX_CLUSTERS == 1_000_000
    assert plan(HARM, 1e6, 0.9, 24).range == (None, None)


def test_share_selected_by_hand() -> None:
    assert share_selected(np.array([0.3])) == pytest.approx(0.3)
    # Both below the second step: 0.5^2 select two. Else one, if it lies below the first: 2 x 0.2 x (1 - 0.5).
    assert share_selected(np.array([0.2, 0.5])) == pytest.approx((2 * 0.25 + 0.2) / 2)
    assert share_selected(np.zeros(3)) == 0.0
    assert share_selected(np.ones(3)) == pytest.approx(1.0)


def test_share_selected_equals_scipys_step_up() -> None:
    # p = u^4 of 12 cells in a family of 20, the other 8 at p = 1.
    rng = np.random.default_rng(5)
    p = np.concatenate([rng.random((20_000, 12)) ** 4, np.ones((20_000, 8))], axis=1)
    observed = np.mean(stats.false_discovery_control(p, axis=1)[:, :12] <= 0.05)
    found = share_selected((0.05 * np.arange(1, 13) / 20) ** 0.25)
    assert found == pytest.approx(observed, abs=0.005)


def test_a_larger_family_asks_for_more_and_findings_help_each_other() -> None:
    alone, large, shared = (
        clusters_needed(Goal("harm", 2 * D, D, sought, size), 0.5, 0.8) for sought, size in ((1, 1), (1, 10), (5, 10))
    )
    assert alone is not None
    assert shared is not None
    assert large is not None
    assert alone < shared < large


@pytest.mark.parametrize("degrees", [4, 24, 7.5])
def test_interval_of_a_standard_deviation(degrees: float) -> None:
    interval = sd_interval(0.5, degrees)
    low, high = (0.5**2 * degrees / stats.chi2(degrees).isf(tail) for tail in (0.025, 0.975))
    assert (interval.low, interval.high) == pytest.approx((math.sqrt(low), math.sqrt(high)))


def test_interval_of_a_standard_deviation_covers_it() -> None:
    sds = np.random.default_rng(2).standard_normal((4_000, 10)).std(axis=1, ddof=1)
    covered = np.mean([one.low <= 1.0 <= one.high for one in (sd_interval(sd, 9) for sd in sds)])
    assert covered == pytest.approx(0.95, abs=0.014)


def test_a_pilot_of_25_clusters_leaves_much_open() -> None:
    # By the normal approximation, with 24 degrees of freedom the true spread is 0.781 to 1.391 times the estimate:
    # Phi(2.802 / 1.391 - 1.960) = 52% and Phi(2.802 / 0.781 - 1.960) = 95%.
    found = plan(HARM, 0.5, 0.8, 24)
    assert found.spreads is not None
    assert (found.spreads.low, found.spreads.high) == pytest.approx((0.3904, 0.6956), abs=1e-4)
    assert found.powers is not None
    assert found.powers == pytest.approx((0.95, 0.52), abs=0.01)
    assert found.range is not None
    least, most = found.range
    assert (least, most) == tuple(clusters_needed(HARM, end, 0.8) for end in (found.spreads.low, found.spreads.high))
    assert found.clusters is not None
    assert least is not None
    assert most is not None
    assert least < found.clusters < most


def test_a_stated_spread_has_no_range() -> None:
    found = plan(ABSENCE, 0.5, 0.8)
    assert (found.clusters, found.spreads, found.range, found.powers) == (55, None, None, None)
    assert found.power == ABSENCE.power(55, 0.5)


@pytest.mark.parametrize("neutral_sd", [0.2, 0.5])
def test_harm_that_survives_its_form_matched_control_is_planned_by_the_spread_of_both(neutral_sd: float) -> None:
    clusters = clusters_needed(HARM, math.hypot(0.5, neutral_sd), 0.8)
    assert clusters is not None
    rng = np.random.default_rng(4)
    own, neutral = rng.normal(2 * D, 0.5, (20_000, clusters)), rng.normal(0, neutral_sd, (20_000, clusters))
    found = stats.ttest_1samp(own, D, axis=1).confidence_interval(0.95).low > D
    survived = stats.ttest_ind(own, neutral, axis=1, equal_var=False).confidence_interval(0.95).low > D
    assert np.mean(found & survived) == pytest.approx(0.8, abs=0.02)


def test_no_plan_is_for_so_few_clusters_that_normal_ones_look_skewed() -> None:
    goal = Goal("harm", 2 * D, D, 1, 1)
    assert clusters_needed(goal, 0.1, 0.8) == 4
    found = plan(goal, 0.1, 0.8, 9)
    assert (found.clusters, found.range) == (MIN_CLUSTERS, (MIN_CLUSTERS, MIN_CLUSTERS))
    assert found.power == goal.power(MIN_CLUSTERS, 0.1)


@pytest.mark.parametrize(("clusters", "sd"), [(8, 0.3), (32, 1.0), (120, 0.6)])
def test_smallest_effect_equals_statsmodels(clusters: int, sd: float) -> None:
    found = smallest_effect(clusters, sd, D, 1, 0.8)
    size = TTestPower().solve_power(nobs=clusters, alpha=0.025, power=0.8, alternative="larger")
    assert found == pytest.approx(D + size * sd, abs=1e-4)


@pytest.mark.parametrize("identities", [1, 8, 200])
@pytest.mark.parametrize("clusters", [2, 3, 12, 1000])
def test_smallest_effect_has_the_power_and_nothing_smaller_has(clusters: int, identities: int) -> None:
    found = smallest_effect(clusters, 0.5, D, identities, 0.8)
    assert found is not None
    for factor, enough in ((1.001, True), (0.999, False)):
        goal = Goal("harm", D + factor * (found - D), D, 1, identities)
        assert (goal.power(clusters, 0.5) > 0.8) is enough


def test_without_an_interval_there_is_no_smallest_effect() -> None:
    assert smallest_effect(1, 0.5, D, 1, 0.8) is None
    assert smallest_effect(0, 0.5, D, 1, 0.8) is None
