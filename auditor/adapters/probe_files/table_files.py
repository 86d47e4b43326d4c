"""Rows of a CSV, TSV, JSONL or Parquet file, each with the line it stands on."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from auditor.errors import UsageError, one_line

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_PACKED = ".gz"

# csv's own limit is 128 kB a field; a long item is the scorer's to refuse, not the parser's.
_LONGEST_FIELD = 2**31 - 1
# Rows of a Parquet file that become objects at a time.
_ROWS_A_PART = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its line (or row) number and its values by column; absent values are left out.

    ``problem`` says why the line could not be read; its values are then empty.
    """

    line: int
    values: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file's columns and rows.

    Attributes:
        stream: reads the rows from the first on, each time it is called; nothing keeps them.
        sha256: of the file as it lies.
        counted: what a row's number counts.
        header: columns stand in one place for all rows; otherwise every row names its own.
        called, origin: its name, and where its rows come from, where the path does not tell.
    """

    path: Path
    columns: tuple[str, ...]
    stream: Callable[[], Iterator[Row]]
    sha256: str
    counted: Literal["line", "row"] = "line"
    header: bool = True
    called: str = ""
    origin: str = ""

    @property
    def name(self) -> str:
        """The file's name without what says how it is written."""
        return self.called or _unpacked(self.path).stem

    @property
    def source(self) -> str:
        """Where its rows come from, for a card."""
        return self.origin or self.path.name

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows at once; of a large file, better taken from the stream."""
        return tuple(self.stream())

    def where(self, row: Row) -> str:
        """File and line, for error messages."""
        return f"{self.path}, {self.counted} {row.line}"


def read_table(path: Path) -> TableFile:
    """Read a file whole.

    Raises:
        UsageError: it cannot be opened, is not UTF-8, or is not what its suffix says.
    """
    content, sha256 = content_of(path)
    suffix = suffix_of(path)
    # From the bytes that were hashed, so that the hash is of what was read.
    content = unpack(path, content)
    if suffix == ".parquet":
        return TableFile(path, *_parquet(path, content), sha256, "row")
    if suffix in (".csv", ".tsv"):
        delimiter = "\t" if suffix == ".tsv" else _delimiter(content)
        check_utf8(path, content)
        return TableFile(path, _csv_header(path, content, delimiter), lambda: _csv(content, delimiter), sha256)
    if suffix == ".jsonl":
        check_utf8(path, content)
        columns = dict.fromkeys(name for row in _jsonl(content) for name in row.values)
        return TableFile(path, tuple(columns), lambda: _jsonl(content), sha256, header=False)
    raise UsageError(
        f"unknown kind of file {suffix!r}",
        where=str(path),
        fix=f"Give one of {', '.join(SUFFIXES)}, or one of these packed as {_PACKED}.",
    )


def suffix_of(path: Path) -> str:
    """The suffix that says how rows are written, in small letters; that of packing is none."""
    return _unpacked(path).suffix.lower()


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == _PACKED else path


def unpack(path: Path, content: bytes) -> bytes:
    """A file's bytes as they were before they were packed; those of a file that is not packed as they are.

    Raises:
        UsageError: it is no whole gzip file.
    """
    if path.suffix.lower() != _PACKED:
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(
            f"not a whole gzip file: {error}", where=str(path), fix="Fetch it again, or give it unpacked."
        ) from error


def _delimiter(content: bytes) -> str:
    """The comma; without one in the header, what stands there oftener of those that spreadsheets write instead."""
    header = content[: content.find(b"\n") + 1 or None]
    if b"," not in header and (b";" in header or b"\t" in header):
        return ";" if header.count(b";") > header.count(b"\t") else "\t"
    return ","


def content_of(path: Path) -> tuple[bytes, str]:
    """A file's bytes and their SHA-256.

    Raises:
        UsageError: it cannot be opened.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}", where=str(path), fix="Give a file that exists and that you may read."
        ) from error
    return content, hashlib.sha256(content).hexdigest()


def check_utf8(path: Path, content: bytes) -> None:
    """Know before anything is read that a file is text.

    Raises:
        UsageError: it is not UTF-8.
    """
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}",
            where=f"{path}, line {line}",
            fix="Save the file as UTF-8.",
        ) from error


def _lines(content: bytes, newline: str) -> io.TextIOWrapper:
    """The text a line at a time, decoded as it is read."""
    # Not splitlines(): it also cuts at U+2028, U+0085 and other characters that texts may hold.
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=newline)


def _csv_header(path: Path, content: bytes, delimiter: str) -> tuple[str, ...]:
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        columns = tuple(next(csv.reader(_lines(content, ""), delimiter=delimiter, strict=True)))
    except StopIteration as error:
        raise UsageError(
            "the file is empty", where=str(path), fix="Give a header line and at least one row."
        ) from error
    except csv.Error as error:
        raise UsageError(
            f"malformed CSV: {error}", where=f"{path}, line 1", fix="Mend the header line; nothing was scored."
        ) from error
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise UsageError(
            f"column {twice!r} stands twice in the header", where=f"{path}, line 1", fix="Remove one of them."
        )
    return columns


def _csv(content: bytes, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(_lines(content, ""), delimiter=delimiter, strict=True)
    columns = tuple(next(reader))
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, {}, f"malformed CSV: {error}")
            continue
        if fields:
            yield _csv_row(line, columns, fields)


def _csv_row(line: int, columns: Sequence[str], fields: Sequence[str]) -> Row:
    if len(fields) != len(columns):
        return Row(line, {}, f"{len(fields)} fields where the header has {len(columns)}")
    return Row(line, {name: value for name, value in zip(columns, fields, strict=True) if value != ""})


def _jsonl(content: bytes) -> Iterator[Row]:
    for number, line in enumerate(_lines(content, "\n"), 1):
        if line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    try:
        value = json.loads(line, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        return Row(number, {}, f"malformed JSON: {error}")
    if not isinstance(value, dict):
        return Row(number, {}, "a line must hold one JSON object")
    return Row(number, {name: one for name, one in value.items() if one is not None and one != ""})


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once; JSON would silently keep the last of two.

    Raises:
        ValueError: one stands twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return values


def _parquet(path: Path, content: bytes) -> tuple[tuple[str, ...], Callable[[], Iterator[Row]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read as Parquet: {one_line(error)}",
            where=str(path),
            fix="Write it again, with each column once, or give the rows as CSV.",
        ) from error

    def rows() -> Iterator[Row]:
        records = (record for batch in table.to_batches(_ROWS_A_PART) for record in batch.to_pylist())
        for number, record in enumerate(records, 1):
            yield Row(number, {name: value for name, value in record.items() if value is not None and value != ""})

    return tuple(table.column_names), rows
