"""Scores kept between audits, in one SQLite file a cache folder.

A score is found again by its *scope* (everything that decides it but the tokens) and its *key* (a digest of
the token ids and the span), and returned only if its checksum over both and the values holds: a flipped bit
or a row in the wrong place is a score that isn't there. The file holds digests, numbers, dates and remarks on how a
model loaded, and no text of probes and no token, so an audit with ``--private`` may use it like any other. It belongs
on a local disk: processes share it through memory.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from auditor.adapters.cache.seals import seal, unseal
from auditor.adapters.cache.sqlite_files import (
    SQLITE_ERRORS,
    FileKind,
    FileUnavailableError,
    damaged,
    failed,
    is_busy,
    is_failing,
    is_unwritable,
    open_readable,
    open_writable,
    shrink,
    size_of,
    transaction,
)
from auditor.adapters.cache.store_info import ScopeInfo, StoreInfo

STORE_FILE = "scores.sqlite3"

# Log-probabilities as the log-softmax gives them, nats.
Float32Array = NDArray[np.float32]

KIND = FileKind(
    application_id=int.from_bytes(b"audS"),
    version=1,
    tables=(
        "CREATE TABLE scopes (id INTEGER PRIMARY KEY, scope BLOB UNIQUE, created INTEGER, used INTEGER)",
        # A short id in place of 32 bytes a row. Its own index: a row is one entry in one tree.
        "CREATE TABLE scores (scope INTEGER, key BLOB, value BLOB, PRIMARY KEY (scope, key)) WITHOUT ROWID",
        "CREATE TABLE facts (scope INTEGER PRIMARY KEY, value BLOB)",
    ),
)

_DIGEST_BYTES = 32
# Stands for a key where facts are sealed; no key is as short.
_FACTS = b"facts"
# Keys a query. Measured on a million rows: 100 to 500 are alike, one alone takes twice as long, a temporary table too.
_KEYS_AT_ONCE = 256
# No date lies beyond it; one that seems to is damage.
_SECONDS = range(2**33)
_READ_ONLY = "can be read and not written"
_NOT_KEPT = "scores of this audit are not kept for later ones"


class ScoreStore:
    """Scores of earlier audits; several processes may have the same one open, each thread needs its own.

    Attributes:
        path: of its file.
        caution: why scores of this audit are not kept, None while they are. It may come while reading:
            a damaged file is read on, as far as that goes, and no longer written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, caution: str | None = None) -> None:
        self.path = path
        self.caution = caution
        self._connection = connection
        self._touched: set[bytes] = set()
        self._broken: set[tuple[bytes, bytes]] = set()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store of a cache folder, made where there is none; for reading only where it can't be written.

        Raises:
            FileUnavailableError: there is no using it; its text is a caution for an audit that goes on without.
            StorageError: another process kept it locked.
        """
        path = folder / STORE_FILE
        try:
            return cls(path, open_writable(path, KIND))
        except FileUnavailableError as error:
            if not is_unwritable(error.__cause__):
                raise
            connection = open_readable(path, KIND)
        return cls(path, connection, f"{_NOT_KEPT}: {path} {_READ_ONLY}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what was kept is in it already."""
        with suppress(*SQLITE_ERRORS):
            self._connection.close()

    def find(self, scope: str, keys: Sequence[bytes]) -> list[Float32Array | None]:
        """Scores kept before.

        Args:
            scope: SHA-256 in hex of all that decides a score but the tokens.
            keys: digests of 32 bytes.

        Returns:
            Log-probabilities for each key, shape (n_tokens,), or None, in the keys' order. A score that can't
            be read, or isn't the one that was kept, is None.

        Raises:
            StorageError: another process kept the file locked.
        """
        name = bytes.fromhex(scope)
        found: dict[bytes, Float32Array] = {}
        with self._reading(), transaction(self._connection, "DEFERRED"):
            number = self._number(name)
            # Neighbours in the file, asked for together.
            wanted = sorted(set(keys)) if number is not None else []
            for at in range(0, len(wanted), _KEYS_AT_ONCE):
                with self._reading():
                    self._find_some(name, number, wanted[at : at + _KEYS_AT_ONCE], found)
        if found:
            self._touch(name)
        return [found.get(key) for key in keys]

    def _find_some(
        self, name: bytes, number: int | None, keys: Sequence[bytes], found: dict[bytes, Float32Array]
    ) -> None:
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, value FROM scores WHERE scope = ? AND key IN ({marks})"
        for key, value in self._connection.execute(query, (number, *keys)):
            score = _unpacked(name, key, value)
            if score is None:
                self._broken.add((name, key))
            else:
                found[key] = score

    def keep(self, scope: str, entries: Sequence[tuple[bytes, Float32Array]]) -> None:
        """Keep scores: all of them once this returns, none of them if it raises.

        A key that is there already keeps the value it has, unless that was found broken. Nothing is kept while
        ``caution`` is set.

        Args:
            scope: SHA-256 in hex of all that decides a score but the tokens.
            entries: a digest of 32 bytes and log-probabilities in nats, shape (n_tokens,), each.

        Raises:
            StorageError: the disk is full or fails, or another process kept the file locked.
        """
        name = bytes.fromhex(scope)
        rows = sorted((key, _packed(name, key, values)) for key, values in entries)
        if self.caution is not None or not rows:
            return
        broken = [row for row in rows if (name, row[0]) in self._broken]
        with self._writing():
            number = self._made(name)
            for verb, some in (("REPLACE", broken), ("IGNORE", rows)):
                insert = f"INSERT OR {verb} INTO scores (scope, key, value) VALUES (?, ?, ?)"
                self._connection.executemany(insert, ((number, *row) for row in some))
        self._touched.add(name)
        self._broken.difference_update((name, key) for key, _ in broken)

    def facts(self, scope: str) -> dict[str, Any] | None:
        """What was kept beside the scores of a scope, None where nothing was or it can't be read.

        Raises:
            StorageError: another process kept the file locked.
        """
        name = bytes.fromhex(scope)
        content: bytes | None = None
        with self._reading(), transaction(self._connection, "DEFERRED"):
            query = "SELECT value FROM facts JOIN scopes ON facts.scope = scopes.id WHERE scopes.scope = ?"
            for (value,) in self._connection.execute(query, (name,)):
                content = unseal(name + _FACTS, value)
        return None if content is None else json.loads(content)

    def keep_facts(self, scope: str, facts: Mapping[str, Any]) -> None:
        """Keep JSON values beside the scores of a scope, in place of those that are there.

        Raises:
            StorageError: the disk is full or fails, or another process kept the file locked.
        """
        name, content = bytes.fromhex(scope), json.dumps(dict(facts)).encode()
        if self.caution is None:
            with self._writing():
                row = self._made(name), seal(name + _FACTS, content)
                self._connection.execute("INSERT OR REPLACE INTO facts (scope, value) VALUES (?, ?)", row)

    def info(self) -> StoreInfo:
        """What is kept.

        Raises:
            FileUnavailableError: the file is damaged.
            StorageError: it can't be read, or another process kept it locked.
        """
        with self._all_or_error(), transaction(self._connection, "DEFERRED"):
            sizes = {
                number: (count, n_bytes)
                for number, count, n_bytes in self._connection.execute(
                    "SELECT scope, count(*), sum(length(key) + length(value)) FROM scores GROUP BY scope"
                )
            }
            rows = self._connection.execute("SELECT id, scope, created, used FROM scopes ORDER BY used DESC, id")
            scopes = tuple(self._scope_info(row, sizes.get(row[0], (0, 0))) for row in rows)
        return StoreInfo(self.path, size_of(self.path), scopes)

    def prune(self, *, older_than: timedelta | None) -> int:
        """Forget scopes that were not used for so long, all of them if None, and shrink the file.

        Returns:
            How many scores were forgotten.

        Raises:
            FileUnavailableError: the file is damaged; or all of it was to go and the disk is too full for that.
            StorageError: it can't be written, or another process kept it locked.
        """
        # All rows at once are dropped page by page, without a look at each.
        chosen, last = "", tuple[int, ...]()
        if older_than is not None:
            chosen, last = " WHERE used < ?", (int((datetime.now(UTC) - older_than).timestamp()),)
        scores = f" WHERE scope IN (SELECT id FROM scopes{chosen})" if chosen else ""
        with self._all_or_error(removable=older_than is None):
            with transaction(self._connection, "IMMEDIATE"):
                pruned = self._connection.execute(f"DELETE FROM scores{scores}", last).rowcount
                self._connection.execute(f"DELETE FROM facts{scores}", last)
                self._connection.execute(f"DELETE FROM scopes{chosen}", last)
            shrink(self._connection)
        return pruned

    def _made(self, name: bytes) -> int | None:
        """The number of a scope, in use from now on; asked for anew each time, since another process may prune."""
        now = int(time.time())
        self._connection.execute(
            "INSERT INTO scopes (scope, created, used) VALUES (?, ?, ?) "
            "ON CONFLICT (scope) DO UPDATE SET used = max(used, excluded.used)",
            (name, now, now),
        )
        return self._number(name)

    def _number(self, name: bytes) -> int | None:
        row = self._connection.execute("SELECT id FROM scopes WHERE scope = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _touch(self, name: bytes) -> None:
        """Note, once a run, that a scope is in use; where that can't be written nothing is lost."""
        if self.caution is not None or name in self._touched:
            return
        self._touched.add(name)
        with suppress(*SQLITE_ERRORS), transaction(self._connection, "IMMEDIATE"):
            now = int(time.time())
            self._connection.execute("UPDATE scopes SET used = max(used, ?) WHERE scope = ?", (now, name))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What can't be read is not there, and a file that holds such things is no longer written."""
        try:
            yield
        except SQLITE_ERRORS as error:
            if is_busy(error):
                raise failed(self.path, error) from error
            self._give_up(error)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with transaction(self._connection, "IMMEDIATE"):
                yield
        except SQLITE_ERRORS as error:
            if is_busy(error) or is_failing(error):
                raise failed(self.path, error) from error
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if isinstance(error, sqlite3.ProgrammingError):
            # Ours, such as a store that was closed: no damage.
            raise error
        seen = damaged(self.path, error)
        why = _READ_ONLY if is_unwritable(error) else f"{seen.what}; {seen.fix}"
        self.caution = self.caution or f"{_NOT_KEPT}: {self.path} {why}"

    @contextmanager
    def _all_or_error(self, *, removable: bool = False) -> Iterator[None]:
        """Say what went wrong; where the file may go as a whole, a full disk is no obstacle."""
        try:
            yield
        except SQLITE_ERRORS as error:
            told = is_busy(error) or is_unwritable(error) or (is_failing(error) and not removable)
            raise (failed if told else damaged)(self.path, error) from error

    def _scope_info(self, row: tuple[object, ...], sizes: tuple[int, int]) -> ScopeInfo:
        _, name, *seconds = row
        dates = [datetime.fromtimestamp(one, UTC) for one in seconds if isinstance(one, int) and one in _SECONDS]
        if not isinstance(name, bytes) or len(dates) < len(seconds):
            raise damaged(self.path, "a name or a date in it is none")
        return ScopeInfo(name.hex(), *sizes, *dates)


def _packed(name: bytes, key: bytes, values: Float32Array) -> bytes:
    """Values as little-endian float32, sealed."""
    if values.dtype != np.float32 or values.ndim != 1 or len(name) != _DIGEST_BYTES or len(key) != _DIGEST_BYTES:
        raise ValueError(f"a score is float32 of one dimension under two digests of {_DIGEST_BYTES} bytes")
    return seal(name + key, values.astype("<f4", copy=False).tobytes())


def _unpacked(name: bytes, key: object, value: object) -> Float32Array | None:
    # A damaged row can hold any type.
    content = unseal(name + key, value) if isinstance(key, bytes) else None
    return None if content is None or len(content) % 4 else np.frombuffer(content, "<f4").astype(np.float32)
