"""From a ``--probe`` argument to a probe: a file, a folder, a data set of the hub, or the name of a shipped one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auditor.adapters.data_files import data_folder
from auditor.adapters.data_sets.public_readers import check_name, files_in, read_tables, read_untabled, reader_of
from auditor.adapters.probe_files import pair_files
from auditor.adapters.probe_files.column_mapping import check_names, keep_columns, rename_columns, say_language
from auditor.adapters.probe_files.crossed_axes import parts_of
from auditor.adapters.probe_files.hub_data import PREFIX, read_hub_data
from auditor.adapters.probe_files.probe_folders import CARD, ProbeFolder, Tier, build_probe, read_folder
from auditor.adapters.probe_files.table_files import SUFFIXES, TableFile, read_table, suffix_of
from auditor.core.items import Probe
from auditor.errors import UsageError


@dataclass(frozen=True, slots=True)
class Reading:
    """How tables are read: files and data sets of the hub.

    Attributes:
        columns: a table's column by the name it is read under, where that is another.
        language: BCP 47, of rows that name none; "" for their reader's own.
        offline: data sets of the hub are looked for in its cache only.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    offline: bool = False


AS_IT_IS = Reading()


def open_probe(argument: str, tier: Tier = "standard", axes: Sequence[str] = (), reading: Reading = AS_IT_IS) -> Probe:
    """Open a probe; an existing path wins over a hub id and over a shipped name.

    Args:
        tier: how much of a probe folder with a lexicon, of MISGENDERED and of the Political Compass; other files are
            taken whole.
        axes: of its lexicon; those of its card where none is named.
        reading: of a table; folders are read as they are.

    Raises:
        UsageError: there is nothing of that name, or it cannot be read, or has none of the axes.
    """
    folder = find_folder(argument)
    if folder is not None:
        return build_probe(folder, tier, axes)
    if _is_hub_id(argument):
        return _open_table(read_hub_data(argument, offline=reading.offline), reading)
    path = _find(argument)
    probe = read_untabled(path, tier)
    if probe is not None:
        return probe
    return _open_public_folder(path) if path.is_dir() else _open_table(read_table(path), reading)


def is_table(argument: str) -> bool:
    """Whether an argument names rows whose columns can be mapped: a file, or a data set of the hub."""
    path = Path(argument)
    return _is_hub_id(argument) or (_exists(path) and path.is_file())


def find_folder(argument: str) -> ProbeFolder | None:
    """The probe folder an argument names; None where it names a file, or a folder without a card.

    Raises:
        UsageError: there is nothing of that name, or it cannot be read.
    """
    if _is_hub_id(argument):
        return None
    path = _find(argument)
    return read_folder(path) if (path / CARD).is_file() else None


def _is_hub_id(argument: str) -> bool:
    return argument.startswith(PREFIX) and not _exists(Path(argument))


def check_axes(asked: Sequence[str], folders: Sequence[ProbeFolder]) -> None:
    """Every axis that is asked is one of some folder's, and so are both of two that are crossed.

    Raises:
        UsageError: one is not.
    """
    known = list(dict.fromkeys(axis for folder in folders for axis in folder.axes))
    for name in asked:
        if any(folder.has_axis(name) for folder in folders):
            continue
        missing = [part for part in parts_of(name) if part not in known]
        raise UsageError(
            f"no probe has the axis {missing[0]!r}" if missing else f"no probe has both axes of {name!r}",
            where="--axis",
            fix=f"Known: {', '.join(known) or 'none, only probes with a lexicon have axes to choose from'}.",
        )


def _find(argument: str) -> Path:
    path = Path(argument)
    if argument and _exists(path):
        return path
    if argument not in shipped_probes():
        raise UsageError(
            "no such file or folder, and no shipped probe of that name",
            where=f"--probe {argument}",
            fix=f"Give a file, a folder, {PREFIX}owner/name, or a shipped probe: {', '.join(shipped_probes())}.",
        )
    return data_folder("probes") / argument


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for any file, or a folder that may not be read
        return False


def shipped_probes() -> tuple[str, ...]:
    """Names of the probes that come with the package."""
    return tuple(sorted(card.parent.name for card in data_folder("probes").glob(f"*/{CARD}")))


def _open_table(table: TableFile, reading: Reading = AS_IT_IS) -> Probe:
    check_name(table.path)
    table = say_language(rename_columns(table, reading.columns), reading.language)
    reader = reader_of(table)
    if reader is not None:
        return reader(table)
    if reading.columns:
        check_names(reading.columns, pair_files.COLUMNS)
        # Whoever maps columns has a file of their own, with columns that are nobody's here.
        table = keep_columns(table, pair_files.COLUMNS)
    return pair_files.read_pairs(table, table.name)


def _open_public_folder(folder: Path) -> Probe:
    tables = [read_table(path) for path in files_in(folder) if suffix_of(path) in SUFFIXES and path.is_file()]
    probe = read_tables(tables)
    if probe is None:
        known = sum(reader_of(table) is not None for table in tables)
        raise UsageError(
            f"the folder holds {known} files of a known data set and no card.yaml",
            where=str(folder),
            fix="Name the file itself, or add a card.yaml beside a pairs.csv.",
        )
    return probe
