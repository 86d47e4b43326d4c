"""A folder that an export fills: new or empty, so that nothing of somebody's is overwritten."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from auditor.adapters.run.run_folder import replace_file
from auditor.errors import UsageError

# Writes one file, whole at every moment, to the path it is given; or is its text.
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


def fill(folder: Path, files: Mapping[str, Content], check: Callable[[], None] | None = None) -> None:
    """Make a folder and write its files, in their order; what cannot be finished is taken away again.

    Args:
        files: by name.
        check: looks at the folder once all files are there.

    Raises:
        UsageError: it holds something, or cannot be written.
        StorageError: the disk is full.
    """
    check_new(folder)
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for name, content in files.items():
            if isinstance(content, str):
                _write_text(folder / name, content)
            else:
                content(folder / name)
        if check is not None:
            check()
    except BaseException:
        with suppress(OSError):
            for name in files:
                (folder / name).unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
        raise


def _write_text(path: Path, text: str) -> None:
    """As it is given: on no system do the ends of lines become others."""
    replace_file(path, lambda partial: partial.write_bytes(text.encode()))


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot be written: {error.strerror}", where=f"--out {folder}", fix="Give a folder that you may write to."
    )
