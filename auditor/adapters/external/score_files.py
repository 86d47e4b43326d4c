"""All files of one set of scores: what tells their items apart, and that no file is read as another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.adapters.external.score_mapping import ScoreMapping
from auditor.adapters.external.score_rows import ScoreTable
from auditor.errors import UsageError

_FIX = "Add a column id to every file, or map one: --map item=COLUMN."


def read_tables(files: Sequence[tuple[str | None, Path]], mapping: ScoreMapping, *, of_probe: bool) -> list[ScoreTable]:
    """Read the files.

    Args:
        files: what each argument calls its file, None for nothing, and where it lies.
        of_probe: the items are those of a probe that is given.

    Raises:
        UsageError: one cannot be read or is given twice, or rows without ids cannot be said to be of one item.
    """
    paths = [path for _, path in files]
    _refuse_twice(paths)
    tables = [
        ScoreTable.read(path, name, mapping, label) for (name, path), label in zip(files, _labels(paths), strict=True)
    ]
    without = next((one for one in tables if one.id_column is None), None)
    if without is not None:
        _check_places(tables, without, of_probe=of_probe)
    return tables


def by_place(tables: Sequence[ScoreTable]) -> bool:
    """Whether rows of several files are one item because they stand at one place."""
    return len(tables) > 1 and all(one.mapping.columns and one.id_column is None for one in tables)


def _refuse_twice(paths: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UsageError("the file is given twice", where=str(path), fix="Name each file once.")
        seen.add(path.resolve())


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names of the files; those that several folders have get a number too, or their rows would be paired by line."""
    names = [path.name for path in paths]
    return [name if names.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(names, 1)]


def _check_places(tables: Sequence[ScoreTable], without: ScoreTable, *, of_probe: bool) -> None:
    """Rows that are items and have no ids are the same where they stand at the same place, if that can be."""
    problem = ""
    if of_probe:
        problem = "of which item of the probe a row is"
    elif without.mapping.columns and not all(one.id_column is None for one in tables):
        problem = "and those of another file have some"
    elif by_place(tables) and len({sum(1 for _ in one.table.stream()) for one in tables}) > 1:
        problem = "and the files hold other numbers of rows"
    if problem:
        raise UsageError(f"the rows have no ids, {problem}", where=str(without.table.path), fix=_FIX)
