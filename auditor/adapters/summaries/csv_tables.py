"""Effects and verdicts as CSV, with every key of their schema and every digit of their numbers.

Keys of a record inside a record are columns of their own (``scales.selection``); a list of records is JSON. An absent
value is an empty cell without quotes, texts stand in quotes. A text that a spreadsheet would take for a formula gets an
apostrophe before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pyarrow as pa
from pyarrow import csv
from pydantic import BaseModel

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, kind: type[BaseModel], rows: Sequence[BaseModel]) -> None:
    """Write records as a table whose header is the keys of their schema.

    Args:
        kind: of the records; decides the columns, whatever they hold.
    """
    table = pa.table({name: pa.array(values, from_pandas=False) for name, values in _columns(kind, rows)})
    csv.write_csv(table, path, csv.WriteOptions(quoting_style="needed"))


def _columns(
    kind: type[BaseModel], rows: Sequence[BaseModel | None], place: str = ""
) -> Iterator[tuple[str, list[Any]]]:
    """Names and cells; where a record is absent, so is all of it."""
    for name, field in kind.model_fields.items():
        values = [None if row is None else getattr(row, name) for row in rows]
        kinds = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else [field.annotation]
        nested = [one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)]
        if nested:
            yield from _columns(nested[0], values, f"{place}{name}.")
        else:
            yield place + name, [_cell(one) for one in values]


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        records = [one.model_dump(mode="json") if isinstance(one, BaseModel) else one for one in value]
        return json.dumps(records, allow_nan=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
