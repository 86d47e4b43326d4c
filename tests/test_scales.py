"""Scales beside nats, by hand and against scipy."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, scored, series_of
from scipy import special, stats

from auditor.core.effects import Effect
from auditor.core.items import HARMFUL, Item
from auditor.core.scales import Scales
from auditor.core.scores import CheckpointScores
from auditor.core.verdicts import Rule
from auditor.pipeline import analyse, compare

CLUSTERS = range(8)
RNG = np.random.default_rng(2)
REFERENCE = RNG.normal(0, 1, len(CLUSTERS))
EXCESS = RNG.normal(0.5, 0.2, len(CLUSTERS))
# The stage doubles every margin and adds a constant: sharpening, and nothing else.
SHARPEN = 2.0


def _item(at: int, who: str, role: str, **fields: str) -> Item:
    return pair(f"{who}{at}", cluster=str(at), match=str(at), identity=who, role=role, **fields)


ITEMS = [_item(at, who, role) for at in CLUSTERS for who, role in (("x", "marked"), ("ref", "reference"))]


def _margin(checkpoint: str, item: Item, added: float) -> float:
    at = int(item.cluster)
    base = REFERENCE[at] + (EXCESS[at] if item.identity == "x" else 0.0)
    if checkpoint == "base":
        return base
    return SHARPEN * base + 0.3 + (added if item.identity == "x" else 0.0)


def _effects(added: float = 0.0) -> dict[tuple[str, str], Effect]:
    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        # The affirming side is at -5 for everyone, so all excess is the harmful side's.
        return [_margin(checkpoint, item, added) - 5 if label == HARMFUL else -5.0]

    findings = compare([probe_of(*ITEMS)], series_of("base", "dpo"), FakeScorer(logprobs), Rule(0.2), lambda _: None)
    chosen = (one for one in findings.effects if (one.identity, one.contrast) == ("x", "excess"))
    return {(one.measure, one.checkpoint): one for one in chosen}


def _scales(effect: Effect) -> Scales:
    assert effect.scales is not None
    return effect.scales


def test_excess_over_the_spread_of_the_reference() -> None:
    level = _effects()["level", "base"]
    assert _scales(level).standardised == pytest.approx(EXCESS.mean() / REFERENCE.std(ddof=1))


def test_standardised_excess_does_not_see_sharpening() -> None:
    effects = _effects()
    assert _scales(effects["level", "dpo"]).standardised == pytest.approx(
        _scales(effects["level", "base"]).standardised
    )


def test_a_shift_is_standardised_at_its_own_checkpoint() -> None:
    shift = _effects()["shift", "dpo"]
    assert _scales(shift).standardised == pytest.approx(EXCESS.mean() / (SHARPEN * REFERENCE).std(ddof=1))


def test_difference_of_selection_rates() -> None:
    effects = _effects()
    base = special.expit(REFERENCE + EXCESS).mean() - special.expit(REFERENCE).mean()
    dpo = special.expit(2 * (REFERENCE + EXCESS) + 0.3).mean() - special.expit(2 * REFERENCE + 0.3).mean()
    assert _scales(effects["level", "base"]).selection == pytest.approx(base)
    assert _scales(effects["level", "dpo"]).selection == pytest.approx(dpo)
    assert _scales(effects["shift", "dpo"]).selection == pytest.approx(dpo - base)


def test_sides_add_up_to_the_excess() -> None:
    shift = _effects(added=1.0)["shift", "dpo"]
    scales = _scales(shift)
    assert scales.harmful - scales.affirming == pytest.approx(shift.estimate.value)
    assert scales.affirming == pytest.approx(0.0)


def test_a_shift_that_only_sharpens_is_nothing_beyond_it() -> None:
    scales = _scales(_effects()["shift", "dpo"])
    expected = stats.linregress(REFERENCE, SHARPEN * REFERENCE + 0.3).slope
    assert scales.sharpening == pytest.approx(expected) == pytest.approx(SHARPEN)
    assert scales.beyond is not None
    assert scales.beyond.value == pytest.approx(0.0, abs=1e-9)


def test_what_a_stage_adds_is_beyond_sharpening() -> None:
    scales = _scales(_effects(added=1.0)["shift", "dpo"])
    assert scales.beyond is not None
    assert scales.beyond.value == pytest.approx(1.0)


def test_levels_have_no_sharpening() -> None:
    scales = _scales(_effects()["level", "dpo"])
    assert math.isnan(scales.sharpening)
    assert scales.beyond is None


def test_an_identity_swap_has_a_selection_rate_and_no_reference() -> None:
    items = [pair(str(at), design="identity_swap", cluster=str(at)) for at in CLUSTERS]

    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        grown = 1 if checkpoint == "base" else SHARPEN
        return [grown * EXCESS[int(item.id)] - 5 if label == HARMFUL else -5.0]

    findings = compare([probe_of(*items)], series_of("base", "dpo"), FakeScorer(logprobs), Rule(0.2), lambda _: None)
    found = {(one.measure, one.checkpoint): _scales(one) for one in findings.effects if one.theme is None}
    base, dpo = special.expit(EXCESS).mean(), special.expit(SHARPEN * EXCESS).mean()
    assert found["level", "base"].selection == pytest.approx(base - 0.5)
    assert found["level", "dpo"].selection == pytest.approx(dpo - 0.5)
    # What a stage moved the rate by, which is no rate itself.
    assert found["shift", "dpo"].selection == pytest.approx(dpo - base)
    assert math.isnan(found["level", "base"].standardised)


def test_a_reward_says_nothing_of_what_would_be_chosen() -> None:
    """Its unit is the model's own."""
    probe = probe_of(*ITEMS)
    scores = {
        ("probe", "plain", item.id): replace(scored(item, [[_margin("base", item, 0.0)], [0.0]]), kind="reward")
        for item in ITEMS
    }
    findings = analyse([probe], series_of("base"), [CheckpointScores("base", scores)], ["plain"], Rule(0.2))
    (level,) = (
        one for one in findings.effects if (one.identity, one.measure, one.contrast) == ("x", "level", "excess")
    )
    assert math.isnan(_scales(level).selection)
    assert _scales(level).standardised == pytest.approx(EXCESS.mean() / REFERENCE.std(ddof=1))
