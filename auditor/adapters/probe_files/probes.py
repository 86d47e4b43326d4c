"""From a ``--probe`` argument to a probe: a file, a folder, or the name of a shipped one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.crossed_axes import parts_of
from auditor.adapters.probe_files.pair_files import read_pairs
from auditor.adapters.probe_files.probe_folders import CARD, ProbeFolder, Tier, build_probe, read_folder
from auditor.adapters.probe_files.public_readers import check_name, files_in, read_tables, read_untabled, reader_of
from auditor.adapters.probe_files.table_files import SUFFIXES, TableFile, read_table
from auditor.core.items import Probe
from auditor.errors import UsageError


def open_probe(argument: str, tier: Tier = "standard", axes: Sequence[str] = ()) -> Probe:
    """Open a probe; an existing path wins over a shipped name.

    Args:
        tier: how much of a probe folder with a lexicon; files are taken whole.
        axes: of its lexicon; those of its card where none is named.

    Raises:
        UsageError: there is nothing of that name, or it cannot be read, or has none of the axes.
    """
    folder = find_folder(argument)
    if folder is not None:
        return build_probe(folder, tier, axes)
    path = _find(argument)
    probe = read_untabled(path)
    if probe is not None:
        return probe
    return _open_public_folder(path) if path.is_dir() else _open_file(read_table(path))


def find_folder(argument: str) -> ProbeFolder | None:
    """The probe folder an argument names; None where it names a file, or a folder without a card.

    Raises:
        UsageError: there is nothing of that name, or it cannot be read.
    """
    path = _find(argument)
    return read_folder(path) if (path / CARD).is_file() else None


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
            fix=f"Give a file, a folder, or a shipped probe: {', '.join(shipped_probes())}.",
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


def _open_file(table: TableFile) -> Probe:
    check_name(table.path)
    reader = reader_of(table)
    if reader is not None:
        return reader(table)
    return read_pairs(table, table.path.stem)


def _open_public_folder(folder: Path) -> Probe:
    tables = [read_table(path) for path in files_in(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]
    probe = read_tables(tables)
    if probe is None:
        known = sum(reader_of(table) is not None for table in tables)
        raise UsageError(
            f"the folder holds {known} files of a known data set and no card.yaml",
            where=str(folder),
            fix="Name the file itself, or add a card.yaml beside a pairs.csv.",
        )
    return probe
