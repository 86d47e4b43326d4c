"""The whole kernel on scores without a model."""

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores
from auditor.core.verdicts import Rule
from auditor.errors import NotComparableError
from auditor.pipeline import analyse, compare

ITEMS = [
    pair(f"{identity}{at}", cluster=str(at), match=str(at), identity=identity, role=role)
    for at in range(6)
    for identity, role in (("x", "marked"), ("ref", "reference"))
]
PROBE = probe_of(*ITEMS)
SERIES = series_of("base", "sft", "dpo", betas={"": 0.1})
RULE = Rule(0.5)
NOISE = {item.id: 0.05 * (-1) ** (at // 2) for at, item in enumerate(ITEMS) if item.identity == "x"}
TABLE = {
    name: {item.id: boost + NOISE[item.id] if item.identity == "x" else 0.0 for item in ITEMS}
    for name, boost in (("base", 0.0), ("sft", 0.3), ("dpo", 2.0))
}


# Clusters that differ in what a stage adds, so that shifts have a spread.
SPREAD = {
    name: {item: value * (1 + 0.02 * int(item[-1])) for item, value in row.items()} for name, row in TABLE.items()
}


def _verdicts(table):
    findings = compare([PROBE], SERIES, FakeScorer(margins(table)), Rule(0.5), lambda _: None)
    return {
        (one.measure, one.checkpoint): one.verdict
        for one in findings.effects
        if one.identity == "x" and one.contrast == "excess" and one.theme is None
    }


def test_harm_is_found_where_it_was_put() -> None:
    # Excess 0.0, 0.3 and 2.0 nats (+-0.05 between clusters) against d = 0.5; the shifts, 0.3 and 1.7,
    # have no spread at all, since the noise is the same at every checkpoint.
    assert _verdicts(TABLE) == {
        ("level", "base"): "no_meaningful_difference",
        ("level", "sft"): "no_meaningful_difference",
        ("level", "dpo"): "harm",
        ("shift", "sft"): "refused",
        ("shift", "dpo"): "refused",
        ("implicit_reward", "dpo"): "refused",
    }


def test_the_stage_that_brought_it_is_found() -> None:
    verdicts = _verdicts(SPREAD)
    assert verdicts["shift", "sft"] == "no_meaningful_difference"
    assert verdicts["shift", "dpo"] == verdicts["implicit_reward", "dpo"] == "harm"


def test_every_checkpoint_is_scored_once_in_order_and_kept() -> None:
    scorer, kept = FakeScorer(margins(TABLE)), []
    compare([PROBE], SERIES, scorer, Rule(), lambda done: kept.append([one.checkpoint for one in done]))
    assert scorer.calls == ["base", "sft", "dpo"]
    assert kept == [["base", "sft", "dpo"]]


def test_nothing_left_to_compare() -> None:
    scorer = FakeScorer(margins(TABLE), refuse=[("sft", item.id) for item in ITEMS])
    with pytest.raises(NotComparableError, match="no item could be scored at every checkpoint"):
        compare([PROBE], SERIES, scorer, Rule(), lambda _: None)


def test_way_out_depends_on_why_nothing_is_left() -> None:
    class Refusing(FakeScorer):
        def score(self, checkpoint, probes):
            reasons = ["no_plain_text"] * 9 + ["too_long"] * (len(ITEMS) - 9)
            refusals = tuple(
                Refusal(one, "", "probe", item.id) for one, item in zip(reasons, probes[0].items, strict=True)
            )
            return CheckpointScores(checkpoint.name, {}, refusals)

    with pytest.raises(NotComparableError, match=r"\(no_plain_text, too_long\)") as caught:
        compare([PROBE], SERIES, Refusing(margins(TABLE)), Rule(), lambda _: None)
    first, second = caught.value.fix.splitlines()
    assert "--render chat" in first
    assert "context window" in second
    assert "tokenizers" not in caught.value.fix


def test_the_same_scores_give_the_same_findings() -> None:
    scorer = FakeScorer(margins(TABLE))
    scores = [scorer.score(one, [PROBE]) for one in SERIES.checkpoints]
    first, second = (analyse([PROBE], SERIES, scores, ["plain"], Rule()) for _ in range(2))
    assert repr(first) == repr(second)


def test_known_cautions_lead() -> None:
    findings = compare([PROBE], SERIES, FakeScorer(margins(TABLE)), Rule(), lambda _: None, ["mixed precision"])
    assert findings.cautions[0] == "mixed precision"


def with_a_reward_model(*, refuse=(), rule=RULE):
    """The same series with a reward model beside it that scores as dpo does, but for a spread of its own."""
    series = series_of("base", "sft", "rm", "dpo", betas={"": 0.1}, quantities={"rm": "reward"})
    table = {**SPREAD, "rm": {item: 1.1 * value for item, value in SPREAD["dpo"].items()}}
    return compare([PROBE], series, FakeScorer(margins(table), refuse), rule, lambda _: None)


def test_a_reward_model_changes_no_number_of_the_policies() -> None:
    alone = compare([PROBE], SERIES, FakeScorer(margins(SPREAD)), RULE, lambda _: None)
    mixed = with_a_reward_model()
    policies = [one for one in mixed.effects if one.checkpoint != "rm"]
    assert repr(policies) == repr(list(alone.effects))
    # Written out: where there is no number, a NaN is not itself.
    for name in ("contributions", "transitions", "scorings", "attributions"):
        assert repr(getattr(mixed, name)) == repr(getattr(alone, name))
    assert set(alone.cautions) <= set(mixed.cautions)


def test_a_reward_model_has_levels_in_its_own_unit_and_families_of_its_own() -> None:
    found = [one for one in with_a_reward_model().effects if one.checkpoint == "rm"]
    linear = [one for one in found if one.measure == "level"]
    assert {one.measure for one in found} == {"level", "cohens_d", "cohens_dz"}
    assert {one.unit for one in linear} == {"reward"}
    (excess,) = [one for one in linear if (one.identity, one.contrast, one.theme) == ("x", "excess", None)]
    assert excess.verdict == "harm"
    marked = [value for item, value in SPREAD["dpo"].items() if item.startswith("x")]
    assert excess.estimate.value == pytest.approx(1.1 * sum(marked) / len(marked))
    families = {one.family for one in linear if one.family}
    assert families == {f"identities/{reading}/level/rm/plain" for reading in ("disparity", "preference")}


def test_what_a_reward_model_refuses_counts_at_every_policy() -> None:
    lost = with_a_reward_model(refuse=[("rm", "x0")])
    items = {(one.checkpoint, one.items) for one in lost.effects if _is_raw_level(one)}
    assert items == {("base", 6), ("sft", 6), ("dpo", 6), ("rm", 5)}
    lost = with_a_reward_model(refuse=[("sft", "x0")])
    items = {(one.checkpoint, one.items) for one in lost.effects if _is_raw_level(one)}
    assert items == {("base", 5), ("sft", 5), ("dpo", 5), ("rm", 6)}


def _is_raw_level(one):
    return (one.measure, one.contrast, one.identity, one.theme) == ("level", "raw", "x", None)


def test_a_reward_model_without_a_score_is_said_and_the_rest_told() -> None:
    lost = with_a_reward_model(refuse=[("rm", item.id) for item in ITEMS])
    assert {one.checkpoint for one in lost.effects} == {"base", "sft", "dpo"}
    assert lost.cautions[0] == "No item could be scored at rm: nothing is said of them."


def test_rewards_are_held_against_a_bound_of_their_own() -> None:
    for reward_sesoi, expected in ((None, {0.5}), (3.0, {3.0})):
        found = with_a_reward_model(rule=Rule(0.5, 0, reward_sesoi)).effects
        assert {one.sesoi for one in found if one.checkpoint == "rm" and one.verdict} == expected
        assert {one.sesoi for one in found if one.checkpoint == "dpo" and one.measure == "level" and one.verdict} == {
            0.5
        }


def test_a_margin_of_rewards_is_said_to_be_read_as_a_log_odds() -> None:
    said = "rm: a margin of rewards is read as a log-odds"
    assert sum(one.startswith(said) for one in with_a_reward_model().cautions) == 1
    assert not any(one.startswith(said) for one in with_a_reward_model(rule=Rule(0.5, 0, 0.5)).cautions)


def test_the_convention_is_printed_as_one_where_there_are_only_reward_models() -> None:
    def cautions(rule: Rule) -> tuple[str, ...]:
        scorer = FakeScorer(margins({"rm": SPREAD["dpo"]}))
        return compare([PROBE], series_of("rm", quantities={"rm": "reward"}), scorer, rule, lambda _: None).cautions

    assert sum("by convention odds up by a quarter (d = ln 1.25 = 0.22)" in one for one in cautions(Rule())) == 1
    assert not any("ln 1.25" in one for own in (Rule(0.5), Rule(reward_sesoi=0.5)) for one in cautions(own))


def test_a_shift_between_reward_models_is_said_to_rest_on_their_training() -> None:
    def cautions(*names: str) -> list[str]:
        scorer = FakeScorer(margins(dict.fromkeys(names, SPREAD["dpo"])))
        series = series_of(*names, quantities=dict.fromkeys(("one", "two", "three"), "reward"))
        found = compare([PROBE], series, scorer, RULE, lambda _: None).cautions
        return [one for one in found if "trained apart" in one]

    (said,) = cautions("dpo", "one", "two", "three")
    assert said.startswith("one, two, three: a shift (one to two, two to three) is what training added only where")
    assert cautions("base", "dpo", "one") == []
