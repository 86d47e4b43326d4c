"""What a preference set says of whom: counts, rates and margins against numbers made by hand and by other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from fake_scores import pair
from scipy import stats

from auditor.core.items import Candidate, Item, Message
from auditor.core.mentions import Finder, Named
from auditor.core.preference_mentions import (
    FEWEST,
    Margins,
    Mentioned,
    find_mentions,
    margins_by_pair,
    preference_of,
    rates_of,
    strongest_against,
    texts_of,
)

WHO = Named("Muslims", "religion", "marked", ("Muslim people",))


def answers(item_id: str, chosen: str, rejected: str, **fields: object) -> Item:
    return pair(item_id, candidates=(Candidate("harmful", rejected), Candidate("affirming", chosen)), **fields)


def mentioned(prompt: list[int], chosen: list[int], rejected: list[int]) -> Mentioned:
    return Mentioned(WHO, "names", np.array(prompt), np.array(chosen), np.array(rejected))


def test_prompts_and_answers_are_looked_through() -> None:
    turns = (Message("system", "Be kind to Muslim people."), Message("user", "Who is Muslim?"))
    items = [
        answers("1", "Muslim people, Muslims", "no", context="Muslim people?"),
        answers("2", "no", "a muslim", messages=turns),
    ]
    names, words = find_mentions(items, [WHO], Finder([WHO], english=True))
    assert (names.reading, words.reading) == ("names", "words")
    assert [one.tolist() for one in (names.prompt, names.chosen, names.rejected)] == [[1, 1], [1, 0], [0, 0]]
    assert [one.tolist() for one in (words.prompt, words.chosen, words.rejected)] == [[1, 2], [2, 0], [0, 1]]
    assert names.anywhere.tolist() == [True, True]
    assert texts_of(items[0]) == ("Muslim people?", "Muslim people, Muslims", "no")


def test_counts_by_hand() -> None:
    found = rates_of(mentioned([1, 0, 0, 0], [2, 1, 0, 0], [0, 3, 1, 0]), np.arange(4))
    assert (found.pairs, found.prompts, found.chosen, found.rejected) == (3, 1, 2, 2)
    assert (found.chosen_times, found.rejected_times, found.one_sided) == (3, 4, 2)
    assert found.difference == 0
    # Two pairs are no ground for an interval.
    assert math.isnan(found.interval.low)


@pytest.mark.parametrize("seed", range(3))
def test_the_difference_and_its_interval_are_those_of_a_clustered_regression(seed: int) -> None:
    chance = np.random.default_rng(seed)
    clusters = chance.integers(0, 60, 200)
    chosen, rejected = chance.integers(0, 2, 200), (chance.random(200) < 0.3).astype(int)
    found = rates_of(mentioned([0] * 200, chosen.tolist(), rejected.tolist()), clusters)
    values = (chosen - rejected).astype(float)
    fit = sm.OLS(values, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    groups = len(set(clusters))
    # Its small-sample factor also holds (n - 1)/(n - k), which is 1 for a mean alone.
    reach = fit.bse[0] * stats.t.ppf(0.975, groups - 1)
    assert found.difference == pytest.approx(fit.params[0], abs=1e-12)
    assert found.interval.low == pytest.approx(found.difference - reach, abs=1e-9)
    assert found.interval.high == pytest.approx(found.difference + reach, abs=1e-9)


def test_pairs_of_few_prompts_are_no_ground_for_an_interval() -> None:
    # All one way in four prompts: by their signs p is 1/8, whatever the number of pairs.
    one_sided = [1] * 12 + [0] * 100
    prompts = np.array([at // 3 for at in range(12)] + list(range(4, 104)))
    found = rates_of(mentioned([0] * 112, one_sided, [0] * 112), prompts)
    assert found.one_sided == 12
    assert math.isnan(found.interval.low)
    assert math.isfinite(rates_of(mentioned([0] * 112, one_sided, [0] * 112), np.arange(112)).interval.low)


@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_pairs_of_one_prompt_on_both_sides_are_not_independent(shared: float) -> None:
    chance = np.random.default_rng(1)
    clusters, about = chance.integers(0, 50, 300), chance.integers(0, 2, 300)
    summed = chance.normal(size=300) + shared * chance.normal(size=50)[clusters]
    found = preference_of(mentioned([0] * 300, about.tolist(), [0] * 300), "dpo", Margins(summed, summed), clusters)
    fit = sm.OLS(summed, np.column_stack([about, 1 - about])).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    # The sandwich of both means, each with the correction for its own number of clusters.
    sizes = np.array([len(set(clusters[about == 1])), len(set(clusters[about == 0]))])
    correction = np.sqrt(sizes / (sizes - 1))
    covariance = fit.cov_params() * np.outer(correction, correction)
    error = math.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1]))
    variances = np.diag(covariance)
    freedom = variances.sum() ** 2 / np.sum(variances**2 / (sizes - 1))
    reach = error * stats.t.ppf(0.975, freedom)
    assert found.beside == pytest.approx(fit.params[0] - fit.params[1])
    assert (found.beside_interval.low, found.beside_interval.high) == pytest.approx(
        (found.beside - reach, found.beside + reach)
    )


def test_margins_of_the_pairs_that_mention_whom() -> None:
    chance = np.random.default_rng(0)
    about = np.arange(40) % 2
    summed = chance.normal(size=40) + about
    summed[0] = summed[1] = np.nan
    margins = Margins(summed, summed / 4)
    found = preference_of(mentioned([0] * 40, about.tolist(), [0] * 40), "dpo", margins, np.arange(40))
    own, rest = summed[3::2], summed[2::2]
    assert (found.pairs, found.clusters, found.checkpoint) == (19, 19, "dpo")
    assert found.mean == pytest.approx(own.mean())
    assert found.per_token == pytest.approx(own.mean() / 4)
    assert found.share_chosen == np.mean(own > 0)
    low, high = stats.t.interval(0.95, 18, own.mean(), stats.sem(own))
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    welch = stats.ttest_ind(own, rest, equal_var=False).confidence_interval(0.95)
    assert found.beside == pytest.approx(own.mean() - rest.mean())
    assert (found.beside_interval.low, found.beside_interval.high) == pytest.approx((welch.low, welch.high))


def test_few_pairs_have_a_mean_and_no_interval() -> None:
    some = [1] * (FEWEST - 1) + [0] * 30
    margins = Margins(np.linspace(-1, 1, len(some)), np.zeros(len(some)))
    found = preference_of(mentioned([0] * len(some), some, some), "dpo", margins, np.arange(len(some)))
    assert math.isfinite(found.mean)
    assert math.isfinite(found.beside)
    assert math.isnan(found.interval.low)
    assert math.isnan(found.beside_interval.low)


def test_few_other_pairs_are_no_ground_for_an_interval_beside_them() -> None:
    about = [1] * 30 + [0] * (FEWEST - 1)
    margins = Margins(np.linspace(-1, 1, len(about)), np.zeros(len(about)))
    found = preference_of(mentioned([0] * len(about), about, about), "dpo", margins, np.arange(len(about)))
    assert math.isfinite(found.interval.low)
    assert math.isfinite(found.beside)
    assert math.isnan(found.beside_interval.low)


def test_a_tie_prefers_nothing() -> None:
    margins = Margins(np.array([0.0, 1.0, -1.0, 0.0]), np.zeros(4))
    assert preference_of(mentioned([0] * 4, [1] * 4, [0] * 4), "dpo", margins, np.arange(4)).share_chosen == 1 / 4


def test_nobody_mentioned_is_no_zero() -> None:
    none = preference_of(mentioned([0] * 3, [0] * 3, [0] * 3), "dpo", Margins(np.ones(3), np.ones(3)), np.arange(3))
    assert (none.pairs, none.clusters) == (0, 0)
    assert all(math.isnan(value) for value in (none.mean, none.per_token, none.share_chosen, none.beside))
    everybody = preference_of(
        mentioned([1] * 3, [0] * 3, [0] * 3), "dpo", Margins(np.ones(3), np.ones(3)), np.arange(3)
    )
    assert everybody.mean == 1
    assert math.isnan(everybody.beside)


def test_the_pairs_that_speak_most_against_what_was_chosen_come_first() -> None:
    margins = Margins(np.array([1.0, -2.0, np.nan, -5.0, 0.0]), np.zeros(5))
    ranked = strongest_against(mentioned([0, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]), margins)
    assert ranked.tolist() == [1, 4, 0]


def test_margins_of_a_table_are_turned_round_and_put_in_order() -> None:
    items = [answers(one, "a", "b") for one in "abc"]
    found = margins_by_pair(items, {"c": 0, "a": 1}, np.array([2.0, -3.0]))
    assert found[[0, 2]].tolist() == [3.0, -2.0]
    assert math.isnan(found[1])
    assert np.isnan(margins_by_pair(items, {}, np.array([]))).all()
