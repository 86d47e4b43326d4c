"""Twin of auditor.adapters.hf.loading.reward_heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from real_scores import files_of

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.loading.reward_heads import choose_heads
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def files(llama_series: dict[str, Path]) -> dict[str, CheckpointFiles]:
    policy = files_of("sft", llama_series["sft"])
    return {
        "sft": policy,
        "one": replace(policy, name="one", heads=("score",), head="score"),
        "two": replace(policy, name="two", heads=("helpful", "harmless")),
    }


def test_the_named_one_is_chosen_and_of_one_that_one(files: dict[str, CheckpointFiles]) -> None:
    chosen = choose_heads(files, {"two": "harmless"})
    assert list(chosen) == ["sft", "one", "two"]
    assert [one.output for one in chosen.values()] == [None, 0, 1]
    assert choose_heads(files, {"two": "helpful", "one": "score"})["two"].output == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "--head: 'two' is a reward model of 2 outputs.*\n.*--head two=OUTPUT, of: helpful, harmless"),
        ({"two": "kind"}, "'two' has no output 'kind'\nGive one of: helpful, harmless"),
        ({"two": "helpful", "one": "LABEL_0"}, "'one' has no output 'LABEL_0'\nGive one of: score"),
        ({"two": "helpful", "sft": "x"}, "no reward model 'sft' in the series\nReward models: one, two"),
        ({"two": "helpful", "gone": "x"}, "no reward model 'gone'"),
    ],
)
def test_what_cannot_be_chosen(files: dict[str, CheckpointFiles], asked: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_heads(files, asked)


def test_how_one_is_named_is_said_as_the_caller_names_it(files: dict[str, CheckpointFiles]) -> None:
    with pytest.raises(
        UsageError, match=r"^head: 'two' is a reward model(.|\n)*Name one with head=OUTPUT, of: helpful"
    ):
        choose_heads(files, {}, option="head", form="head=OUTPUT")
    with pytest.raises(UsageError, match=r"^head: 'two' has no output 'kind'"):
        choose_heads(files, {"two": "kind"}, option="head", form="head=OUTPUT")
    with pytest.raises(UsageError, match=r"^head: there is no reward model 'sft'"):
        choose_heads(files, {"sft": "kind"}, option="head", form="head=OUTPUT")


def test_of_many_outputs_the_first_are_listed(files: dict[str, CheckpointFiles]) -> None:
    many = replace(files["two"], heads=tuple(f"h{at}" for at in range(1020)))
    with pytest.raises(UsageError, match=r"of 1020 outputs.*\n.*: h0, h1, .*, h19 and 1,000 more\.$"):
        choose_heads({"two": many}, {})


def test_without_any_reward_model(files: dict[str, CheckpointFiles]) -> None:
    with pytest.raises(UsageError, match="Reward models: none"):
        choose_heads({"sft": files["sft"]}, {"sft": "x"})
