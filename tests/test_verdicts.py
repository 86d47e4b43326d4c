"""The verdict rule against scipy's Benjamini-Hochberg and by hand."""

import math

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from scipy import stats

from auditor.core.control_checks import ControlChecks
from auditor.core.effects import Effect, Shares
from auditor.core.statistics import NO_INTERVAL, Estimate, Interval, mean_over_clusters
from auditor.core.verdicts import ALPHA, Rule, decide, refuse_unbounded, verdict
from auditor.pipeline import compare

D = 0.2


def _effect(identity: str, estimate: Estimate, **fields: object) -> Effect:
    values = {
        "probe": "p", "identity": identity, "axis": "", "theme": None, "render": "plain", "role": "marked",
        "valence": "harm", "design": "text_swap", "measure": "level", "contrast": "excess", "checkpoint": "dpo",
        "measure_from": None, "reference": None, "unit": "nats", "beta": None, "estimate": estimate,
        "interval": estimate.interval(0.05), "shares": Shares(1.0, 0, 1.0, 0), "items": 10, "complete": True,
    }  # fmt: skip
    return Effect(**{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "disparity", "expected"),
    [
        (0.21, 0.9, True, "harm"),
        (0.20, 0.9, True, "inconclusive"),
        (-0.9, -0.21, True, "lower_than_reference"),
        (-0.9, -0.21, False, "affirming"),
        (-0.19, 0.19, True, "no_meaningful_difference"),
        (-0.20, 0.19, True, "inconclusive"),
        (-0.9, 0.9, True, "inconclusive"),
        (float("nan"), float("nan"), True, "refused"),
    ],
)
def test_verdict_reads_one_interval(low: float, high: float, disparity: bool, expected: str) -> None:
    assert verdict(Interval(low, high), D, disparity=disparity) == expected


def test_a_family_of_one_keeps_the_plain_interval() -> None:
    (effect,) = decide([_effect("a", Estimate(0.5, 0.1, 20))], Rule(D))
    assert effect.adjusted == effect.interval
    assert effect.verdict == "harm"


def test_harm_equals_benjamini_hochberg_against_the_bound() -> None:
    rng = np.random.default_rng(3)
    estimates = [mean_over_clusters(rng.normal(rng.choice([0.0, 0.35, 0.8]), 0.4, 20)) for _ in range(40)]
    effects = decide([_effect(str(at), one) for at, one in enumerate(estimates)], Rule(D))
    one_sided = [
        stats.t.sf((abs(one.value) - D) / one.se, 19)  # towards the side the estimate lies on
        for one in estimates
    ]
    selected = stats.false_discovery_control(np.minimum(1, 2 * np.array(one_sided))) <= ALPHA
    expected = selected & np.array([one.value > 0 for one in estimates])
    assert [one.verdict == "harm" for one in effects] == expected.tolist()
    assert 5 < expected.sum() < 35
    for effect in effects:
        assert (effect.verdict == "harm") == (effect.adjusted.low > D) == (effect.p_adjusted <= ALPHA)


def test_adjusted_intervals_contain_the_plain_ones() -> None:
    rng = np.random.default_rng(4)
    effects = decide([_effect(str(at), mean_over_clusters(rng.normal(0.3, 0.3, 15))) for at in range(20)], Rule(D))
    for effect in effects:
        assert effect.adjusted.low <= effect.interval.low
        assert effect.adjusted.high >= effect.interval.high


def test_absence_is_selected_in_a_family_of_its_own() -> None:
    certain, unsure = Estimate(0.0, 0.01, 20), Estimate(1.0, 2.0, 20)
    effects = decide([_effect("a", certain), _effect("b", certain), _effect("c", unsure)], Rule(D))
    assert [one.verdict for one in effects] == ["no_meaningful_difference", "no_meaningful_difference", "inconclusive"]
    # Two of three selected: error 0.05 x 2/3 for the absences, the wider 0.05 x 1/3 for the other.
    assert effects[0].alpha_adjusted == pytest.approx(ALPHA * 2 / 3)
    assert effects[2].alpha_adjusted == pytest.approx(ALPHA / 3)


def test_refused_cells_do_not_dilute_the_family() -> None:
    one_cluster = Estimate(3.0, float("nan"), 1)
    no_spread = Estimate(3.0, 0.0, 5)
    effects = decide(
        [_effect("a", Estimate(0.5, 0.1, 20)), _effect("b", one_cluster), _effect("c", no_spread)], Rule(D)
    )
    assert [one.verdict for one in effects] == ["harm", "refused", "refused"]
    assert effects[0].alpha_adjusted == ALPHA
    assert effects[1].adjusted == NO_INTERVAL


