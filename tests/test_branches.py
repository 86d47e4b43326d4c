"""Twin of auditor.adapters.run.branches."""

from __future__ import annotations

import pytest

from auditor.adapters.run.branches import branch_to, branches_of
from auditor.adapters.run.results_schema import CheckpointRow


def series(*references: tuple[str, str | None]) -> list[CheckpointRow]:
    blank = {"source": "", "objective": "none", "objective_source": "unknown", "beta": None}
    return [CheckpointRow.model_validate({"name": name, "reference": one, **blank}) for name, one in references]


def paths(*references: tuple[str, str | None]) -> list[str]:
    return [" ".join(branch.path) for branch in branches_of(series(*references))]


def test_a_line_is_one_path() -> None:
    assert paths(("base", None)) == ["base"]
    assert paths(("base", None), ("sft", "base"), ("dpo", "sft")) == ["base sft dpo"]


def test_a_fork_is_a_path_for_each_leaf() -> None:
    trunk = (("base", None), ("sft", "base"))
    assert paths(*trunk, ("dpo", "sft"), ("dpo2", "sft")) == ["base sft dpo", "base sft dpo2"]
    assert paths(*trunk, ("dpo", "sft"), ("direct", "base"), ("kto", "sft")) == [
        "base sft dpo",
        "base direct",
        "base sft kto",
    ]
    assert branches_of(series(*trunk))[0].leaf == "sft"


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ([("a", "b"), ("b", "a")], ["a b"]),
        ([("a", "a")], ["a"]),
        ([("a", "unheard of"), ("b", "a")], ["a b"]),
        ([], []),
    ],
)
def test_what_no_audit_writes_ends(references: list[tuple[str, str | None]], expected: list[str]) -> None:
    assert paths(*references) == expected


def test_the_path_to_any_checkpoint() -> None:
    fork = series(("base", None), ("sft", "base"), ("dpo", "sft"), ("dpo2", "sft"))
    assert branch_to(fork, "sft").path == ("base", "sft")
    assert branch_to(fork, "dpo2").path == ("base", "sft", "dpo2")
    assert branch_to(fork, "base").leaf == "base"


def test_a_path_of_reward_models_says_so() -> None:
    rows = series(("base", None), ("rm", None), ("dpo", "base"))
    rows[1] = rows[1].model_copy(update={"quantity": "reward"})
    assert [(one.leaf, one.of_rewards) for one in branches_of(rows)] == [("rm", True), ("dpo", False)]
    assert branch_to(rows, "rm").of_rewards
    assert not branch_to(rows, "base").of_rewards
