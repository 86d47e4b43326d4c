"""The implicit reward from other references and from none, against arithmetic of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of
from scipy import stats

from auditor.core import reference_sensitivity
from auditor.core.findings import Findings
from auditor.core.items import HARMFUL, Item, Probe
from auditor.core.rank_correlation import drawn_items
from auditor.core.reference_sensitivity import Sensitivity
from auditor.core.scores import CheckpointScores
from auditor.core.series import Checkpoint
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


def cut_otherwise(*places: tuple[str, str]):
    """Log-probabilities whose harmful side has one token more in some rows, reference rows too, at some checkpoints."""

    def asked(checkpoint: str, item: Item, label: str) -> list[float]:
        own = logprobs(checkpoint, item, label)
        return [*own, 0.0] if label == HARMFUL and (checkpoint, item.match) in places else own

    return asked


def asked_of(items, scores=logprobs) -> Findings:
    series = series_of(*NAMES, other_references={"dpo": ("base",)}, betas={"": 0.5})
    return compare([probe_of(*items)], series, FakeScorer(scores), Rule(), lambda _: None)


def test_an_item_in_other_tokens_is_left_out_where_it_is_counted_from_them_and_ranked_where_both_have_it() -> None:
    found = rows(asked_of(ITEMS, cut_otherwise(("base", "2"), ("sft", "5"))))
    assert {name: one.items for name, one in found.items()} == {
        "own": CLUSTERS - 1,
        "other_reference": CLUSTERS - 1,
        "summed": CLUSTERS,
        "per_token": CLUSTERS,
    }
    kept = {"other_reference": (2, 5), "summed": (5,)}
    for variant, gone in kept.items():
        both = np.delete(np.arange(CLUSTERS), gone)
        rho = stats.spearmanr(values(variant, "x")[both], values("own", "x")[both]).statistic
        assert found[variant].correlation == pytest.approx(rho)


def test_only_harmful_pairs_of_marked_identities_over_all_themes() -> None:
    themed = [replace(item, theme=("mind", "body")[int(item.cluster[1:]) % 2]) for item in ITEMS]
    others = [
        replace(themed[0], id="neutral", valence="neutral", cluster="n"),
        replace(themed[0], id="control", role="control", identity="bakers"),
    ]

    def scores(checkpoint: str, item: Item, label: str) -> list[float]:
        return [-1.0, -2.0] if item in others else logprobs(checkpoint, item, label)

    found = asked_of([*themed, *others], scores).sensitivities
    assert sorted((one.identity, one.variant) for one in found) == sorted(
        (who, variant) for who in "xy" for variant in ("own", "other_reference", "summed", "per_token")
    )
    assert {one.items for one in found} == {CLUSTERS}


def test_of_bare_sums_there_is_no_mean_of_tokens() -> None:
    class Bare(FakeScorer):
        def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
            found = super().score(checkpoint, probes)
            return replace(found, scored={key: replace(one, kind="sum") for key, one in found.scored.items()})

    def total(checkpoint: str, item: Item, label: str) -> list[float]:
        return [sum(logprobs(checkpoint, item, label))]

    series = series_of(*NAMES, betas={"": 0.5})
    found = compare([probe_of(*ITEMS, *SWAPS)], series, Bare(total), Rule(), lambda _: None)
    for design in ("text_swap", "identity_swap"):
        assert list(rows(found, design=design)) == ["own", "summed"]


def test_of_many_items_whole_clusters_are_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_sensitivity, "_MOST_ITEMS", 7)
    one = rows(findings())["summed"]
    drawn = drawn_items(np.arange(CLUSTERS), 7, 0)
    assert len(drawn) == 7
    rho = stats.spearmanr(values("summed", "x")[drawn], values("own", "x")[drawn]).statistic
    assert one.correlation == pytest.approx(rho)
    assert one.items == CLUSTERS, "the estimate is of all"


def test_intervals_are_those_of_effects_where_means_are_skewed_too() -> None:
    def skewed(checkpoint: str, item: Item, label: str) -> list[float]:
        own = logprobs(checkpoint, item, label)
        return [2.0 * own[0], own[1] - 9.0 * (item.id == "x 3")] if len(own) > 1 and checkpoint == "dpo" else own

    found = asked_of(ITEMS, skewed)
    for variant, measure in (("own", "implicit_reward"), ("summed", "level")):
        (effect,) = [
            one
            for one in found.effects
            if (one.measure, one.checkpoint, one.identity, one.contrast) == (measure, "dpo", "x", "excess")
        ]
        assert effect.estimate.method == "studentised bootstrap"
        assert rows(found)[variant].interval == effect.interval
