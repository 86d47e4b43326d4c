"""Which reader a public data set's file or folder belongs to, by its columns, its keys or its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from auditor.adapters.data_sets import bbq, crows_pairs, preferences, tango, winogender, winoqueer
from auditor.adapters.data_sets.holisticbias import FILES, is_holisticbias, read_holisticbias
from auditor.adapters.data_sets.misgendered import is_misgendered, read_misgendered
from auditor.adapters.data_sets.political_compass import is_political_compass, read_political_compass
from auditor.adapters.data_sets.public_sets import read_json
from auditor.adapters.data_sets.stereoset import is_stereoset, read_stereoset
from auditor.adapters.data_sets.winobias import is_winobias, read_winobias
from auditor.adapters.data_sets.worldvaluesbench import is_worldvaluesbench, read_worldvaluesbench
from auditor.adapters.probe_files.probe_folders import Tier
from auditor.adapters.probe_files.table_files import TableFile
from auditor.core.items import Probe
from auditor.errors import UsageError

# By the columns a table has, among others.
_TABLES: Mapping[tuple[str, ...], Callable[[TableFile], Probe]] = {
    winoqueer.COLUMNS: winoqueer.read_winoqueer,
    crows_pairs.COLUMNS: crows_pairs.read_crows_pairs,
    winogender.COLUMNS: winogender.read_winogender,
    # Its categories are files of their own, and several of them are several probes.
    bbq.COLUMNS: lambda table: bbq.read_bbq([table], f"bbq_{table.name}".lower()),
    tango.COLUMNS: tango.read_tango,
    preferences.COLUMNS: preferences.read_preferences,
}

# By what a JSON document holds.
_DOCUMENTS: Sequence[tuple[Callable[[object], bool], Callable[[Path], Probe]]] = (
    (is_stereoset, read_stereoset),
    (is_worldvaluesbench, read_worldvaluesbench),
)


def reader_of(table: TableFile) -> Callable[[TableFile], Probe] | None:
    """What reads a table, None where it is no known set's."""
    columns = set(table.columns)
    return next((read for known, read in _TABLES.items() if set(known) <= columns), None)


def read_tables(tables: Sequence[TableFile]) -> Probe | None:
    """One probe of the known tables of a folder; None where they are none or do not belong together."""
    known = [table for table in tables if reader_of(table) is not None]
    for table in known:
        check_name(table.path)
    if known and all(set(bbq.COLUMNS) <= set(table.columns) for table in known):
        return bbq.read_bbq(known)
    reader = reader_of(known[0]) if len(known) == 1 else None
    return reader(known[0]) if reader else None


def read_untabled(path: Path, tier: Tier = "standard") -> Probe | None:
    """A set published as something else than a table: a file of it, or the folder; None where it is no known one's.

    Raises:
        UsageError: it is one, and cannot be read.
    """
    folder = path if path.is_dir() else path.parent
    if is_holisticbias(folder) and (path.is_dir() or path.name in FILES):
        return read_holisticbias(folder)
    if is_misgendered(path):
        return read_misgendered(path, tier)
    if is_political_compass(path):
        return read_political_compass(path, tier)
    if not path.is_dir():
        return _read_file(path)
    listed = files_in(path)
    halves = [one for one in listed if is_winobias(one)]
    if halves:
        return read_winobias(halves)
    found = [probe for one in listed if one.suffix == ".json" and (probe := _read_file(one)) is not None]
    return found[0] if len(found) == 1 else None


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder, by name.

    Raises:
        UsageError: it may not be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}", where=str(folder), fix="Give a folder that you may read."
        ) from error


def check_name(path: Path) -> None:
    """Know that a file's name can stand in every table and on the page; bytes that are no text fit into neither.

    Raises:
        UsageError: it holds characters that cannot be printed.
    """
    if not path.name.isprintable():
        raise UsageError(
            f"the file's name {path.name!r} holds characters that cannot be printed",
            where="--probe",
            fix="Rename the file.",
        )


def _read_file(path: Path) -> Probe | None:
    if is_winobias(path):
        return read_winobias([path])
    if path.suffix.lower() == ".json":
        document = read_json(path)[0]
        for is_one, read in _DOCUMENTS:
            if is_one(document):
                check_name(path)
                return read(path)
    return None
