"""A folder that an export fills: new or empty, so that nothing of somebody's is overwritten."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from auditor.errors import UsageError

# Writes one file to the path it is given, or is its text.
Content = str | Callable[[Path], object]


def check_new(folder: Path, own: Collection[str] = ()) -> None:
    """Know before the work that a folder can be filled.

    Args:
        own: beginnings of the names of files that may be there, as they are replaced.

    Raises:
        UsageError: it is there already and holds something else.
    """
    try:
        others = (
            (one for one in folder.iterdir() if not one.name.startswith(tuple(own))) if folder.is_dir() else iter(())
        )
        taken = folder.exists() and (not folder.is_dir() or any(others))
    except OSError as error:
        raise _unwritable(folder, error) from error
    if taken:
        raise UsageError(
            f"{folder} is there already and {'holds something else' if own else 'is not empty'}",
            where="--out",
            fix="Nothing of somebody else's is overwritten: give another folder.",
        )


def fill(folder: Path, files: Mapping[str, Content]) -> None:
    """Make a folder and write its files.

    Args:
        files: by name.

    Raises:
        UsageError: it holds something, or cannot be written.
    """
    check_new(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if isinstance(content, str):
                # As it is given: on no system do the ends of lines become others.
                (folder / name).write_bytes(content.encode())
            else:
                content(folder / name)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot be written: {error.strerror}", where=f"--out {folder}", fix="Give a folder that you may write to."
    )
