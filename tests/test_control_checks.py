"""Controls, on numbers whose answer is known: harm of form is withdrawn, harm of content stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_scores import FakeScorer, Logprobs, pair, probe_of, series_of
from scipy import stats

from auditor.core.effects import Effect
from auditor.core.findings import Findings
from auditor.core.items import HARMFUL, Item, Probe
from auditor.core.naming import with_names
from auditor.core.scores import CheckpointScores, ScoredItem
from auditor.core.series import Checkpoint, Quantity
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

CLUSTERS = range(12)
NAMES = {"x": -6.0, "ref": -4.0, **{f"c{at}": -2.0 - at for at in range(8)}}
# Standard normal, one a control identity.
OWN = {"x": 0.0, "ref": 0.0, **{f"c{at}": float(stats.norm.ppf((at + 0.5) / 8)) for at in range(8)}}
ROLES: dict[str, Any] = {"x": "marked", "ref": "reference"}


def _items(valences: tuple[str, ...] = ("harm", "neutral"), controls: int = 8) -> list[Item]:
    people = ["x", "ref", *(f"c{at}" for at in range(controls))]
    return [
        pair(
            f"{valence}{cluster}{who}",
            cluster=f"{valence}{cluster}",
            match=f"{valence}{cluster}",
            valence=valence,
            identity=who,
            role=ROLES.get(who, "control"),
            surface=who,
            context=f"Some {who}.",
        )
        for valence in valences
        for cluster in CLUSTERS
        for who in people
    ]


def _audit(
    items: list[Item],
    *,
    harm: float = 0.0,
    neutral: float = 0.0,
    slope: float = 0.0,
    apart: float = 0.0,
    quantity: Quantity = "logprob",
) -> Findings:
    """Margins: ``harm`` or ``neutral`` for x alone, ``slope`` times the log-probability of everyone's name.

    Args:
        apart: sd of the means of the control identities.
    """
    rng = np.random.default_rng(5)
    spread = {(item.cluster, item.identity): rng.normal(0, 0.05) for item in items}

    def logprobs(_checkpoint: str, item: Item, label: str) -> list[float]:
        if item.design == "naming":
            return [NAMES[label]]
        if label != HARMFUL:
            return [-5.0]
        margin = spread[item.cluster, item.identity] + slope * NAMES[item.identity] + apart * OWN[item.identity]
        if item.identity == "x":
            margin += harm if item.valence == "harm" else neutral
        return [-5.0 + margin]

    series = series_of("base", quantities={"base": quantity})
    return compare([with_names(probe_of(*items))], series, FakeScorer(logprobs), Rule(0.2), lambda _: None)


def _effect(findings: Findings, contrast: str = "excess") -> Effect:
    (effect,) = (
        one
        for one in findings.effects
        if (one.identity, one.contrast, one.valence, one.theme) == ("x", contrast, "harm", None)
    )
    return effect


def test_harm_of_content_survives_both_controls() -> None:
    effect = _effect(_audit(_items(), harm=1.0))
    assert (effect.verdict, effect.controls) == ("harm", "passed")
    assert effect.checks is not None
    assert effect.checks.identities == 8
    assert effect.checks.name_logprob == pytest.approx(-6.0)


def test_harm_that_neutral_pairs_show_too_is_withdrawn() -> None:
    effect = _effect(_audit(_items(), harm=1.0, neutral=0.9))
    assert (effect.verdict, effect.controls) == ("inconclusive", "failed_form")
    assert effect.adjusted.low > 0.2, "the interval alone would say harm"


def test_harm_that_any_name_as_rare_would_show_is_withdrawn() -> None:
    # Everyone's margin grows by half a nat with each nat that the name is rarer: x is 2 nats rarer than ref.
    effect = _effect(_audit(_items(("harm",)), slope=-0.5))
    assert effect.estimate.value == pytest.approx(1.0, abs=0.1)
    assert (effect.verdict, effect.controls) == ("inconclusive", "failed_band")
    assert effect.checks is not None
    assert effect.checks.band.low < effect.estimate.value < effect.checks.band.high


def test_a_preference_is_not_held_against_controls() -> None:
    # Which side of a neutral pair is called harmful must not decide: its raw margin is that of two words.
    for neutral in (0.9, -0.9):
        raw = _effect(_audit(_items(), harm=1.0, neutral=neutral), "raw")
        assert (raw.verdict, raw.controls, raw.checks) == ("harm", None, None)
    everyone = _effect(_audit(_items(("harm",)), slope=-0.5), "raw")
    assert (everyone.verdict, everyone.controls) == ("harm", None)


def test_one_kind_of_control_is_enough_to_be_examined() -> None:
    assert _effect(_audit(_items(("harm",)), harm=1.0)).controls == "passed"
    assert _effect(_audit(_items(controls=0), harm=1.0)).controls == "passed"
    assert _effect(_audit(_items(("harm",), controls=0), harm=1.0)).controls == "absent"


def test_four_control_identities_are_too_few() -> None:
    effect = _effect(_audit(_items(("harm",), controls=4), harm=1.0))
    assert (effect.verdict, effect.controls) == ("harm", "absent")


def test_without_harm_there_is_nothing_to_examine() -> None:
    effect = _effect(_audit(_items()))
    assert (effect.verdict, effect.controls) == ("no_meaningful_difference", None)


def test_form_contrast_is_welchs() -> None:
    findings = _audit(_items(controls=0), harm=0.5, neutral=0.1)
    rng = np.random.default_rng(5)
    spread = {(item.cluster, item.identity): rng.normal(0, 0.05) for item in _items(controls=0)}
    harm = [0.5 + spread[f"harm{at}", "x"] - spread[f"harm{at}", "ref"] for at in CLUSTERS]
    neutral = [0.1 + spread[f"neutral{at}", "x"] - spread[f"neutral{at}", "ref"] for at in CLUSTERS]
    expected = stats.ttest_ind(harm, neutral, equal_var=False).confidence_interval(0.95)
    checks = _effect(findings).checks
    assert checks is not None
    assert (checks.form_interval.low, checks.form_interval.high) == pytest.approx((expected.low, expected.high))


def test_neutral_pairs_of_another_length_are_no_controls_and_counted() -> None:
    items = _items(controls=0)

    def logprobs(_checkpoint: str, item: Item, label: str) -> list[float]:
        longer = item.valence == "neutral" and label == HARMFUL
        value = 1.0 if (item.identity, item.valence, label) == ("x", "harm", HARMFUL) else 0.0
        return [-1.0] * (1 + longer) if longer else [-5.0 + value + 0.01 * int(item.cluster[-1])]

    findings = compare([probe_of(*items)], series_of("base"), FakeScorer(logprobs), Rule(0.2), lambda _: None)
    effect = _effect(findings)
    assert effect.checks is not None
    assert effect.checks.form is None
    assert [one.identity for one in findings.refusals if one.reason == "control_form"] == ["x"]


def test_random_identities_seldom_leave_the_band() -> None:
    # Marked and reference are two more draws of the controls: above the band in 2.5%, Monte-Carlo sd 0.8%.
    rng = np.random.default_rng(11)
    above = 0
    draws = 400
    for _ in range(draws):
        own = {who: rng.normal(0, 0.4) for who in NAMES}

        def logprobs(_checkpoint: str, item: Item, label: str, own: dict[str, float] = own) -> list[float]:
            if item.design == "naming":
                return [NAMES[label]]
            return [-5.0 + (own[item.identity] + 0.01 * int(item.cluster[-1]) if label == HARMFUL else 0.0)]

        items = [item for item in _items(("harm",)) if int(item.cluster[4:]) < 2]
        probe = with_names(probe_of(*items))
        findings = compare([probe], series_of("base"), FakeScorer(logprobs), Rule(0.2), lambda _: None)
        effect = _effect(findings)
        assert effect.checks is not None
        above += effect.estimate.value > effect.checks.band.high
    assert above / draws < 0.025 + 3 * math.sqrt(0.025 * 0.975 / draws)
    assert above > 0


def test_one_row_without_a_name_leaves_the_band() -> None:
    items = [replace(item, surface="") if item.id == "harm3x" else item for item in _items(("harm",))]
    checks = _effect(_audit(items, harm=1.0)).checks
    assert checks is not None
    assert checks.identities == 8
    assert checks.name_logprob == pytest.approx(-6.0)


@pytest.mark.parametrize(("apart", "controls"), [(0.1, "passed"), (0.6, "failed_band")])
def test_a_reward_is_held_against_any_two_control_identities(apart: float, controls: str) -> None:
    found = _audit(_items(("harm",)), harm=1.0, apart=apart, quantity="reward")
    (effect,) = [one for one in found.effects if (one.measure, one.contrast, one.identity) == ("level", "excess", "x")]
    checks = effect.checks
    assert checks
    levels = [one.estimate.value for one in found.effects
              if (one.measure, one.contrast, one.role) == ("level", "raw", "control")]  # fmt: skip
    reach = stats.t.ppf(0.975, 7) * np.std(levels, ddof=1) * math.sqrt(2)
    assert (checks.band.low, checks.band.high) == (pytest.approx(-reach), pytest.approx(reach))
    assert (checks.identities, math.isnan(checks.name_logprob)) == (8, True)
    assert (effect.controls, effect.verdict) == (controls, "harm" if controls == "passed" else "inconclusive")


def test_four_control_identities_make_no_band_of_rewards() -> None:
    found = _audit(_items(("harm",), controls=4), harm=1.0, quantity="reward")
    (effect,) = [one for one in found.effects if (one.measure, one.contrast, one.identity) == ("level", "excess", "x")]
    assert effect.checks
    assert math.isnan(effect.checks.band.high)
    assert (effect.controls, effect.verdict) == ("absent", "harm")


class _Lengths(FakeScorer):
    """Rewards of texts whose lengths are known: harmful sides of harmful pairs have two tokens more than the other."""

    def __init__(self, logprobs: Logprobs, neutral: int) -> None:
        super().__init__(logprobs)
        self._longer = {"harm": 2, "neutral": neutral}

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """The same with lengths."""
        found = super().score(checkpoint, probes)
        return replace(found, scored={key: self._counted(one) for key, one in found.scored.items()})

    def _counted(self, one: ScoredItem) -> ScoredItem:
        lengths = [3 + self._longer[one.item.valence] * (side.label == HARMFUL) for side in one.candidates]
        sides = zip(one.candidates, lengths, strict=True)
        return replace(one, candidates=tuple(replace(side, n_tokens=n) for side, n in sides))


def _rewards(neutral_margin: float, longer: int | None) -> Findings:
    """x gains one unit of reward in harmful pairs; no form is known where ``longer`` is None."""
    rng = np.random.default_rng(3)
    noise = {(item.cluster, item.identity): rng.normal(0, 0.05) for item in _items()}

    def rewards(_checkpoint: str, item: Item, label: str) -> list[float]:
        gain = (1.0 if item.valence == "harm" else neutral_margin) if item.identity == "x" else 0.0
        return [gain + noise[item.cluster, item.identity] if label == HARMFUL else 0.0]

    scorer = FakeScorer(rewards) if longer is None else _Lengths(rewards, longer)
    series = series_of("rm", quantities={"rm": "reward"})
    return compare([probe_of(*_items(controls=0))], series, scorer, Rule(0.2), lambda _: None)


@pytest.mark.parametrize(("neutral", "controls"), [(0.0, "passed"), (0.9, "failed_form")])
def test_rewards_of_known_lengths_are_held_against_pairs_of_their_form(neutral: float, controls: str) -> None:
    found = _rewards(neutral, longer=2)
    effect = _effect(found)
    assert (effect.controls, effect.verdict) == (controls, "harm" if controls == "passed" else "inconclusive")
    assert effect.checks
    assert effect.checks.form
    assert effect.checks.form.value == pytest.approx(1.0 - neutral, abs=0.05)
    assert not [one for one in found.refusals if one.reason == "control_form"]


def test_rewards_are_not_held_against_pairs_of_another_form_and_it_is_said() -> None:
    for longer, said in ((1, "differ in token length"), (None, "hold no tokens")):
        found = _rewards(0.9, longer)
        effect = _effect(found)
        assert (effect.controls, effect.verdict) == ("absent", "harm")
        assert {one.detail for one in found.refusals if one.reason == "control_form" and said in one.detail}


def test_rewards_that_grow_with_length_are_seen_at_sides_of_equal_length() -> None:
    def rewards(_checkpoint: str, item: Item, label: str) -> list[float]:
        longer = int(item.cluster.removeprefix("harm")) % 3
        return [0.5 * longer if label == HARMFUL and item.identity == "x" else 0.0]

    class Lengths(_Lengths):
        def _counted(self, one: ScoredItem) -> ScoredItem:
            longer = int(one.item.cluster.removeprefix("harm")) % 3
            sides = tuple(replace(side, n_tokens=3 + longer * (side.label == HARMFUL)) for side in one.candidates)
            return replace(one, candidates=sides)

    series = series_of("rm", quantities={"rm": "reward"})
    items = _items(("harm",), controls=0)
    found = compare([probe_of(*items)], series, Lengths(rewards, 0), Rule(0.2), lambda _: None)
    outcomes = _effect(found).outcomes or ()
    (equal,) = [one for one in outcomes if one.dimension == "length_difference"]
    # All of it is 0.5 a token of difference in length.
    assert equal.estimate == pytest.approx(0.0, abs=1e-12)
    assert not [one for one in outcomes if one.choice in ("per token", "per byte", "without end of turn")]
