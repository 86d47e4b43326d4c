"""What columns mean, said on the command line or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import write

from auditor.adapters.external.score_mapping import ScoreMapping, WideColumn, score_mapping
from auditor.errors import UsageError

NOTHING: dict[str, Any] = {"fields": [], "columns": [], "sides": [], "quantity": None, "file": None}


def mapping(**given: Any) -> ScoreMapping:
    return score_mapping(**{**NOTHING, "quantity": "reward", **given})


def test_long() -> None:
    found = mapping(fields=["item=id, checkpoint=model", "candidate=side,value=score"], sides=["harmful=rejected"])
    assert found.fields == {"item": "id", "checkpoint": "model", "candidate": "side", "value": "score"}
    assert (found.column("item"), found.column("theme")) == ("id", "theme")
    assert found.sides == {"rejected": "harmful"}


def test_wide() -> None:
    found = mapping(columns=["sft.harmful=sft_rejected", "affirming=a=b", "v1.5.harmful=x"])
    assert found.columns == (
        WideColumn("sft", "harmful", "sft_rejected"),
        WideColumn(None, "affirming", "a=b"),
        WideColumn("v1.5", "harmful", "x"),
    )


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "map.yaml",
        "quantity: logprob\nmap: {item: id, value: score}\ncolumns: {a.harmful: x}\nsides: {harmful: bad}\n",
    )
    found = mapping(file=file, quantity=None, fields=["value=reward"], columns=["a.harmful=y", "a.affirming=z"])
    assert found.quantity == "logprob"
    assert found.fields == {"item": "id", "value": "reward"}
    assert [one.column for one in found.columns] == ["y", "z"]
    assert found.sides == {"bad": "harmful"}
    assert mapping(file=file).quantity == "reward"


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"fields": ["item"]}, "--map"),
        ({"fields": ["=id"]}, "--map"),
        ({"fields": ["colour=id"]}, "--map"),
        ({"fields": ["item=a,item=b"]}, "--map"),
        ({"columns": ["x"]}, "--column"),
        ({"columns": [".harmful=x"]}, "--column"),
        ({"columns": ["a.=x"]}, "--column"),
        ({"columns": ["a.harmful=x", "a.harmful=y"]}, "--column"),
        ({"sides": ["harmful=x,affirming=x"]}, "--side"),
        ({"quantity": None}, "--quantity"),
        ({"quantity": "odds"}, "--quantity"),
    ],
)
def test_words_without_sense(given: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        mapping(**given)
    assert caught.value.where == where
    assert caught.value.fix


@pytest.mark.parametrize(
    "content", ["[1]", "", "a: [", "colour: x", "map: [item]", "map: {item: 1}", "columns: {a.harmful: no}", "\0"]
)
def test_a_file_without_sense(tmp_path: Path, content: str) -> None:
    file = write(tmp_path / "map.yaml", content)
    with pytest.raises(UsageError) as caught:
        mapping(file=file)
    assert str(file) in caught.value.where
    assert caught.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        mapping(file=tmp_path / "none.yaml")


def test_the_file_in_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "external-scores.md").read_text(encoding="utf-8")
    lines = text[text.index("    quantity: logprob") :].split("\n\n")[0].splitlines()
    found = mapping(
        quantity=None, file=write(tmp_path / "map.yaml", "\n".join(line.removeprefix("    ") for line in lines))
    )
    assert (found.quantity, found.column("checkpoint"), found.sides) == (
        "logprob",
        "model",
        {"rejected": "harmful", "chosen": "affirming"},
    )


def test_a_column_holds_one_score() -> None:
    with pytest.raises(UsageError, match="two scores are read from the column 'x'"):
        mapping(columns=["a.harmful=x", "a.affirming=x"])


@pytest.mark.parametrize("content", ["map: {item: a, item: b}", "map: {item: a}\nmap: {item: b}"])
def test_a_key_that_stands_twice(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match=r"the key '\w+' stands twice"):
        mapping(file=write(tmp_path / "map.yaml", content))


def test_a_file_that_refers_to_itself_is_no_trap(tmp_path: Path) -> None:
    file = write(tmp_path / "map.yaml", "map: &a {item: *a}")
    with pytest.raises(UsageError):
        mapping(file=file)
