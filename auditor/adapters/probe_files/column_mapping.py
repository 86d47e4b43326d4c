"""Columns under other names: a file's own are renamed to those that the readers know.

``--map harmful=stereotype,affirming=other`` reads the column ``stereotype`` as ``harmful``. What is mapped takes the
place of a column that is called so already; every other column keeps its name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.errors import UsageError

OPTION = "--map"
LANGUAGE = "language"
# A comma that begins another NAME=COLUMN; a column's own name may hold commas.
_COMMA = re.compile(r",(?=\s*\w+=)")


def parse_mapping(values: Sequence[str]) -> dict[str, str]:
    """Parse ``NAME=COLUMN[,NAME=COLUMN...]``, each given once or several times.

    Returns:
        The file's column by the name it is read under.

    Raises:
        UsageError: a part is no ``NAME=COLUMN``, or a name stands twice.
    """
    mapping: dict[str, str] = {}
    for part in (part for value in values for part in _COMMA.split(value)):
        name, separator, column = part.strip().partition("=")
        if not name or not separator or not column:
            raise UsageError(
                f"expected NAME=COLUMN, got {part!r}", where=OPTION, fix=f"Such as {OPTION} harmful=stereotype."
            )
        if name in mapping:
            raise UsageError(f"{name} is mapped twice", where=OPTION, fix="Leave one out.")
        mapping[name] = column
    return mapping


def check_names(mapping: Mapping[str, str], known: Sequence[str]) -> None:
    """Know that all names that columns are mapped to are read.

    Raises:
        UsageError: one is not.
    """
    unknown = next((name for name in mapping if name not in known), None)
    if unknown is not None:
        raise UsageError(
            f"no reader knows the column {unknown!r}",
            where=f"{OPTION} {unknown}={mapping[unknown]}",
            fix=f"Those of a pair file: {', '.join(known)}.",
        )


def rename_columns(table: TableFile, mapping: Mapping[str, str]) -> TableFile:
    """The same rows with columns under other names.

    Args:
        mapping: the file's column by the name it is read under; columns that are not mentioned keep theirs.

    Raises:
        UsageError: the file has no column of that name.
    """
    if not mapping:
        return table
    for name, column in mapping.items():
        if column not in table.columns:
            raise UsageError(
                f"there is no column {column!r} to read as {name}",
                where=f"{OPTION} {name}={column}, {table.path}",
                fix=f"Its columns: {', '.join(table.columns) or 'none'}.",
            )
    moved = set(mapping.values())
    kept = tuple(name for name in table.columns if name not in moved and name not in mapping)

    def rows() -> Iterator[Row]:
        for row in table.stream():
            own = {name: row.values[name] for name in kept if name in row.values}
            renamed = {name: row.values[column] for name, column in mapping.items() if column in row.values}
            yield replace(row, values={**own, **renamed})

    return replace(table, columns=(*kept, *mapping), stream=rows)


def say_language(table: TableFile, language: str) -> TableFile:
    """The same rows with a language for those that name none; "" leaves them as they are."""
    if not language:
        return table

    def rows() -> Iterator[Row]:
        for row in table.stream():
            yield row if row.problem else replace(row, values={LANGUAGE: language, **row.values})

    return replace(table, columns=tuple(dict.fromkeys((*table.columns, LANGUAGE))), stream=rows)


def keep_columns(table: TableFile, known: Collection[str]) -> TableFile:
    """The same rows without the columns that nobody reads."""
    kept = tuple(name for name in table.columns if name in known)

    def rows() -> Iterator[Row]:
        for row in table.stream():
            yield replace(row, values={name: value for name, value in row.values.items() if name in known})

    return replace(table, columns=kept, stream=rows)
