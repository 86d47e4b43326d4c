"""SQLite files of this package: recognised before they are used, shared between processes, never trusted.

A file is ours by its application id, and used only where its schema is exactly the one asked for.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from auditor.errors import StorageError, one_line

# How long a process waits for another one's transaction, seconds. They last milliseconds.
WAIT = 60.0

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_LASTING, _PASSING = ("", "-wal", "-journal"), ("-shm",)

# A damaged schema gets into SQLite's message, where Python stumbles over its bytes.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_FAILING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS}

# `synchronous = NORMAL` with a write-ahead log: what is committed outlives the process, whatever kills it, since the
# kernel has it. A power cut may undo the last transactions, never half of one, and costs scoring them again.
# FULL would wait for the disk at every commit. A log of 64 MiB lets many commits share the write of one page: keys
# are hashes, so each commit touches pages all over the file. Freed pages need no zeros: there is no text in them.
_SETTINGS = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 16384",
    "PRAGMA cache_size = -65536",
    "PRAGMA secure_delete = OFF",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file of ours must be.

    Attributes:
        application_id: 31 bits in its header.
        version: of the schema.
        tables: the statements that make it, verbatim as SQLite stores them.
    """

    application_id: int
    version: int
    tables: tuple[str, ...]


class FileUnavailableError(Exception):
    """A file can't be used now. Nothing has to stop for that: it only holds what can be made again.

    Its text is a caution for an audit that goes on without the file.

    Attributes:
        path: of the file.
        what: what is wrong with it.
        fix: what the user can do about it.
        removable: it is of this package, so that it may be removed to make a new one.
    """

    def __init__(self, path: Path, what: str, *, fix: str, removable: bool) -> None:
        self.path, self.what, self.fix, self.removable = path, what, fix, removable
        super().__init__(f"the score cache is not used: {path} {what}; {fix}")


def open_writable(path: Path, kind: FileKind) -> sqlite3.Connection:
    """Open a file for reading and writing; make it, and its folder, where there is none.

    Raises:
        FileUnavailableError: it can't be written, is damaged, has another schema, or is somebody else's.
        StorageError: another process kept it locked.
    """
    with _explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error
        return _opened(path, "mode=rwc", kind)


def open_readable(path: Path, kind: FileKind) -> sqlite3.Connection:
    """Open a file in a folder that can't be written.

    Raises:
        FileUnavailableError: it can't be read, is empty, damaged, of another schema, or somebody else's.
        StorageError: another process kept it locked.
    """
    with _explained(path):
        try:
            return _opened(path, "mode=ro", kind)
        except SQLITE_ERRORS as error:
            # Without its log's index, which can't be made here, SQLite reads only what it may take for immutable.
            # Should another user write meanwhile, rows may seem damaged, and are then not returned.
            if not is_unwritable(error):
                raise
            return _opened(path, "mode=ro&immutable=1", kind)


def _opened(path: Path, mode: str, kind: FileKind) -> sqlite3.Connection:
    writable = mode == "mode=rwc"
    # Transactions are opened by hand: Python's own would begin at the first write and not lock before.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=WAIT, isolation_level=None)
    try:
        connection.text_factory = bytes
        for setting in _SETTINGS:
            connection.execute(setting)
        # Taking the lock shows whether the file can be written, and lets one process alone make the tables.
        with transaction(connection, "IMMEDIATE" if writable else "DEFERRED"):
            if not _recognised(connection, path, kind):
                if not writable:
                    raise FileUnavailableError(path, "is empty and cannot be written", fix=_ELSEWHERE, removable=False)
                # In the header from the first commit on, not only in a log that may go missing.
                connection.execute(f"PRAGMA application_id = {kind.application_id}")
                connection.execute(f"PRAGMA user_version = {kind.version}")
                for statement in kind.tables:
                    connection.execute(statement)
        if writable:
            _write_ahead(connection)
    except BaseException:
        with suppress(*SQLITE_ERRORS):
            connection.close()
        raise
    return connection