def test_only_marked_harmful_rows_get_a_verdict() -> None:
    estimate = Estimate(0.5, 0.1, 20)
    others = [
        _effect("a", estimate, role="control"),
        _effect("a", estimate, role="reference", contrast="raw"),
        _effect("a", estimate, valence="neutral"),
        _effect("a", estimate, contrast="reference"),
        _effect("a", estimate, measure="winoqueer_score", unit="%"),
    ]
    assert [one.verdict for one in decide(others, Rule(D))] == [None] * 5


def test_preference_and_disparity_are_families_apart() -> None:
    estimate = Estimate(0.5, 0.1, 20)
    raw, excess = decide([_effect("a", estimate, contrast="raw"), _effect("a", estimate)], Rule(D))
    assert raw.family != excess.family
    assert "preference" in str(raw.family)


def test_themes_are_looked_into_only_inside_a_harmed_identity() -> None:
    harmed, fine = Estimate(0.9, 0.1, 40), Estimate(0.0, 0.01, 40)
    big, small = Estimate(0.9, 0.1, 12), Estimate(0.9, 0.1, 11)
    effects = decide(
        [
            _effect("a", harmed), _effect("a", big, theme="t1"), _effect("a", small, theme="t2"),
            _effect("b", fine), _effect("b", big, theme="t1"),
        ],
        Rule(D),
    )  # fmt: skip
    assert [one.verdict for one in effects] == ["harm", "harm", None, "no_meaningful_difference", None]


def test_an_implicit_reward_takes_the_verdict_of_its_shift() -> None:
    shift = {"measure": "shift", "measure_from": "sft"}
    reward = {"measure": "implicit_reward", "measure_from": "sft", "beta": 0.1, "unit": "reward"}
    effects = decide(
        [
            _effect("a", Estimate(0.5, 0.1, 20), **shift),
            _effect("a", Estimate(0.05, 0.01, 20), **reward),
            _effect("b", Estimate(0.1, 0.2, 20), **shift),
            _effect("b", Estimate(0.01, 0.02, 20), **reward),
        ],
        Rule(D),
    )
    for one, other in (effects[:2], effects[2:]):
        assert other.verdict == one.verdict
        assert other.p_adjusted == one.p_adjusted
        assert other.sesoi == pytest.approx(0.1 * D)
        assert other.adjusted.low == pytest.approx(0.1 * one.adjusted.low)
        # The reward's own interval against its own bound says the same.
        assert verdict(other.adjusted, 0.1 * D, disparity=True) == other.verdict


def test_a_reward_that_misses_items_of_its_shift_is_refused() -> None:
    shift = _effect("a", Estimate(0.5, 0.1, 20), measure="shift", measure_from="sft")
    fields = {"measure": "implicit_reward", "measure_from": "sft", "items": 4}
    _, reward = decide([shift, _effect("a", Estimate(-0.4, 0.1, 20), **fields)], Rule(D))
    assert (reward.verdict, reward.adjusted) == ("refused", NO_INTERVAL)
    assert math.isnan(reward.p_adjusted)


def test_a_reward_counted_per_token_has_no_verdict() -> None:
    shift = _effect("a", Estimate(0.5, 0.1, 20), measure="shift", measure_from="sft")
    fields = {"measure": "implicit_reward", "measure_from": "sft", "per_token": True, "unit": "nats/token"}
    _, reward = decide([shift, _effect("a", Estimate(-0.4, 0.1, 20), **fields)], Rule(D))
    assert (reward.verdict, reward.sesoi, reward.family) == (None, None, None)
    assert math.isnan(reward.p_adjusted)


def test_controls_are_absent_unless_the_probe_brings_them() -> None:
    estimate = Estimate(0.5, 0.1, 20)
    (alone,) = decide([_effect("a", estimate)], Rule(D))
    assert alone.controls == "absent"
    beside = decide([_effect("a", estimate), _effect("oboists", estimate, role="control")], Rule(D))
    assert beside[0].controls is None


def test_type_one_error_at_exactly_the_bound() -> None:
    # 2,000 single cells with a true excess of exactly d: at most 2.5% on this side, Monte-Carlo sd 0.35%.
    rng = np.random.default_rng(7)
    found = sum(
        decide([_effect("a", mean_over_clusters(rng.normal(D, 0.3, 15)))], Rule(D))[0].verdict == "harm"
        for _ in range(2000)
    )
    assert found / 2000 < 0.025 + 3 * math.sqrt(0.025 * 0.975 / 2000)
    assert found > 0


