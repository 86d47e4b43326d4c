"""Rows of a preference set as they stand in their file, and the same file with columns more."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.adapters.probe_files.table_files import check_utf8, content_of, suffix_of, unique_keys, unpack
from auditor.adapters.run.run_folder import replace_file
from auditor.errors import UsageError, one_line

if TYPE_CHECKING:
    import pyarrow as pa

SIDES = ("chosen", "rejected")
# What TRL's DPOTrainer calls the reference's log-probabilities.
COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")
# Columns of which TRL's templates are told more than the turns.
_UNSUPPORTED = ("tools", "chat_template_kwargs", "image", "images")
_SUFFIXES = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class PreferenceRows:
    """A file's rows, all of them texts or all of them conversations.

    Attributes:
        records: in the order of the file, with every column.
        table: the same as a table where the file is one, so that its types are kept.
    """

    path: Path
    records: tuple[Mapping[str, Any], ...]
    table: pa.Table | None

    @property
    def conversational(self) -> bool:
        """Whether the sides are lists of messages."""
        return isinstance(self.records[0]["chosen"], list)


def read_preference_rows(path: Path) -> PreferenceRows:
    """Read a file of preference pairs.

    Raises:
        UsageError: it cannot be read, or a row is not what TRL trains on.
    """
    suffix = suffix_of(path)
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"unknown kind of file {suffix!r}", where=f"--data {path}", fix=f"Give one of {', '.join(_SUFFIXES)}."
        )
    content = unpack(path, content_of(path)[0])
    table = _table(path, content) if suffix == ".parquet" else None
    records = _lines(path, content) if table is None else table.to_pylist()
    if not records:
        raise UsageError("holds no rows", where=str(path), fix="Give at least one pair.")
    kinds = [_kind(record) for record in records]
    for number, (kind, record) in enumerate(zip(kinds, records, strict=True), 1):
        problem = kind if kind not in ("text", "conversation") else _difference(kind, record, kinds[0], records[0])
        if problem:
            raise UsageError(problem, where=f"{path}, row {number}", fix="Mend the row, or leave it out.")
    return PreferenceRows(path, tuple(records), table)


def check_out(rows: PreferenceRows, out: Path) -> None:
    """Know before the work that the rows can be written to a file, with their columns as they are.

    Raises:
        UsageError: it is of another kind than the file they come from, or that file itself.
    """
    suffix = suffix_of(rows.path)
    if out.suffix.lower() != suffix:
        raise UsageError(
            f"columns stay as they are, so {rows.path.name} becomes a {suffix} file",
            where=f"--out {out}",
            fix=f"Give a name that ends in {suffix}.",
        )
    if out.resolve() == rows.path.resolve():
        raise UsageError("is the file that is read", where=f"--out {out}", fix="Give another file.")


def write_with_columns(rows: PreferenceRows, kept: Sequence[int], columns: Mapping[str, Any], out: Path) -> None:
    """Write some of the rows, every column as it was, with columns more.

    Args:
        kept: which rows, ascending, n of them.
        columns: float32 by name, shape (n,) each.

    Raises:
        StorageError: it cannot be written.
    """
    if rows.table is None:
        values = zip(*(one.tolist() for one in columns.values()), strict=True)
        added = (dict(zip(columns, one, strict=True)) for one in values)
        lines = (
            json.dumps({**rows.records[at], **own}, ensure_ascii=False) for at, own in zip(kept, added, strict=True)
        )
        text = "".join(f"{line}\n" for line in lines)
        # Half of a surrogate pair in a column that is not read is no text; as an escape it is a string in JSON.
        replace_file(out, lambda path: path.write_bytes(text.encode(errors="backslashreplace")))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = rows.table.take(pa.array(kept, pa.int64()))
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.float32()))
    replace_file(out, lambda path: pq.write_table(table, path, compression="zstd"))


def _table(path: Path, content: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read as Parquet: {one_line(error)}", where=str(path), fix="Write it again."
        ) from error
    return table


def _lines(path: Path, content: bytes) -> list[dict[str, Any]]:
    check_utf8(path, content)
    records = []
    for number, line in enumerate(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"malformed JSON: {error}", where=f"{path}, line {number}", fix="Mend or remove the line."
            ) from error
        if not isinstance(record, dict):
            raise UsageError("a line must hold one JSON object", where=f"{path}, line {number}", fix="Mend the line.")
        records.append(record)
    return records


def _kind(record: Mapping[str, Any]) -> str:
    """``text`` or ``conversation``, else what is wrong with a row."""
    for name in SIDES:
        if name not in record:
            return f"has no {name}"
    for name in COLUMNS:
        if name in record:
            return f"holds {name} already"
    for name in _UNSUPPORTED:
        if record.get(name):
            return f"holds {name}, of which this export knows nothing"
    sides = [record[name] for name in ("prompt", *SIDES) if name in record]
    if all(isinstance(one, str) for one in sides):
        return _unprintable("".join(sides)) or "text"
    if all(_is_conversation(one) for one in sides):
        return _unprintable("".join(turn["content"] for side in sides for turn in side)) or "conversation"
    return "prompt, chosen and rejected are neither all texts nor all lists of messages with role and content"


def _unprintable(text: str) -> str:
    """What is wrong with a text that no tokenizer takes."""
    broken = not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
    return "holds a lone surrogate, which is no character" if broken else ""


def _is_conversation(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(one, dict) and all(isinstance(one.get(key), str) for key in ("role", "content")) for one in value
        )
    )


def _difference(kind: str, record: Mapping[str, Any], first: str, at_first: Mapping[str, Any]) -> str:
    """How a row differs from the first, by which TRL judges all of them; "" where it does not."""
    if kind != first:
        return f"is a {kind} where the first row is a {first}"
    if ("prompt" in record) != ("prompt" in at_first):
        return (
            "has a prompt and the first row has none" if "prompt" in record else "has no prompt, but the first row has"
        )
    return ""
