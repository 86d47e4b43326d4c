"""SHA-256 of large files, remembered while they stay as they are.

The memo is an SQLite file in the cache folder. It holds hashes alone: no path can be read out of it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from auditor.adapters.cache.seals import seal, unseal
from auditor.adapters.cache.sqlite_files import SQLITE_ERRORS, FileKind, FileUnavailableError, open_writable, remove
from auditor.errors import ModelLoadError, StorageError

HASHES_FILE = "hashes.sqlite3"

KIND = FileKind(
    application_id=int.from_bytes(b"audH"),
    version=1,
    tables=("CREATE TABLE hashes (file BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",),
)

# A file written again within one tick of its file system's clock keeps its date ("racy git"). The coarsest tick in
# use is FAT's, 2 s.
SETTLED = 2.0

# The hub's cache names large files by their SHA-256, small ones by git's SHA-1 of 40 digits.
_SHA256 = re.compile(r"[0-9a-f]{64}")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's contents, hex.

    Raises:
        StorageError: it can't be read.
    """
    with _read_errors(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class WeightHashes:
    """Hashes of files, each read once as long as path, size, dates and inode stay the same.

    Args:
        folder: the cache folder; None remembers for as long as this object lives.
        rehash: read each file once, whatever is remembered of it or the hub's cache calls it.
    """

    def __init__(self, folder: Path | None, rehash: bool = False) -> None:
        self._memo = folder / HASHES_FILE if folder is not None else None
        self._rehash = rehash
        self._seen: dict[bytes, str] = {}

    def digest(self, path: Path) -> str:
        """SHA-256 of a file's contents, hex.

        Raises:
            StorageError: it can't be read.
            ModelLoadError: it was read, and isn't what the hub's cache calls it.
        """
        with _read_errors(path):
            real = path.resolve(strict=True)
            named = real.name if real.parent.name == "blobs" and _SHA256.fullmatch(real.name) else None
            if named is not None and not self._rehash:
                return named
            state, _ = _state(real)
        known = self._seen.get(state) or (None if self._rehash else self._recall(state))
        if known is not None:
            return known
        began = time.time()
        found = hash_file(real)
        if named not in (None, found):
            raise ModelLoadError(
                "the file is damaged: its contents are not those that the hub's cache names it by",
                where=str(real),
                fix="Remove it and run the same command again to download it anew.",
            )
        with _read_errors(path):
            # Written while it was read, it has a hash that no version of it ever had.
            after, changed = _state(real)
            if after == state and changed < began - SETTLED:
                self._remember(state, found)
        return found

    def _recall(self, state: bytes) -> str | None:
        for (value,) in self._ask("SELECT value FROM hashes WHERE file = ?", state):
            if (digest := unseal(state, value)) is not None:
                self._seen[state] = digest.hex()
        return self._seen.get(state)

    def _remember(self, state: bytes, digest: str) -> None:
        self._seen[state] = digest
        sealed = seal(state, bytes.fromhex(digest))
        self._ask("INSERT OR REPLACE INTO hashes (file, value) VALUES (?, ?)", state, sealed)

    def _ask(self, statement: str, *values: bytes) -> list[tuple[object, ...]]:
        """Rows of the memo; none where it can't be used: then a file is read again, and nothing else is lost."""
        if self._memo is None:
            return []
        try:
            # Open for one statement: hashing takes so much longer.
            with closing(open_writable(self._memo, KIND)) as memo:
                return memo.execute(statement, values).fetchall()
        except (FileUnavailableError, StorageError, *SQLITE_ERRORS):
            return []


def forget_hashes(folder: Path) -> None:
    """Remove the memo of a cache folder, damaged or not; what is not ours stays.

    Raises:
        StorageError: it can't be removed.
    """
    path = folder / HASHES_FILE
    if path.exists():
        try:
            open_writable(path, KIND).close()
        except FileUnavailableError as error:
            if not error.removable:
                return
        remove(path)


def _state(path: Path) -> tuple[bytes, float]:
    """A digest of all that changes when a file is written, and when it last changed, seconds since the epoch.

    Of the two dates that of writing can be set by anybody; that of change can't.
    """
    state = path.stat()
    parts = (path.as_posix(), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    return hashlib.sha256(repr(parts).encode()).digest(), max(state.st_mtime, state.st_ctime)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the file can't be read ({error.strerror})",
            where=str(path),
            fix="Check the disk and the file's permissions.",
        ) from error