def _recognised(connection: sqlite3.Connection, path: Path, kind: FileKind) -> bool:
    """Whether the file is what it must be; False where it is new."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {one for (one,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if (application, version, tables) == (0, 0, set()):
        return False
    if application != kind.application_id:
        raise _foreign(path)
    if version != kind.version:
        what = f"was written by another version of auditor (schema {version}, not {kind.version})"
        raise FileUnavailableError(path, what, fix=_RENEW, removable=True)
    if tables != {one.encode() for one in kind.tables}:
        raise damaged(path, "its tables are not those it was made with")
    return True


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side. Where a file system can't, SQLite stays as it is, only slower."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Here SQLite doesn't wait by itself while another process has just opened the file too.
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def transaction(connection: sqlite3.Connection, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
    """All of the block or, whatever ends it, nothing."""
    try:
        connection.execute(f"BEGIN {kind}")
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled some back by itself.
        if connection.in_transaction:
            with suppress(*SQLITE_ERRORS):
                connection.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What SQLite says while a file is opened, as what it means for the user."""
    try:
        yield
    except SQLITE_ERRORS as error:
        if is_busy(error):
            raise failed(path, error) from error
        if _code(error) == sqlite3.SQLITE_NOTADB and not _only_a_header(path):
            raise _foreign(path) from error
        raise (_unusable if is_unwritable(error) or is_failing(error) else damaged)(path, error) from error


def _only_a_header(path: Path) -> bool:
    """Whether what is left of a file is less than the header of an SQLite file: nobody's, and nothing is in it."""
    # SQLite holds no lock on a file it refused; opening one it has open would drop its locks on closing.
    try:
        with path.open("rb") as stream:
            start = stream.read(_HEADER_BYTES)
    except OSError:
        return False
    return len(start) < _HEADER_BYTES and start[: len(_MAGIC)] == _MAGIC[: len(start)]


def is_busy(error: Exception) -> bool:
    """Whether another process held a lock for longer than we wait."""
    return _code(error) in _BUSY


def is_unwritable(error: BaseException | None) -> bool:
    """Whether file or folder may not be opened or written."""
    return _code(error) in _UNWRITABLE


def is_failing(error: Exception) -> bool:
    """Whether the disk is full or fails; a damaged file may look like that too."""
    return _code(error) in _FAILING


def _code(error: BaseException | None) -> int | None:
    """SQLite's primary result code; None for errors of the Python module's own."""
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF


_RENEW = "make a new one with audit cache prune --all, or use --no-cache"
_ELSEWHERE = "set AUDIT_CACHE_DIR to a folder you may write to, or use --no-cache"
_OUT_OF_THE_WAY = "move it away, set AUDIT_CACHE_DIR to another folder, or use --no-cache"


def damaged(path: Path, cause: object) -> FileUnavailableError:
    """A file of ours that SQLite can't make sense of."""
    return FileUnavailableError(path, f"is damaged ({_said(cause)})", fix=_RENEW, removable=True)


def _foreign(path: Path) -> FileUnavailableError:
    return FileUnavailableError(path, "is no file of auditor", fix=_OUT_OF_THE_WAY, removable=False)


def _unusable(path: Path, cause: object) -> FileUnavailableError:
    return FileUnavailableError(path, f"cannot be opened ({_said(cause)})", fix=_ELSEWHERE, removable=False)


def _said(cause: object) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return one_line(cause) if isinstance(cause, BaseException) else str(cause)


def failed(path: Path, error: Exception) -> StorageError:
    """Writing failed in the middle of the work: what was committed stays."""
    if is_busy(error):
        return StorageError(
            f"another process has kept the file locked for more than {WAIT:.0f} s",
            where=str(path),
            fix="Wait until it is done, or stop it, and run the same command again, or use --no-cache.",
        )
    fix = "Check that you may write there, and run" if is_unwritable(error) else "Free some space on the disk and run"
    return StorageError(
        f"cannot be written ({one_line(error)})",
        where=str(path),
        fix=f"{fix} the same command again: what was written before is kept.",
    )


def size_of(path: Path) -> int:
    """Bytes of a file and its log; 0 where there is none."""
    total = 0
    for one in _files(path, _LASTING):
        with suppress(OSError):
            total += one.stat().st_size
    return total


def remove(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it.

    A process that has it open notices that it is gone, and leaves the log of the file in its place alone.

    Raises:
        StorageError: it can't be removed.
    """
    for one in _files(path, _LASTING + _PASSING):
        try:
            one.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot be removed: {_said(error)}", where=str(one), fix="Remove it by hand, or ask its owner to."
            ) from error


def _files(path: Path, endings: Sequence[str]) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in endings]


def shrink(connection: sqlite3.Connection) -> None:
    """Give the space of what was deleted back to the disk."""
    connection.execute("VACUUM")
    # Moves the log into the file and empties it, where no other process reads it just now.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