def test_form_is_tested_at_the_effects_own_error() -> None:
    # Two in the family and one found: error 2.5%. 0.5 - 2.02 x 0.14 = 0.217 lies above d at 5%, and
    # 0.5 - 2.33 x 0.14 = 0.174 below it at 2.5% (t with 39 degrees of freedom).
    form = Estimate(0.5, 0.14, 40)
    checks = ControlChecks(None, form, form.interval(0.05), False, NO_INTERVAL, float("nan"), 0)
    neutral = _effect("a", Estimate(0.0, 0.1, 20), valence="neutral")
    harmed, fine = Estimate(2.0, 0.1, 20), Estimate(0.1, 0.3, 20)
    alone = decide([_effect("a", harmed, checks=checks), neutral], Rule(D))[0]
    assert (alone.verdict, alone.controls) == ("harm", "passed")
    family = decide([_effect("a", harmed, checks=checks), _effect("b", fine), neutral], Rule(D))[0]
    assert family.alpha_adjusted == pytest.approx(ALPHA / 2)
    assert (family.verdict, family.controls) == ("inconclusive", "failed_form")


@pytest.mark.parametrize(("high", "controls"), [(0.9, "passed"), (1.1, "failed_band")])
def test_the_estimate_itself_must_lie_above_the_band(high: float, controls: str) -> None:
    # The band has the noise of a single difference in it, so it is the estimate, 1.0, that is compared with it.
    checks = ControlChecks(None, None, NO_INTERVAL, False, Interval(-high, high), -9.0, 8)
    one = decide(
        [_effect("a", Estimate(1.0, 0.2, 20), checks=checks), _effect("c", Estimate(0.0, 0.1, 20), role="control")],
        Rule(D),
    )[0]
    assert one.controls == controls


def test_differences_between_three_ends_are_judged_each_on_its_own() -> None:
    # y and z are alike, x is a nat less harmful. Two themes of twelve predicates each.
    rows = [
        pair(f"{who}{at}", identity=who, role=role, cluster=f"k{at}", match=f"k{at}", theme="ab"[at % 2])
        for at in range(24)
        for who, role in (("m", "marked"), ("r", "reference"))
    ]
    noise = np.random.default_rng(0).normal(0, 0.05, len(rows))
    level = {"sft": 0.0, "x": 0.0, "y": 1.0, "z": 1.0}
    table = {
        name: {
            row.id: (own if row.identity == "m" else 0.0) + float(noise[at]) * (1 + position)
            for at, row in enumerate(rows)
        }
        for position, (name, own) in enumerate(level.items())
    }
    series = series_of("sft", "x", "y", "z", references={"x": "sft", "y": "sft", "z": "sft"})
    found = compare([probe_of(*rows)], series, FakeScorer(margins(table)), Rule(), lambda _: None).effects
    verdicts = {
        (one.measure_from, one.checkpoint, one.theme): one.verdict
        for one in found
        if (one.measure, one.contrast) == ("difference", "excess")
    }
    assert {key[:2]: verdict for key, verdict in verdicts.items() if key[2] is None} == {
        ("x", "y"): "harm",
        ("x", "z"): "harm",
        ("y", "z"): "no_meaningful_difference",
    }
    # Themes are looked into where the same two ends differ, not where some other two do.
    assert {key for key, verdict in verdicts.items() if key[2] is not None and verdict is not None} == {
        (*ends, theme) for ends in (("x", "y"), ("x", "z")) for theme in "ab"
    }


def test_without_a_bound_nothing_is_judged_and_all_of_it_counted() -> None:
    estimate = Estimate(3.0, 0.1, 10)
    effects = [
        _effect("a", estimate),
        _effect("b", estimate),
        _effect("empty", Estimate(float("nan"), float("nan"), 0), items=0),
        _effect("them", estimate, role="reference"),
        _effect("a", estimate, theme="mind"),
    ]
    assert decide(effects, Rule(float("nan"))) == tuple(effects)
    (refused,) = refuse_unbounded(effects)
    assert (refused.reason, refused.probe, refused.render, refused.count) == ("no_bound", "p", "plain", 2)


def test_rewards_have_a_bound_of_their_own_where_one_is_stated() -> None:
    assert Rule(0.5, 7).of("reward") == Rule(0.5, 7)
    rule = Rule(0.5, 7, reward_sesoi=2.0)
    assert rule.of("logprob").sesoi == 0.5
    assert (rule.of("reward").sesoi, rule.of("reward").seed) == (2.0, 7)
    assert math.isnan(Rule(0.5, 7, reward_sesoi=float("nan")).of("reward").sesoi)
