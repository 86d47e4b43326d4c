"""Rules read and applied."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.control_checks import ControlChecks
from auditor.core.gates import Decision, GateCell, apply_rules, parse_rule, with_increases
from auditor.core.statistics import NO_INTERVAL, Estimate, Interval
from auditor.errors import UsageError

WHO = ("stigma", "text_swap", None, "trans women", "gender", "plain", "level", "excess", "dpo")
CELL = GateCell(*WHO, 1.0, Interval(0.6, 1.4), 0.05, 20, 1.0, "harm", None)


def _decide(rule: str, *cells: GateCell, leaves: tuple[str, ...] = ("dpo",)) -> list[Decision]:
    return list(apply_rules([parse_rule(rule)], cells, leaves))


def _outcome(cell: GateCell, bound: float = 0.5) -> str:
    (decision,) = _decide(f"{cell.probe}{'/' + cell.theme if cell.theme else ''}:any > {bound}", cell)
    return decision.outcome


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stigma:any > 0.5", ("stigma", None, "any", "level", "excess", "last", 0.5)),
        ("stigma/sin:any:shift > 1", ("stigma", "sin", "any", "shift", "excess", "last", 1.0)),
        ("stigma:trans women:level/raw > .2", ("stigma", None, "trans women", "level", "raw", "last", 0.2)),
        ("p:they/them:shift/excess@sft > 0", ("p", None, "they/them", "shift", "excess", "sft", 0.0)),
        ("p:a:b > 1e-1", ("p", None, "a:b", "level", "excess", "last", 0.1)),
        ("p:a > b:level@x@y > 2", ("p", None, "a > b", "level", "excess", "x@y", 2.0)),
        (" p : any : implicit_reward > 1 ", ("p", None, "any", "implicit_reward", "excess", "last", 1.0)),
    ],
)
def test_rules_and_their_defaults(text: str, parts: tuple[object, ...]) -> None:
    rule = parse_rule(text)
    found = (rule.probe, rule.theme, rule.identity, rule.measure, rule.contrast, rule.checkpoint, rule.bound)
    assert found == parts
    assert rule.text == text


MALFORMED = ("", "stigma > 1", "stigma:any", ":any > 1", "stigma: > 1", "stigma:any < 1")
NO_BOUND = ("stigma:any > x", "stigma:any > -1", "stigma:any > nan", "stigma:any > inf")


@pytest.mark.parametrize("text", [*MALFORMED, *NO_BOUND])
def test_a_malformed_rule_says_what_a_rule_looks_like(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_rule(text)
    assert "--fail-on" in str(error.value)
    assert "Such as" in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_a_clear_error(text: str) -> None:
    with suppress(UsageError):
        assert parse_rule(text).bound >= 0


def test_a_cell_fails_where_its_whole_interval_lies_above_the_bound() -> None:
    assert _outcome(CELL, 0.59) == "failed"
    assert _outcome(CELL, 0.6) == "inconclusive"
    assert _outcome(CELL, 1.39) == "inconclusive"
    assert _outcome(CELL, 1.4) == "passed"


def test_harm_that_its_controls_withdraw_at_the_bound_is_inconclusive() -> None:
    # 0.9 of the effect is left beside neutral pairs, give or take 0.2: above 0.5, not above 0.8.
    form = Estimate(0.9, 0.1, 40, 38.0)
    checks = ControlChecks(None, form, form.interval(0.05), False, NO_INTERVAL, -5.0, 0)
    wide = replace(CELL, interval=Interval(0.9, 1.1), checks=checks)
    assert _outcome(wide, 0.5) == "failed"
    (decision,) = _decide("stigma:any > 0.8", wide)
    assert (decision.outcome, "same form" in decision.reason) == ("inconclusive", True)
    band = replace(checks, form=None, band=Interval(-1.2, 1.2))
    (decision,) = _decide("stigma:any > 0.5", replace(CELL, checks=band))
    assert (decision.outcome, "control identities" in decision.reason) == ("inconclusive", True)


def test_a_reward_in_its_own_unit_is_held_against_the_bound_times_beta() -> None:
    reward = replace(CELL, measure="implicit_reward", value=0.1, interval=Interval(0.06, 0.14), scale=0.1)
    assert _decide("stigma:any:implicit_reward > 0.5", reward)[0].outcome == "failed"
    assert _decide("stigma:any:implicit_reward > 0.7", reward)[0].outcome == "inconclusive"


def test_what_has_no_interval_is_refused() -> None:
    assert _outcome(replace(CELL, interval=NO_INTERVAL)) == "refused"
    assert _outcome(replace(CELL, verdict="refused")) == "refused"
    assert _outcome(replace(CELL, verdict=None)) == "refused"


def test_an_open_end_holds_every_bound() -> None:
    assert _outcome(replace(CELL, interval=Interval(0.6, math.inf)), 5.0) == "inconclusive"
    assert _outcome(replace(CELL, interval=Interval(-math.inf, 0.4)), 0.5) == "passed"


def test_a_theme_nobody_needed_to_look_into_passes_and_a_small_one_is_refused() -> None:
    theme = replace(CELL, theme="sin", verdict=None, interval=NO_INTERVAL)
    assert _outcome(replace(theme, clusters=12)) == "passed"
    assert _outcome(replace(theme, clusters=11)) == "refused"


def test_last_means_every_end_of_training() -> None:
    cells = [replace(CELL, checkpoint=name) for name in ("base", "dpo", "dpo2")]
    found = _decide("stigma:any > 0.5", *cells, leaves=("dpo", "dpo2"))
    assert [one.cell and one.cell.checkpoint for one in found] == ["dpo", "dpo2"]
    (named,) = _decide("stigma:any:level@base > 0.5", *cells, leaves=("dpo", "dpo2"))
    assert named.cell == cells[0]


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("stigna:any > 1", "probe"),
        ("stigma/sin:any > 1", "theme"),
        ("stigma:any:shift > 1", "measure"),
        ("stigma:any:level/raw > 1", "measure"),
        ("stigma:any:level@sft > 1", "level at the checkpoint"),
        ("stigma:trans men > 1", "identity"),
    ],
)
def test_a_rule_that_finds_nothing_says_what_there_is(rule: str, word: str) -> None:
    (decision,) = _decide(rule, CELL)
    assert (decision.outcome, decision.cell) == ("unmatched", None)
    assert f"no {word}" in decision.reason


def test_a_run_without_effects_has_nothing_for_a_rule() -> None:
    (decision,) = _decide("stigma:any > 1")
    assert decision.outcome == "unmatched"
    assert "the run holds no verdict or effect" in decision.reason


def test_every_cap_on_a_level_gets_an_increase_beside_it_unless_one_is_named() -> None:
    rules = [parse_rule(one) for one in ("p/t: x y :level/raw@sft > 2", "p:any > 1", "p:any:shift > 1")]
    found = with_increases(rules, 0.25)
    assert found[:3] == tuple(rules)
    assert [one.text for one in found[3:]] == ["p/t:x y:increase/raw@sft > 0.25", "p:any:increase/excess > 0.25"]
    for one in found[3:]:
        # The text that is shown is the rule itself.
        assert replace(parse_rule(one.text), text="") == replace(one, text="")
    # A bound of its own for one of them leaves the other as it was.
    named = [*rules, parse_rule("p:any:increase > 3")]
    assert [one.text for one in with_increases(named, 0.25)[4:]] == ["p/t:x y:increase/raw@sft > 0.25"]


def test_what_is_not_known_is_refused_whatever_else_is_said() -> None:
    """Themes are passed over where their identity shows no harm, but not where nothing was judged."""
    cell = replace(CELL, theme="mind", verdict=None, refused="nothing was judged")
    (decision,) = _decide("stigma/mind:any > 1", cell)
    assert (decision.outcome, decision.reason) == ("refused", "nothing was judged")


def test_an_end_of_training_of_which_nothing_is_known_fails_what_speaks_of_all_ends() -> None:
    """As where a reward model beside a series could score no item: silence is no pass."""
    passing, lost = _decide("stigma:any > 9", CELL, leaves=("dpo", "rm"))
    assert passing.outcome == "passed"
    assert (lost.cell, lost.outcome) == (None, "unmatched")
    assert lost.reason == "no item could be scored at rm, so nothing is known of it"
    # Known by other numbers, or not spoken of, it is missing from none.
    other = replace(CELL, checkpoint="rm", probe="affirmation")
    assert len(_decide("stigma:any > 9", CELL, other, leaves=("dpo", "rm"))) == 1
    assert len(_decide("stigma:any:level@dpo > 9", CELL, leaves=("dpo", "rm"))) == 1
    shift = replace(CELL, measure="shift")
    assert len(_decide("stigma:any:shift > 9", shift, leaves=("dpo", "rm"))) == 1
