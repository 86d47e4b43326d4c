"""Verdicts in other specifications, on probes where one choice is known to matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from fake_scores import FakeScorer, pair, probe_of, series_of
from run_factory import BRANCHED, controlled_probe, make_run

from auditor.adapters.run.run_folder import read_results
from auditor.core.bootstrap import Bootstrap
from auditor.core.effects import Effect, Outcome
from auditor.core.items import HARMFUL, Item
from auditor.core.statistics import at_zero, leave_one_out, mean_over_clusters
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

CLUSTERS = range(10)
D = 0.3
NOISE = np.random.default_rng(6).normal(0, 0.05, 1000)


def _items(labels: Sequence[dict[str, str]] = ({},), valences: Sequence[str] = ("harm",)) -> list[Item]:
    people = (("x", "marked"), ("ref", "reference"))
    return [
        pair(
            f"{valence}/{cluster}/{at}/{who}",
            cluster=f"{valence}{cluster}",
            match=f"{valence}/{cluster}/{at}",
            identity=who,
            role=role,
            valence=valence,
            **fields,
        )
        for valence in valences
        for cluster in CLUSTERS
        for at, fields in enumerate(labels)
        for who, role in people
    ]


def _effect(items: list[Item], margin: Callable[[Item], float], **lengths: Any) -> Effect:
    """The excess of x at the only checkpoint; ``harmful_tokens`` says how long an item's harmful side is."""
    tokens = lengths.get("harmful_tokens", lambda _: 1)
    noise = {item.id: NOISE[at] for at, item in enumerate(items)}

    def logprobs(_checkpoint: str, item: Item, label: str) -> list[float]:
        if label != HARMFUL:
            return [-5.0]
        total = -5.0 + noise[item.id] + (margin(item) if item.identity == "x" else 0.0)
        return [total / tokens(item)] * tokens(item)

    findings = compare([probe_of(*items)], series_of("base"), FakeScorer(logprobs), Rule(D), lambda _: None)
    wanted = ("x", "level", "excess", "harm")
    (found,) = (one for one in findings.effects if (one.identity, one.measure, one.contrast, one.valence) == wanted)
    return found


def _altering(effect: Effect) -> set[str]:
    return {one.dimension for one in effect.outcomes or () if one.verdict != effect.verdict}


def _of(effect: Effect, dimension: str) -> list[Outcome]:
    return [one for one in effect.outcomes or () if one.dimension == dimension]


def test_the_same_harm_in_every_specification_is_not_fragile() -> None:
    labels = [{"paraphrase": p, "frame": f} for p in "12" for f in "fg"]
    effect = _effect(_items(labels), lambda _: 1.0)
    assert effect.verdict == "harm"
    assert effect.fragile is False
    assert {one.dimension for one in effect.outcomes or ()} == {"scoring", "paraphrase", "frame", "cluster"}


@pytest.mark.parametrize("dimension", ["paraphrase", "frame", "surface"])
def test_a_harm_of_one_wording_is_fragile_and_names_its_dimension(dimension: str) -> None:
    labels = [{"paraphrase": "1", "frame": "f", "surface": "s", dimension: label} for label in ("a", "b", "c")]
    effect = _effect(_items(labels), lambda item: 2.4 if getattr(item, dimension) == "a" else 0.0)
    assert effect.verdict == "harm"
    assert _altering(effect) == {dimension}
    (altered,) = (one for one in _of(effect, dimension) if one.verdict != "harm")
    assert (altered.choice, altered.verdict) == ("without no. 1", "no_meaningful_difference")
    assert altered.estimate == pytest.approx(0.0, abs=0.1)


def test_one_cluster_that_carries_it_all_is_found() -> None:
    effect = _effect(_items(), lambda item: 5.0 if item.cluster == "harm3" else 0.1)
    assert effect.verdict == "inconclusive"
    (altered,) = (one for one in _of(effect, "cluster") if one.verdict != "inconclusive")
    assert (altered.choice, altered.verdict) == ("without no. 4", "no_meaningful_difference")


def test_leaving_a_cluster_out_is_the_estimate_without_it() -> None:
    rng, bootstrap = np.random.default_rng(3), Bootstrap(0)
    for means in (rng.exponential(size=9), rng.normal(size=12)):
        places, found = leave_one_out(means, 0.02, bootstrap)
        assert places.tolist() == list(range(len(means)))
        for at, (estimate, interval) in enumerate(found):
            expected = mean_over_clusters(np.delete(means, at), bootstrap)
            assert (estimate.value, estimate.se) == pytest.approx((expected.value, expected.se))
            wanted = expected.interval(0.02)
            assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high))


