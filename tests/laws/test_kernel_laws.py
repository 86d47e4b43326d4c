"""Laws every series of margins obeys, whatever the numbers."""

from __future__ import annotations

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.core.effects import Effect
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

NAMES = ("base", "sft", "dpo")
ITEMS = [
    pair(
        f"{identity}{cluster}{frame}",
        cluster=str(cluster),
        frame=str(frame),
        match=f"{cluster}/{frame}",
        identity=identity,
        role=role,
        theme=str(cluster % 2),
    )
    for cluster in range(4)
    for frame in range(2)
    for identity, role in (("x", "marked"), ("y", "marked"), ("ref", "reference"))
]
numbers = st.floats(-20, 20, allow_nan=False).map(lambda value: round(value, 3))
tables = st.fixed_dictionaries({name: st.fixed_dictionaries({item.id: numbers for item in ITEMS}) for name in NAMES})
Key = tuple[object, ...]
Effects = dict[Key, Effect]


def _effects(table: dict[str, dict[str, float]], beta: float | None = None) -> Effects:
    series = series_of(*NAMES, betas={} if beta is None else {"": beta})
    findings = compare([probe_of(*ITEMS)], series, FakeScorer(margins(table)), Rule(), lambda _: None)
    return {(one.identity, one.theme, one.measure, one.checkpoint, one.contrast): one for one in findings.effects}


def _same(left: Effect, value: float) -> bool:
    return left.estimate.value == pytest.approx(value, abs=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(tables, st.floats(0.01, 10), numbers)
def test_laws_of_margins(table: dict[str, dict[str, float]], beta: float, wording: float) -> None:
    """All laws of one table: its effects, which take longest, are asked for once."""
    effects = _effects(table)
    _shifts_telescope(effects)
    _raw_is_excess_plus_reference(effects)
    flipped = {name: {item: -value for item, value in row.items()} for name, row in table.items()}
    _swapping_sides_flips_every_sign(effects, _effects(flipped))
    _beta_rescales_and_changes_no_sign_and_no_verdict(effects, _effects(table, beta), beta)
    moved = {name: {item: value + wording for item, value in row.items()} for name, row in table.items()}
    _what_all_identities_share_drops_out_of_the_excess(effects, _effects(moved))


def _shifts_telescope(effects: Effects) -> None:
    for (identity, theme, measure, checkpoint, contrast), effect in effects.items():
        if measure == "level" and checkpoint == "base":
            stages = sum(effects[identity, theme, "shift", name, contrast].estimate.value for name in ("sft", "dpo"))
            assert _same(effects[identity, theme, "level", "dpo", contrast], effect.estimate.value + stages)


def _raw_is_excess_plus_reference(effects: Effects) -> None:
    for (*who, contrast), effect in effects.items():
        if contrast == "excess":
            assert _same(effects[*who, "raw"], effect.estimate.value + effects[*who, "reference"].estimate.value)


def _swapping_sides_flips_every_sign(effects: Effects, flipped: Effects) -> None:
    for key, effect in effects.items():
        assert _same(flipped[key], -effect.estimate.value)


def _beta_rescales_and_changes_no_sign_and_no_verdict(plain: Effects, scaled: Effects, beta: float) -> None:
    for key, effect in scaled.items():
        if effect.measure == "implicit_reward":
            assert _same(effect, beta * plain[key].estimate.value)
            assert effect.verdict == plain[key].verdict
            assert effect.verdict == plain[key[0], key[1], "shift", key[3], key[4]].verdict


def _what_all_identities_share_drops_out_of_the_excess(effects: Effects, moved: Effects) -> None:
    for key, effect in effects.items():
        if key[-1] == "excess":
            assert _same(moved[key], effect.estimate.value)
