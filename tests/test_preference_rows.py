"""Preference rows as they stand in their file, and the same file with columns more."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import write

from auditor.adapters.exports.preference_rows import COLUMNS, check_out, read_preference_rows, write_with_columns
from auditor.errors import UsageError

TEXTS = {"prompt": "", "chosen": " kind\u2028", "rejected": " rude", "score": 0.1, "note": None, "n": 2**60}
TURNS = {"prompt": [{"role": "user", "content": "Hi"}], "chosen": [{"role": "assistant", "content": "Hello"}]}
TURNS = {**TURNS, "rejected": [{"role": "assistant", "content": "No"}]}
VALUES = dict(zip(COLUMNS, (np.array([-1.5], np.float32), np.array([-np.pi], np.float32)), strict=True))


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def refused(path: Path, *rows: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_preference_rows(write(path, lines(*rows)))


def test_json_lines_keep_every_column(tmp_path: Path) -> None:
    rows = read_preference_rows(write(tmp_path / "in.jsonl", lines(TEXTS, {**TEXTS, "chosen": " fine"})))
    assert not rows.conversational
    write_with_columns(rows, [1], VALUES, tmp_path / "out.jsonl")
    (line,) = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    found = json.loads(line)
    assert found == {**TEXTS, "chosen": " fine", COLUMNS[0]: -1.5, COLUMNS[1]: float(np.float32(-np.pi))}
    assert list(found) == [*TEXTS, *COLUMNS]


def test_what_is_not_read_may_hold_anything(tmp_path: Path) -> None:
    odd = {**TEXTS, "note": "\ud800", "list": [1, {"a": None}]}
    rows = read_preference_rows(write(tmp_path / "in.jsonl", lines(odd)))
    write_with_columns(rows, [0], VALUES, tmp_path / "out.jsonl")
    found = json.loads((tmp_path / "out.jsonl").read_bytes())
    assert {name: found[name] for name in odd} == odd


def test_packed_lines_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl.gz", gzip.compress(lines(TURNS).encode()))
    rows = read_preference_rows(path)
    assert rows.conversational
    check_out(rows, tmp_path / "out.jsonl")


def test_a_table_keeps_its_types(tmp_path: Path) -> None:
    schema = pa.schema([("chosen", pa.large_string()), ("rejected", pa.large_string()), ("when", pa.date32())])
    table = pa.table({"chosen": ["a", "b"], "rejected": ["c", "d"], "when": [1, None]}, schema=schema)
    pq.write_table(table, tmp_path / "in.parquet")
    rows = read_preference_rows(tmp_path / "in.parquet")
    write_with_columns(rows, [0], VALUES, tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.drop_columns(list(COLUMNS)).equals(table.take([0]))
    assert [found.schema.field(name).type for name in COLUMNS] == [pa.float32()] * 2
    assert found["ref_rejected_logps"].to_pylist() == [float(np.float32(-np.pi))]


def test_what_cannot_be_trained_on_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    refused(path, TEXTS, {"chosen": "x"}, says="row 2: has no rejected")
    refused(path, TEXTS, TURNS, says="row 2: is a conversation where the first row is a text")
    refused(path, {**TURNS, "prompt": "Hi"}, says="row 1: prompt, chosen and rejected are neither")
    refused(path, {**TURNS, "chosen": []}, says="row 1: prompt, chosen and rejected are neither")
    refused(path, {**TURNS, "tools": [{}]}, says="holds tools")
    refused(path, {**TEXTS, COLUMNS[0]: -1}, says="holds ref_chosen_logps already")
    refused(path, TEXTS, {"chosen": "x", "rejected": "y"}, says="row 2: has no prompt, but the first row has")
    refused(path, {"chosen": "x", "rejected": "y"}, TEXTS, says="row 2: has a prompt and the first row has none")
    refused(path, {**TEXTS, "chosen": "\ud800"}, says="row 1: holds a lone surrogate")
    refused(path, {**TURNS, "prompt": [{"role": "user", "content": "\udfff"}]}, says="row 1: holds a lone surrogate")
    refused(path, ["x"], says="one JSON object")
    refused(path, says="holds no rows")


def test_broken_files_are_refused(tmp_path: Path) -> None:
    for name, content, says in (
        ("a.jsonl", b'{"chosen": 1', "malformed JSON"),
        ("b.jsonl", b"\xff\n", "not UTF-8"),
        ("c.parquet", b"PAR1", "cannot be read as Parquet"),
        ("d.csv", b"chosen,rejected\n", "unknown kind of file"),
        ("e.jsonl.gz", b"no", "not a whole gzip file"),
    ):
        with pytest.raises(UsageError, match=says):
            read_preference_rows(write(tmp_path / name, content))


def test_columns_stay_as_they_are_so_the_kind_of_file_does(tmp_path: Path) -> None:
    rows = read_preference_rows(write(tmp_path / "in.jsonl", lines(TEXTS)))
    with pytest.raises(UsageError, match=r"ends in \.jsonl"):
        check_out(rows, tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="is the file that is read"):
        check_out(rows, tmp_path / "." / "in.jsonl")
