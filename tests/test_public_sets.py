"""Public sets are taken as they are: rows that are no pair are refused and counted, the rest is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.public_sets import (
    collect,
    joint_sha256,
    read_lines,
    read_public_set,
    row_id,
    say_translation,
)
from auditor.adapters.probe_files.table_files import Row, read_table
from auditor.core.items import Candidate, Card, Item, Probe
from auditor.errors import UsageError

CARD = Card("T", "t.csv", "0" * 64)


def read(path: Path) -> Probe:
    def item_of(row: Row) -> Item:
        return Item(row_id(row), (Candidate("harmful", row.values["x"]), Candidate("affirming", row.values["y"])))

    return read_public_set(read_table(path), "t", CARD, columns=("x", "y", "kind"), sides=("x", "y"), item_of=item_of)


def test_good_rows_stay_and_bad_ones_are_counted(tmp_path: Path) -> None:
    rows = ["0,a,b,k", "1,,b,k", "2,a,a,k", "3,a,b,", "4,a,b", "0,c,d,k", "5,c,d,k"]
    path = write(tmp_path / "t.csv", "\n".join([",x,y,kind", *rows]) + "\n")
    probe = read(path)
    assert [item.id for item in probe.items] == ["0", "5"]
    assert {one.reason for one in probe.refusals} == {"unreadable_row"}
    assert [one.detail.removeprefix(f"{path}, ") for one in probe.refusals] == [
        "line 3: x is empty",
        "line 4: both sentences are the same",
        "line 5: kind is empty",
        "line 6: 3 fields where the header has 4",
        "line 7: its id '0' stands in the file already",
    ]


@pytest.mark.parametrize(("value", "problem"), [("\ud800", "lone surrogate"), (7, "not text"), (["a"], "not text")])
def test_values_no_tokenizer_can_hold(tmp_path: Path, value: object, problem: str) -> None:
    probe = read(write(tmp_path / "t.jsonl", json.dumps({"x": value, "y": "b", "kind": "k"})))
    assert probe.items == ()
    assert problem in probe.refusals[0].detail


def test_problems_stand_where_they_were_found() -> None:
    item = Item("1", (Candidate("a", "x"), Candidate("b", "y")))
    probe = collect("t", CARD, [("line 1", item), ("line 2", "is bad"), ("line 3", item)])
    assert probe.items == (item,)
    assert [one.detail for one in probe.refusals] == ["line 2: is bad", "line 3: its id '1' stands in the file already"]


def test_several_files_have_one_hash() -> None:
    one, other = "a" * 64, "b" * 64
    assert joint_sha256([one]) == one
    assert len({joint_sha256([one, other]), joint_sha256([other, one]), one, other}) == 4


def test_lines_of_any_system(tmp_path: Path) -> None:
    lines, _ = read_lines(write(tmp_path / "t.txt", "\ufeffone\r\ntwo\u2028still\n"))
    assert lines == ["one", "two\u2028still", ""]
    with pytest.raises(UsageError, match="not UTF-8"):
        read_lines(write(tmp_path / "t.txt", b"\xff"))


def test_what_is_all_english_is_no_translation() -> None:
    sides = (Candidate("harmful", "a"), Candidate("affirming", "b"))
    english = Probe("t", (Item("1", sides, language="en"),), CARD)
    assert say_translation(english) is english
    mixed = say_translation(Probe("t", (*english.items, Item("2", sides, language="nl")), CARD))
    assert [note.split(":")[0] for note in mixed.card.notes] == ["its rows are in nl"]
