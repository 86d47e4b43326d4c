"""References, objectives and betas of a series."""

import pytest
from fake_scores import series_of

from auditor.errors import UsageError


def test_default_reference_is_the_checkpoint_before() -> None:
    assert [one.reference for one in series_of("base", "sft", "dpo").checkpoints] == [None, "base", "sft"]


def test_branches_share_an_ancestor() -> None:
    series = series_of("base", "sft", "dpo1", "dpo2", references={"dpo2": "sft"})
    assert [one.reference for one in series.checkpoints] == [None, "base", "sft", "sft"]
    assert series.leaves == ("dpo1", "dpo2")
    assert series_of("base", "sft").leaves == ("sft",)


@pytest.mark.parametrize(
    ("options", "objective", "source"),
    [
        ({}, "dpo", "name"),
        ({"objectives": {"my-dpo": "none"}}, "none", "option"),
        ({"objectives": {"my-dpo": "dpo-norm"}}, "dpo-norm", "option"),
        ({"tags": {"my-dpo": ["trl", "DPO"]}}, "dpo", "model card"),
    ],
)
def test_where_an_objective_comes_from(options: dict[str, object], objective: str, source: str) -> None:
    last = series_of("base", "my-dpo", **options)["my-dpo"]
    assert (last.objective, last.objective_source) == (objective, source)


def test_the_first_checkpoint_has_no_objective_and_sft_none() -> None:
    series = series_of("dpo-base", "sft")
    assert [one.objective for one in series.checkpoints] == ["none", "none"]


def test_beta_goes_to_preference_checkpoints_only() -> None:
    series = series_of("base", "sft", "dpo", betas={"": 0.2})
    assert [one.beta for one in series.checkpoints] == [None, None, 0.2]


def test_objective_none_may_be_said_of_the_first() -> None:
    assert series_of("dpo-base", objectives={"dpo-base": "none"})["dpo-base"].objective_source == "option"


def test_named_beta_wins() -> None:
    assert series_of("base", "dpo", betas={"": 0.2, "dpo": 0.5})["dpo"].beta == 0.5


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"references": {"nobody": "base"}}, "no checkpoint 'nobody'"),
        ({"references": {"sft": "dpo"}}, "does not stand before"),
        ({"references": {"sft": "sft"}}, "does not stand before"),
        ({"betas": {"": -0.1}}, "must be positive"),
        ({"betas": {"dpo": 0.0}}, "must be positive"),
        ({"betas": {"": float("nan")}}, "must be positive"),
        ({"objectives": {"nobody": "dpo"}}, "no checkpoint 'nobody'"),
        ({"objectives": {"base": "dpo"}}, "'base' is the first of the series"),
        ({"betas": {"sft": 0.1}}, "'sft' has no preference objective"),
        ({"betas": {"dpo": 0.1}, "objectives": {"dpo": "none"}}, "'dpo' has no preference objective"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        series_of("base", "sft", "dpo", **options)


def test_further_references_are_kept_beside_the_first() -> None:
    series = series_of("base", "sft", "dpo", references={"dpo": "sft"}, other_references={"dpo": ("base",)})
    assert (series["dpo"].reference, series["dpo"].other_references) == ("sft", ("base",))
    assert series.paths == (("base", "sft", "dpo"),)
    assert [one.other_references for one in series.checkpoints[:2]] == [(), ()]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"other_references": {"sft": ("base",)}}, "'sft' has no preference objective"),
        ({"other_references": {"dpo": ("sft",)}}, "the reference 'sft' of 'dpo' is given twice"),
        ({"other_references": {"dpo": ("base", "base")}}, "the reference 'base' of 'dpo' is given twice"),
        ({"other_references": {"dpo": ("later",)}}, "'later' of 'dpo' does not stand before it"),
        ({"other_references": {"nobody": ("base",)}}, "no checkpoint 'nobody'"),
        ({"other_references": {"dpo": ("rm",)}}, "'dpo' is a policy and its reference 'rm' is a reward model"),
    ],
)
def test_further_references_follow_the_rules_of_the_first(options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        series_of("base", "sft", "rm", "dpo", "later", quantities={"rm": "reward"}, **options)


MIXED = {"quantities": {"rm": "reward", "rm2": "reward"}}


def test_each_quantity_has_a_line_of_its_own() -> None:
    series = series_of("base", "rm", "sft", "rm2", "dpo", **MIXED)
    assert [one.reference for one in series.checkpoints] == [None, None, "base", "rm", "sft"]
    assert series.leaves == ("rm2", "dpo")
    assert series.paths == (("rm", "rm2"), ("base", "sft", "dpo"))
    assert {kind: part.names for kind, part in series.parts.items()} == {
        "logprob": ("base", "sft", "dpo"),
        "reward": ("rm", "rm2"),
    }


def test_a_series_of_one_quantity_is_its_own_part() -> None:
    for options, kind in (({}, "logprob"), ({"quantities": {"a": "reward", "b": "reward"}}, "reward")):
        series = series_of("a", "b", **options)
        assert series.parts == {kind: series}
        assert series.parts[kind] is series


def test_a_reward_model_has_no_objective_whatever_its_name_says() -> None:
    last = series_of("base", "rm-dpo", quantities={"rm-dpo": "reward"}, tags={"rm-dpo": ["dpo"]}, betas={"": 0.1})
    assert (last["rm-dpo"].objective, last["rm-dpo"].objective_source, last["rm-dpo"].beta) == (
        "none",
        "reward model",
        None,
    )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"references": {"rm": "dpo"}}, "'rm' is a reward model and its reference 'dpo' is a policy: .* units"),
        ({"references": {"late": "rm"}}, "'late' is a policy and its reference 'rm' is a reward model"),
        ({"objectives": {"rm": "dpo"}}, "'rm' is a reward model: its rewards are explicit"),
        ({"objectives": {"rm": "none"}}, "'rm' is a reward model: its rewards are explicit"),
        ({"betas": {"rm": 0.1}}, "'rm' is a reward model: its rewards are explicit"),
    ],
)
def test_units_are_not_mixed(options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        series_of("base", "dpo", "rm", "late", quantities={"rm": "reward"}, **options)


def test_what_may_be_a_reference_instead_is_said() -> None:
    with pytest.raises(UsageError) as caught:
        series_of("base", "rm", quantities={"rm": "reward"}, references={"rm": "base"})
    assert caught.value.fix.startswith("It is the first of its kind: leave rm out of --reference")
    with pytest.raises(UsageError) as caught:
        series_of("base", "rm", "dpo", quantities={"rm": "reward"}, references={"dpo": "rm"})
    assert caught.value.fix == "Choose one of: base."
