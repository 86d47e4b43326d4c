"""Columns under other names: what is mapped is renamed, what is not there is said with what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.probe_files.column_mapping import keep_columns, parse_mapping, rename_columns, say_language
from auditor.adapters.probe_files.table_files import Row, read_table
from auditor.errors import UsageError


@pytest.mark.parametrize(
    ("values", "mapping"),
    [
        ([], {}),
        (["harmful=a,affirming=b", "id=c"], {"harmful": "a", "affirming": "b", "id": "c"}),
        (["harmful=a, affirming=b"], {"harmful": "a", "affirming": "b"}),
        (["harmful=more, or less,affirming=x=y"], {"harmful": "more, or less", "affirming": "x=y"}),
    ],
)
def test_parse(values: list[str], mapping: dict[str, str]) -> None:
    assert parse_mapping(values) == mapping


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["harmful"], "expected NAME=COLUMN, got 'harmful'"),
        (["harmful="], "expected NAME=COLUMN"),
        (["=a"], "expected NAME=COLUMN"),
        (["harmful=a", "harmful=b"], "harmful is mapped twice"),
    ],
)
def test_what_is_no_mapping(values: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_mapping(values)


def test_columns_are_renamed_and_the_others_stay(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "bad,good,harmful,topic\nx,y,old,t\n,z,old,t\n1,2\n"))
    mapped = rename_columns(table, {"harmful": "bad", "affirming": "good", "cluster": "topic", "theme": "topic"})
    assert mapped.columns == ("harmful", "affirming", "cluster", "theme")
    assert mapped.rows == (
        Row(2, {"harmful": "x", "affirming": "y", "cluster": "t", "theme": "t"}),
        # What is empty stays so: the column of that name that the mapping replaced does not come back.
        Row(3, {"affirming": "z", "cluster": "t", "theme": "t"}),
        Row(4, {}, "2 fields where the header has 4"),
    )
    assert mapped.sha256 == table.sha256


def test_two_columns_can_change_places(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.jsonl", '{"x": 1, "y": 2}'))
    assert rename_columns(table, {"x": "y", "y": "x"}).rows == (Row(1, {"x": 2, "y": 1}),)


def test_no_mapping_is_the_table_itself(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "x\n1\n"))
    assert rename_columns(table, {}) is table


def test_an_unknown_column_is_said_with_those_there_are(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "bad,good\nx,y\n"))
    with pytest.raises(UsageError, match="no column 'worse' to read as harmful") as caught:
        rename_columns(table, {"harmful": "worse"})
    assert caught.value.where == f"--map harmful=worse, {table.path}"
    assert caught.value.fix == "Its columns: bad, good."


def test_columns_that_nobody_reads_are_left_out(tmp_path: Path) -> None:
    table = keep_columns(read_table(write(tmp_path / "a.csv", "x,y,z\n1,2,3\n")), {"x", "z", "other"})
    assert table.columns == ("x", "z")
    assert table.rows == (Row(2, {"x": "1", "z": "3"}),)


def test_a_language_for_rows_that_name_none(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "x,language\n1,de\n2,\n3\n"))
    assert say_language(table, "") is table
    said = say_language(table, "fr")
    assert said.columns == ("x", "language")
    assert [row.values.get("language") for row in said.rows] == ["de", "fr", None]
    assert said.rows[2].problem
    assert say_language(read_table(write(tmp_path / "b.csv", "x\n1\n")), "fr").columns == ("x", "language")
