"""Effects from score tables, by hand."""

import math
from dataclasses import replace

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, scored, series_of

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import match_items
from auditor.core.effects import Effect
from auditor.core.estimation import estimate_effects
from auditor.core.items import Candidate, Item
from auditor.core.measures import measures_of
from auditor.core.scores import CheckpointScores
from auditor.core.tables import line_up

# Two clusters of one predicate each. Excess: 3 - 1 = 2 and 5 - 1 = 4.
ITEMS = (
    pair("m1", cluster="c1", match="k1", theme="t1"),
    pair("r1", cluster="c1", match="k1", theme="t1", identity="ref", role="reference"),
    pair("m2", cluster="c2", match="k2", theme="t2"),
    pair("r2", cluster="c2", match="k2", theme="t2", identity="ref", role="reference"),
)
LEVELS = {"m1": 3.0, "r1": 1.0, "m2": 5.0, "r2": 1.0}


def _effects(items=ITEMS, table=None, names=("base",), **card) -> dict[tuple[object, ...], Effect]:
    probe, series = probe_of(*items, **card), series_of(*names)
    scorer = FakeScorer(margins(table or {names[0]: LEVELS}))
    lined = line_up(probe, "plain", [scorer.score(one, [probe]) for one in series.checkpoints])
    effects, _ = estimate_effects(lined, match_items(lined), measures_of(series), Bootstrap(0))
    return {(one.identity, one.theme, one.measure, one.checkpoint, one.contrast): one for one in effects}


def test_raw_excess_and_reference() -> None:
    effects = _effects()
    values = {c: effects["x", None, "level", "base", c].estimate.value for c in ("raw", "excess", "reference")}
    assert values == {"raw": 4.0, "excess": 3.0, "reference": 1.0}


def test_interval_of_two_clusters() -> None:
    # Means 2 and 4: sd sqrt 2, se 1, t(0.975, 1) = 12.7062.
    effect = _effects()["x", None, "level", "base", "excess"]
    assert effect.estimate.se == pytest.approx(1.0)
    assert (effect.interval.low, effect.interval.high) == pytest.approx((3 - 12.7062, 3 + 12.7062), abs=1e-4)
    assert (effect.items, effect.estimate.clusters, effect.shares.items, effect.shares.item_ties) == (2, 2, 1.0, 0)


def test_themes_are_cells_of_their_own() -> None:
    effects = _effects()
    assert effects["x", "t1", "level", "base", "excess"].estimate.value == 2.0
    assert effects["x", "t2", "level", "base", "excess"].estimate.value == 4.0


def test_a_reference_identity_has_only_a_raw_margin() -> None:
    contrasts = {contrast for identity, *_, contrast in _effects() if identity == "ref"}
    assert contrasts == {"raw"}


def test_an_identity_swap_has_only_a_raw_margin() -> None:
    items = (pair("1", design="identity_swap"), pair("2", design="identity_swap"))
    effects = _effects(items, {"base": {"1": 1.0, "2": 2.0}})
    assert {contrast for *_, contrast in effects} == {"raw"}


def test_an_identity_without_reference_keeps_a_refused_excess() -> None:
    effect = _effects((pair("1"), pair("2")), {"base": {"1": 1.0, "2": 2.0}})["x", None, "level", "base", "excess"]
    assert math.isnan(effect.estimate.value)
    assert effect.items == 0


def test_swapping_sides_flips_every_sign() -> None:
    flipped = {item: -value for item, value in LEVELS.items()}
    for key, effect in _effects().items():
        assert _effects(table={"base": flipped})[key].estimate.value == -effect.estimate.value


def test_a_checkpoint_against_itself_is_exactly_zero() -> None:
    effects = _effects(table={"base": LEVELS, "dpo": LEVELS}, names=("base", "dpo"))
    for contrast in ("raw", "excess", "reference"):
        for measure in ("shift", "implicit_reward"):
            effect = effects["x", None, measure, "dpo", contrast]
            assert (effect.estimate.value, effect.interval.low, effect.interval.high) == (0.0, 0.0, 0.0)
            assert effect.shares.item_ties == 2


def test_items_without_a_pair_give_no_effect() -> None:
    item = pair("1", candidates=(Candidate("a", "1"), Candidate("b", "2"), Candidate("c", "3")))
    assert _effects((item,), {"base": {"1": 0.0}}) == {}


def test_published_metric_counts_rows_with_ties_in_the_denominator() -> None:
    items = tuple(pair(str(at), design="identity_swap", cluster="same" if at < 2 else str(at)) for at in range(4))
    table = {"base": {"0": 1.0, "1": 2.0, "2": -1.0, "3": 0.0}}
    effects = _effects(items, table, metrics=("crows_pairs_sentence",))
    overall = effects[None, None, "crows_pairs_sentence", "base", "raw"]
    assert (overall.estimate.value, overall.unit, overall.items, overall.shares.item_ties) == (50.0, "%", 4, 1)
    assert effects["x", None, "crows_pairs_sentence", "base", "raw"].estimate.value == 50.0
    # 0% is no neutral value of a percentage, so there is nothing a p against 0 could mean.
    assert math.isnan(overall.p)


