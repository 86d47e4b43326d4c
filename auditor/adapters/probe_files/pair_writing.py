"""Items as a pair file that `auditor.adapters.probe_files.pair_files` reads back into the same items."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor.adapters.probe_files.pair_files import COLUMNS, RIGHT, TEXT_COLUMNS
from auditor.adapters.probe_files.table_files import SUFFIXES
from auditor.adapters.run.run_folder import replace_file
from auditor.core.items import AFFIRMING, DESIGNS, HARMFUL, ROLES, VALENCES, Item
from auditor.errors import UsageError

# Columns whose values are lists; only a JSON line holds them as they are.
_LISTS = ("messages", "candidates", "labels")
# Words that stand for themselves where a column says nothing.
_DEFAULTS = {"role": ROLES[0], "valence": VALENCES[0], "design": DESIGNS[0]}
_ROWS_A_PART = 10_000

Record = Mapping[str, Any]


def check_suffix(path: Path) -> None:
    """Know before the work that a file is of a known kind.

    Raises:
        UsageError: it is not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"unknown kind of file {path.suffix!r}", where=f"--out {path}", fix=f"Give one of {', '.join(SUFFIXES)}."
        )


def write_pairs(items: Sequence[Item], path: Path) -> None:
    """Write a file of the kind its suffix says; the same items give the same bytes.

    Raises:
        UsageError: unknown suffix.
        StorageError: it cannot be written.
    """
    check_suffix(path)
    write = {".csv": _write_csv, ".tsv": _write_tsv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}[
        path.suffix.lower()
    ]
    replace_file(path, lambda partial: write(partial, items))


def columns_of(items: Sequence[Item]) -> tuple[str, ...]:
    """The columns in which any of the items says something, in the contract's order."""
    used = {name for item in items for name in _record(item)}
    return tuple(name for name in COLUMNS if name in used)


def _record(item: Item) -> Record:
    """What a row says; what a reader fills in is left out."""
    words = {name: word for name, default in _DEFAULTS.items() if (word := getattr(item, name)) != default}
    texts = {name: text for name in TEXT_COLUMNS if (text := getattr(item, name))}
    if item.cluster == f"row {item.id}":
        del texts["cluster"]
    turns = [{"role": turn.role, "content": turn.content} for turn in item.messages]
    right = {RIGHT: item.answer} if item.answer else {}
    return {**_sides(item), **right, **({"messages": turns} if turns else {}), **words, **texts}


def _sides(item: Item) -> Record:
    labels, texts = [one.label for one in item.candidates], [one.text for one in item.candidates]
    if labels == [HARMFUL, AFFIRMING]:
        return dict(zip(labels, texts, strict=True))
    return {"candidates": texts, "labels": labels}


def _cells(item: Item) -> Record:
    """The same for a table, where a list is JSON."""
    record = _record(item)
    return {name: json.dumps(value, ensure_ascii=False) if name in _LISTS else value for name, value in record.items()}


def _write_tsv(path: Path, items: Sequence[Item]) -> None:
    _write_csv(path, items, delimiter="\t")


def _write_csv(path: Path, items: Sequence[Item], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        # All quoted: a lone carriage return would else end its row.
        writer = csv.DictWriter(
            file, columns_of(items), restval="", delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        writer.writeheader()
        writer.writerows(map(_cells, items))


def json_line(item: Item) -> str:
    """A row as a line of ``pairs.jsonl``, its end included."""
    record = _record(item)
    return json.dumps({name: record[name] for name in COLUMNS if name in record}, ensure_ascii=False) + "\n"


def _write_jsonl(path: Path, items: Sequence[Item]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(map(json_line, items))


def _write_parquet(path: Path, items: Sequence[Item]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([pa.field(name, pa.string()) for name in columns_of(items)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(items), _ROWS_A_PART):
            rows = [dict(_cells(item)) for item in items[start : start + _ROWS_A_PART]]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
