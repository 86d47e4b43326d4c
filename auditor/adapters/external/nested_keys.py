"""Values inside objects of JSON lines and Parquet rows: ``scores.chosen`` is 1 in ``{"scores": {"chosen": 1}}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from auditor.adapters.probe_files.table_files import Row, TableFile


def reach_into(table: TableFile, names: Sequence[str]) -> TableFile:
    """The same rows, with a column for each name that leads to a value inside an object by keys with dots between.

    A column that is called so itself comes first; a name that leads nowhere in any row gets no column.
    """
    wanted = [name for name in dict.fromkeys(names) if "." in name and name not in table.columns]
    if not wanted:
        return table

    def rows() -> Iterator[Row]:
        for row in table.stream():
            inside = {name: _inside(row.values, name) for name in wanted}
            found = {name: value for name, value in inside.items() if value is not None and value != ""}
            yield replace(row, values={**row.values, **found})

    there = {name for row in rows() for name in wanted if name in row.values}
    return replace(table, columns=(*table.columns, *(name for name in wanted if name in there)), stream=rows)


def _inside(values: Mapping[str, Any], name: str) -> Any:
    value: Any = values
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
