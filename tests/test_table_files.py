"""Rows of CSV, JSONL and Parquet files: values verbatim, line numbers right."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import write

from auditor.adapters.probe_files.table_files import Row, read_table, suffix_of
from auditor.errors import UsageError


def test_csv_keeps_values_and_counts_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufeffx,y\r\n" a ",""\r\n\r\n"two\nlines",b\r\nc,d\r\n')
    table = read_table(path)
    assert table.columns == ("x", "y")
    assert table.rows == (Row(2, {"x": " a "}), Row(4, {"x": "two\nlines", "y": "b"}), Row(6, {"x": "c", "y": "d"}))
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.where(table.rows[1]) == f"{path}, line 4"


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\0"])
def test_only_line_ends_end_lines(tmp_path: Path, character: str) -> None:
    table = read_table(write(tmp_path / "a.csv", f'x,y\na{character}b,1\n"c{character}d",2\n'))
    assert table.rows == (Row(2, {"x": f"a{character}b", "y": "1"}), Row(3, {"x": f"c{character}d", "y": "2"}))
    line = write(tmp_path / "a.jsonl", '{"x": "a' + (character if character > "\x1f" else " ") + 'b"}\n{"x": "c"}')
    assert [row.line for row in read_table(line).rows] == [1, 2]


def test_bad_lines_carry_their_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "x,y\n1,2,3\n4,5\n"))
    assert table.rows[0] == Row(2, {}, "3 fields where the header has 2")
    assert table.rows[1].values == {"x": "4", "y": "5"}
    table = read_table(write(tmp_path / "a.jsonl", '{"x": 1}\n\nnonsense\n{"x": null, "y": ""}\n'))
    assert [(row.line, bool(row.problem), dict(row.values)) for row in table.rows] == [
        (1, False, {"x": 1}),
        (3, True, {}),
        (4, False, {}),
    ]
    assert table.columns == ("x",)


def test_long_fields_are_not_the_parsers_to_refuse(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "x\n" + "w" * 1_000_000 + "\n"))
    assert len(table.rows[0].values["x"]) == 1_000_000


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": ["a", None, ""], "n": [1, 2, 3], "l": [["u"], None, []]}), path)
    table = read_table(path)
    assert table.columns == ("x", "n", "l")
    assert [dict(row.values) for row in table.rows] == [{"x": "a", "n": 1, "l": ["u"]}, {"n": 2}, {"n": 3, "l": []}]
    assert table.where(table.rows[2]) == f"{path}, row 3"


def test_a_column_that_stands_twice_in_parquet_is_refused_in_one_line(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="cannot be read as Parquet") as caught:
        read_table(tmp_path / "a.parquet")
    assert "\n" not in caught.value.what
    assert "each column once" in caught.value.fix


def test_tabs_part_the_fields_of_a_tsv(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.tsv", 'a\tb\n1,5\t"x\ty"\n2\n'))
    assert table.columns == ("a", "b")
    good, bad = table.rows
    assert good.values == {"a": "1,5", "b": "x\ty"}
    assert (bad.line, bad.problem) == (3, "1 fields where the header has 2")


def test_suffix_in_capitals(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "A.CSV", "x\n1\n")).rows == (Row(2, {"x": "1"}),)


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"x": "a"}\n{"x": "\xe9"}\n')
    with pytest.raises(UsageError, match="byte 0xe9 at offset 18") as caught:
        read_table(path)
    assert caught.value.where == f"{path}, line 2"


def test_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_rows_can_be_read_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("auditor.adapters.probe_files.table_files._ROWS_A_PART", 2)
    path = tmp_path / name
    values = [f"text {at} \u2028 \u00e9" for at in range(5)]
    if name.endswith("parquet"):
        pq.write_table(pa.table({"x": values}), path)
    else:
        lines = ["x", *values] if name.endswith("csv") else [json.dumps({"x": one}) for one in values]
        path.write_text("\n".join(lines), encoding="utf-8")
    table = read_table(path)
    assert [row.values["x"] for row in table.stream()] == values
    assert [row.line for row in table.stream()] == [row.line for row in table.rows]
    assert table.rows[0].line == (2 if name.endswith("csv") else 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "x\ty\na;b,c\td\n"),
        ("a.csv", "x\ty\na;b,c\td\n"),
        ("a.csv", 'x;y\n"a;b,c";d\n'),
        ("a.csv", 'x,y\n"a;b,c",d\n'),
    ],
    ids=["tsv", "tabs", "semicolons", "commas"],
)
def test_separators(tmp_path: Path, name: str, content: str) -> None:
    table = read_table(write(tmp_path / name, content))
    assert table.rows == (Row(2, {"x": "a;b,c", "y": "d"}),)


def test_a_comma_in_the_header_is_the_separator(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.csv", "x;y,z\n1,2\n")).columns == ("x;y", "z")
    assert read_table(write(tmp_path / "one.csv", "x\n1;2\n")).rows == (Row(2, {"x": "1;2"}),)


@pytest.mark.parametrize(("name", "line"), [("rows.v2.csv", 2), ("rows.v2.jsonl", 1)])
def test_packed(tmp_path: Path, name: str, line: int) -> None:
    content = b"x\nword\n" if line == 2 else b'{"x": "word"}\n'
    path = write(tmp_path / f"{name}.gz", gzip.compress(content))
    table = read_table(path)
    assert table.rows == (Row(line, {"x": "word"}),)
    assert (table.name, table.source, suffix_of(path)) == ("rows.v2", path.name, Path(name).suffix)
    assert table.header == (line == 2)
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("cut", [slice(0, 12), slice(4, None), slice(0, 0)])
def test_half_a_packed_file(tmp_path: Path, cut: slice) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress(b"x\n" + b"word\n" * 100)[cut])
    if not path.read_bytes():
        # Nothing packed is nothing unpacked.
        with pytest.raises(UsageError, match="the file is empty"):
            read_table(path)
        return
    with pytest.raises(UsageError, match="not a whole gzip file") as caught:
        read_table(path)
    assert caught.value.where == str(path)


def test_unknown_kinds_packed_or_not(tmp_path: Path) -> None:
    for name in ("a.txt", "a.txt.gz", "a.gz"):
        with pytest.raises(UsageError, match="unknown kind of file"):
            read_table(write(tmp_path / name, gzip.compress(b"x")))