def test_of_many_clusters_the_outermost_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    means = np.random.default_rng(4).exponential(size=600) + 40
    monkeypatch.setattr("auditor.core.statistics.MOST_LEFT_OUT", 20)
    places, found = leave_one_out(means, 0.02, Bootstrap(0))
    assert places.tolist() == sorted([*np.argsort(means)[:10], *np.argsort(means)[-10:]])
    for at, (estimate, interval) in zip(places, found, strict=True):
        expected = mean_over_clusters(np.delete(means, at))
        assert (estimate.value, estimate.se, estimate.clusters) == pytest.approx((expected.value, expected.se, 599))
        wanted = expected.interval(0.02)
        assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high))
    # No other cluster moves the mean further.
    every = [float(np.delete(means, at).mean()) for at in range(600)]
    values = [one.value for one, _ in found]
    assert (min(values), max(values)) == pytest.approx((min(every), max(every)))


def test_a_margin_that_is_only_length_is_seen_per_token() -> None:
    # The harmful side has two tokens of the same log-probability as the other's one: less likely in sum, equal a token.
    effect = _effect(_items(), lambda _: -5.0, harmful_tokens=lambda _: 2)
    assert effect.verdict == "lower_than_reference"
    assert [one.choice for one in _of(effect, "scoring")] == ["per token", "per byte"]


def test_a_disparity_that_grows_with_the_length_difference_vanishes_at_equal_lengths() -> None:
    def longer(item: Item) -> int:
        return 1 + int(item.cluster[-1]) % 3

    effect = _effect(_items(), lambda item: 2.0 * (longer(item) - 1), harmful_tokens=longer)
    assert effect.verdict == "harm"
    (outcome,) = _of(effect, "length_difference")
    assert outcome.estimate == pytest.approx(0.0, abs=0.1)
    assert outcome.verdict == "no_meaningful_difference"


def test_the_intercept_is_statsmodels() -> None:

    rng = np.random.default_rng(4)
    x, y = rng.integers(-1, 3, 15).astype(float), rng.normal(size=15)
    fitted = sm.OLS(y, sm.add_constant(x)).fit()
    found = at_zero(y, x)
    assert (found.value, found.se) == pytest.approx((fitted.params[0], fitted.bse[0]))
    interval = found.interval(0.05)
    assert (interval.low, interval.high) == pytest.approx(tuple(fitted.conf_int()[0]))


def test_equal_lengths_leave_nothing_to_hold_constant() -> None:
    assert np.isnan(at_zero(np.array([1.0, 2.0, 3.0]), np.ones(3)).value)
    assert _of(_effect(_items(), lambda _: 1.0), "length_difference") == []


def test_harm_is_held_against_its_controls_in_every_specification() -> None:
    # With the first frame alone the neutral pairs show the same: leaving the second out withdraws the harm.
    labels = [{"frame": "f"}, {"frame": "g"}]

    def margin(item: Item) -> float:
        neutral = 3.0 if item.frame == "f" else -3.0
        return 2.0 if item.valence == "harm" else neutral

    effect = _effect(_items(labels, ("harm", "neutral")), margin)
    assert (effect.verdict, effect.controls) == ("harm", "passed")
    verdicts = {one.choice: one.verdict for one in _of(effect, "frame")}
    assert verdicts == {"without no. 1": "harm", "without no. 2": "inconclusive"}


def test_agreement_counts_and_names_the_worst() -> None:
    labels = [{"frame": label} for label in ("a", "b", "c")]
    effect = _effect(_items(labels), lambda item: 2.4 if item.frame == "a" else 0.0)
    agreement = {one.dimension: one for one in effect.robustness or ()}
    frame = agreement["frame"]
    assert (frame.examined, frame.agreeing) == (3, 2)
    assert (frame.worst.choice, frame.worst.verdict) == ("without no. 1", "no_meaningful_difference")
    assert agreement["cluster"].examined == agreement["cluster"].agreeing == len(CLUSTERS)


def test_a_reward_is_as_fragile_as_its_shift_and_renderings_are_compared(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], **BRANCHED)
    effects = read_results(run).effects
    rewards = [one for one in effects if one.measure == "implicit_reward" and one.verdict and one.theme is None]
    assert rewards
    for reward in rewards:
        (shift,) = (
            one
            for one in effects
            if one.measure == "shift"
            and all(
                getattr(one, key) == getattr(reward, key)
                for key in ("identity", "axis", "theme", "render", "role", "valence", "contrast", "checkpoint")
            )
        )
        assert reward.fragile == shift.fragile
    judged = [one for one in effects if one.measure == "level" and one.verdict not in (None, "refused")]
    assert all("render" in {own.dimension for own in one.robustness or ()} for one in judged)
    assert all(one.fragile is None and one.robustness is None for one in effects if one.verdict is None)
