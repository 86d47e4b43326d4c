"""The implicit reward from other references and from none, against arithmetic of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of
from scipy import stats

from auditor.core.findings import Findings
from auditor.core.items import HARMFUL, Item
from auditor.core.reference_sensitivity import Sensitivity
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

CLUSTERS = 12
PEOPLE = (("x", "marked"), ("y", "marked"), ("ref", "reference"))
ITEMS = [
    pair(f"{who} {at}", identity=who, cluster=f"c{at}", match=f"{at}", role=role)
    for at in range(CLUSTERS)
    for who, role in PEOPLE
]
SWAPS = [pair(f"s{at}", identity="x", cluster=f"s{at}", design="identity_swap") for at in range(CLUSTERS)]
NAMES = ("base", "sft", "dpo")
RNG = np.random.default_rng(7)
# Log-probabilities of the harmful side's two tokens; the other side has one token of -1.
TOKENS = {name: {item.id: (-1 - RNG.random(2)).tolist() for item in (*ITEMS, *SWAPS)} for name in NAMES}


def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
    return TOKENS[checkpoint][item.id] if label == HARMFUL else [-1.0]


def findings(items=(*ITEMS, *SWAPS), refuse=(), **options: object) -> Findings:
    asked = {"other_references": {"dpo": ("base",)}, "betas": {"": 0.5}, **options}
    scorer = FakeScorer(logprobs, refuse)
    return compare([probe_of(*items)], series_of(*NAMES, **asked), scorer, Rule(), lambda _: None)


def rows(found: Findings, identity: str = "x", design: str = "text_swap") -> dict[str, Sensitivity]:
    return {one.variant: one for one in found.sensitivities if (one.identity, one.design) == (identity, design)}


def values(variant: str, who: str) -> np.ndarray:
    """One number a cluster, from the log-probabilities alone."""

    def margin(name: str, item: str) -> float:
        own = TOKENS[name][item]
        return (np.mean(own) if variant == "per_token" else np.sum(own)) + 1.0

    def value(item: str) -> float:
        if variant in ("summed", "per_token"):
            return margin("dpo", item)
        return 0.5 * (margin("dpo", item) - margin({"own": "sft", "other_reference": "base"}[variant], item))

    if who == "s":
        return np.array([value(f"s{at}") for at in range(CLUSTERS)])
    return np.array([value(f"{who} {at}") - value(f"ref {at}") for at in range(CLUSTERS)])


@pytest.mark.parametrize("who", ["x", "y", "s"])
def test_every_variant_is_its_formula(who: str) -> None:
    found = rows(findings(), "x" if who == "s" else who, "identity_swap" if who == "s" else "text_swap")
    assert list(found) == ["own", "other_reference", "summed", "per_token"]
    for variant, one in found.items():
        expected = values(variant, who)
        assert one.estimate == pytest.approx(expected.mean(), abs=1e-12)
        reach = stats.t.ppf(0.975, CLUSTERS - 1) * stats.sem(expected)
        # The bootstrap of skewed means can only widen it.
        assert one.interval.low <= expected.mean() - reach + 1e-12
        assert one.interval.high >= expected.mean() + reach - 1e-12
        assert one.contrast == ("raw" if who == "s" else "excess")
        if variant == "own":
            assert math.isnan(one.correlation)
        else:
            rho = stats.spearmanr(expected, values("own", who)).statistic
            assert one.correlation == pytest.approx(rho, abs=1e-12)
            assert one.correlation_interval.low <= rho <= one.correlation_interval.high


def test_units_and_references_are_said() -> None:
    found = rows(findings())
    assert {name: (one.measure_from, one.unit, one.beta) for name, one in found.items()} == {
        "own": ("sft", "reward", 0.5),
        "other_reference": ("base", "reward", 0.5),
        "summed": (None, "nats", None),
        "per_token": (None, "nats/token", None),
    }
    assert {one.checkpoint for one in found.values()} == {"dpo"}


def test_the_own_variant_is_the_effect() -> None:
    found = findings()
    (effect,) = [
        one
        for one in found.effects
        if (one.measure, one.identity, one.contrast, one.theme) == ("implicit_reward", "x", "excess", None)
    ]
    own = rows(found)["own"]
    assert (own.estimate, own.interval, own.items) == (effect.estimate.value, effect.interval, effect.items)


def test_further_references_change_no_effect_and_no_family() -> None:
    several, one = findings(), findings(other_references={})
    assert repr(several.effects) == repr(one.effects)
    assert [row.variant for row in one.sensitivities if row.identity == "y"] == ["own", "summed", "per_token"]


def test_without_an_objective_there_is_nothing_to_be_sensitive() -> None:
    assert findings(objectives={"dpo": "none"}, betas={}, other_references={}).sensitivities == ()


def test_few_clusters_have_no_interval_of_a_correlation() -> None:
    few = [item for item in ITEMS if item.cluster in ("c0", "c1", "c2")]
    found = rows(findings(few))
    assert math.isnan(found["summed"].correlation_interval.low)
    assert math.isfinite(found["summed"].correlation)
    assert found["summed"].clusters == 3