def test_a_metric_keeps_its_identitys_axis() -> None:
    items = tuple(pair(str(at), design="identity_swap", axis="age") for at in range(2))
    probe, series = probe_of(*items, metrics=("crows_pairs_sentence",)), series_of("base")
    scores = FakeScorer(margins({"base": {"0": 1.0, "1": -1.0}})).score(series["base"], [probe])
    table = line_up(probe, "plain", [scores])
    effects, _ = estimate_effects(table, match_items(table), measures_of(series), Bootstrap(0))
    assert {(one.identity, one.axis) for one in effects if one.unit == "%"} == {(None, ""), ("x", "age")}


def test_lost_responsiveness_by_hand() -> None:
    """G_f = m(undeclared) - m(declared); harm = mean G of the reference families - G_f (DESIGN.md)."""
    margins_of = {"he": (1.0, -3.0), "she": (0.0, -2.0), "xe": (4.0, 3.5)}  # (undeclared, declared): G = 4, 2, 0.5
    items, table = [], {}
    for cluster in ("c1", "c2"):
        for family, (undeclared, declared) in margins_of.items():
            role = "marked" if family == "xe" else "reference"
            fields = {
                "identity": family,
                "role": role,
                "cluster": cluster,
                "match": cluster,
                "design": "responsiveness",
            }
            bare = f"{cluster}{family}"
            items += [pair(bare, **fields), pair(f"{bare}+", baseline=bare, **fields)]
            table |= {bare: undeclared, f"{bare}+": declared}
    probe, series = probe_of(*items), series_of("base")

    def logprobs(_checkpoint: str, item: Item, label: str) -> list[float]:
        return [table[item.id] - 5 if label == "harmful" else -5.0]

    lined = line_up(probe, "plain", [FakeScorer(logprobs).score(series["base"], [probe])])
    effects, refusals = estimate_effects(lined, match_items(lined), measures_of(series), Bootstrap(0))
    found = {(one.identity, one.contrast): one.estimate.value for one in effects}
    assert found["xe", "raw"] == -0.5
    assert found["xe", "excess"] == (4.0 + 2.0) / 2 - 0.5
    assert found["xe", "reference"] == -3.0
    # Both clusters hold the same numbers, so nothing but the interval is refused.
    assert {one.reason for one in refusals} == {"no_spread"}


def test_responsive_rows_may_differ_in_their_candidates_and_others_may_not() -> None:
    for design, reason in (("responsiveness", []), ("text_swap", ["candidate_tokens_differ"])):
        baseline = "bare" if design == "responsiveness" else ""
        rows = [("x", "marked", [[7], [8]]), ("ref", "reference", [[5], [6]])]
        items = [
            pair(who, identity=who, role=role, design=design, match="k", cluster="c", baseline=baseline and f"{who}0")
            for who, role, _ in rows
        ]
        bare = [replace(item, id=f"{item.id}0", baseline="") for item in items if baseline]
        done = {
            ("probe", "plain", item.id): scored(item, [[-1.0], [-2.0]], ids)
            for item, ids in zip([*items, *bare], [ids for *_, ids in rows] * 2, strict=False)
        }
        table = line_up(probe_of(*items, *bare), "plain", [CheckpointScores("base", done)])
        _, refusals = estimate_effects(table, match_items(table), measures_of(series_of("base")), Bootstrap(0))
        assert [one.reason for one in refusals if one.reason == "candidate_tokens_differ"] == reason


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_metric_whose_clusters_all_agree_has_no_interval_and_says_so(sign: float) -> None:
    """Whether none or all of the rows count."""
    items = [pair(str(at)) for at in range(3)]
    probe, series = probe_of(*items, metrics=("crows_pairs_sentence",)), series_of("base")
    scorer = FakeScorer(margins({"base": {str(at): sign * (at + 1) for at in range(3)}}))
    lined = line_up(probe, "plain", [scorer.score(series["base"], [probe])])
    effects, refusals = estimate_effects(lined, match_items(lined), measures_of(series), Bootstrap(0))
    shares = [one for one in effects if one.measure == "crows_pairs_sentence"]
    assert {one.estimate.value for one in shares} == {100.0 if sign > 0 else 0.0}
    assert {math.isnan(one.interval.low) for one in shares} == {True}
    told = [(one.identity, one.count) for one in refusals if one.reason == "no_spread"]
    assert told == [(None, 1), ("x", 1)]
