"""Pair files become items, verbatim; the sad paths are in test_bad_input_files.py."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import write

from auditor.adapters.probe_files.pair_files import COLUMNS, TEXT_COLUMNS, read_pairs
from auditor.adapters.probe_files.table_files import read_table
from auditor.core.items import Candidate, Item, Message, Probe
from auditor.errors import UsageError


def read(path: Path) -> Probe:
    return read_pairs(read_table(path), "mine")


def from_rows(folder: Path, *rows: dict[str, Any]) -> Probe:
    return read(write(folder / "p.jsonl", "\n".join(map(json.dumps, rows))))


def test_defaults(tmp_path: Path) -> None:
    probe = from_rows(tmp_path, {"harmful": " a", "affirming": "b "})
    assert probe.items == (Item("1", (Candidate("harmful", " a"), Candidate("affirming", "b ")), cluster="row 1"),)
    item = probe.items[0]
    assert (item.role, item.valence, item.design, item.context) == ("marked", "harm", "text_swap", "")
    assert probe.card.title == "p.jsonl"
    assert len(probe.card.notes) == 1
    assert probe.card.notes[0].startswith("1 rows name no cluster and count as independent")


def test_every_column_is_an_attribute(tmp_path: Path) -> None:
    given = {name: f"{name} text" for name in TEXT_COLUMNS}
    words = {"role": "control", "valence": "neutral", "design": "responsiveness"}
    row = {"harmful": "a", "affirming": "b", **given, **words}
    item, _ = from_rows(tmp_path, row, {**row, "id": given["baseline"], "baseline": ""}).items
    assert {name: getattr(item, name) for name in TEXT_COLUMNS} == given
    assert {name: getattr(item, name) for name in words} == words
    assert {one.name for one in fields(Item)} - set(COLUMNS) == {"answer"}
    assert set(COLUMNS) - {one.name for one in fields(Item)} == {"harmful", "affirming", "labels", "right_label"}


def test_same_rows_from_every_format(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    row = {"id": "x", "harmful": "a", "affirming": "b", "messages": turns, "cluster": "c"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "p.parquet")
    message = json.dumps(turns).replace('"', '""')
    write(tmp_path / "p.csv", f'id,harmful,affirming,messages,cluster\nx,a,b,"{message}",c\n')
    probes = [from_rows(tmp_path, row), read(tmp_path / "p.csv"), read(tmp_path / "p.parquet")]
    assert probes[0].items[0].messages == (Message("user", "Hi"),)
    assert probes[0].items == probes[1].items == probes[2].items


def test_more_candidates_than_two(tmp_path: Path) -> None:
    row = {"candidates": ["he", "she", "they"], "labels": ["m", "f", "n"]}
    (item,) = from_rows(tmp_path, row).items
    assert item.candidates == (Candidate("m", "he"), Candidate("f", "she"), Candidate("n", "they"))
    assert item.pair is None
    labelled = {"candidates": '["x", "y", "z"]', "labels": '["other", "affirming", "harmful"]'}
    (item,) = from_rows(tmp_path, labelled).items
    assert item.pair == (2, 1)


def test_line_numbers_are_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", 'harmful,affirming\n"a\nb",c\nd,e\n')
    assert [item.id for item in read(path).items] == ["2", "4"]


def test_a_given_id_may_not_be_another_rows_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="id '2' stands on line 1 already"):
        from_rows(tmp_path, {"id": "2", "harmful": "a", "affirming": "b"}, {"harmful": "a", "affirming": "b"})


def test_texts_are_verbatim(tmp_path: Path) -> None:
    text = " \u200d\U0001f3f3\ufe0f\u200d\U0001f308 \u05e9\u05dc\u05d5\u05dd e\u0301 \0 <b> "
    (item,) = from_rows(tmp_path, {"harmful": text, "affirming": "b", "context": text, "id": text}).items
    assert (item.candidates[0].text, item.context, item.id) == (text, text, text)


def test_a_match_key_lies_in_one_cluster(tmp_path: Path) -> None:
    lines = ["harmful,affirming,cluster,match,role", "a,b,c1,k,marked", "a,b,c2,k,reference"]
    path = tmp_path / "p.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 3: match 'k' lies in cluster 'c2' here and in 'c1' on line 2"):
        read_pairs(read_table(path), "p")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "another"}, "is no row of the file"),
        ({"baseline": "declared"}, "has a baseline itself"),
        ({"design": "text_swap"}, "is only subtracted in rows of design responsiveness"),
        ({"affirming": "c"}, "has other candidates"),
        ({"cluster": "another"}, "lies in another cluster, 'another'"),
    ],
)
def test_what_cannot_be_subtracted(tmp_path: Path, changes: dict[str, str], problem: str) -> None:
    declared = {"id": "declared", "harmful": "a", "affirming": "b", "cluster": "c", "design": "responsiveness"}
    bare = {**declared, "id": "bare"}
    assert len(from_rows(tmp_path, {**declared, "baseline": "bare"}, bare).items) == 2
    with pytest.raises(UsageError, match=re.escape(problem)):
        from_rows(tmp_path, {**declared, "baseline": "bare"}, {**bare, **changes})


def test_baselines_alone_ask_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds baselines only"):
        from_rows(tmp_path, {"harmful": "a", "affirming": "b", "design": "responsiveness"})


def test_rows_share_what_they_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"Context {at % 2}, bad thing, good {at},group {at % 2},cluster {at % 2}" for at in range(6)]
    path = tmp_path / "p.csv"
    path.write_text("context,harmful,affirming,identity,cluster\n" + "\n".join(lines), encoding="utf-8")
    items = read_pairs(read_table(path), "p").items
    for name in ("context", "identity", "cluster"):
        assert len({id(getattr(item, name)) for item in items}) == 2
    assert len({id(item.candidates[0]) for item in items}) == 1
    # Nothing but memory depends on how much is remembered.
    monkeypatch.setattr("auditor.adapters.probe_files.pair_files._REMEMBERED", 1)
    assert read_pairs(read_table(path), "p").items == items


def test_a_right_answer_is_one_of_the_rows_labels(tmp_path: Path) -> None:
    rows = (
        {"harmful": "a", "affirming": "b", "right_label": "affirming"},
        {"candidates": ["a", "b", "c"], "labels": ["x", "y", "2"], "right_label": 2},
        {"harmful": "a", "affirming": "b", "right_label": None},
    )
    assert [item.answer for item in from_rows(tmp_path, *rows).items] == ["affirming", "2", ""]
    with pytest.raises(UsageError, match=r"right_label is 'b', no label of the row.*") as refused:
        from_rows(tmp_path, rows[0], {**rows[0], "right_label": "b"})
    assert "harmful, affirming" in str(refused.value)
    assert "line 2" in str(refused.value)
