"""Files of ours are recognised, those of others left as they are, and each refusal says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from auditor.adapters.cache import sqlite_files
from auditor.adapters.cache.sqlite_files import (
    FileKind,
    FileUnavailableError,
    damaged,
    failed,
    is_busy,
    is_failing,
    is_unwritable,
    open_readable,
    open_writable,
    remove,
    shrink,
    size_of,
    transaction,
)
from auditor.errors import StorageError

KIND = FileKind(12345, 2, ("CREATE TABLE notes (id INTEGER PRIMARY KEY, note BLOB)",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.sqlite3"


def make(path: Path, kind: FileKind, *more: str) -> bytes:
    """A closed file of a kind, changed by further statements."""
    with closing(open_writable(path, kind)) as connection:
        for statement in more:
            connection.execute(statement)
    return path.read_bytes()


def refused(path: Path, *words: str, removable: bool) -> None:
    """It is refused by both ways of opening, for one reason, and stays as it is."""
    content = path.read_bytes()
    for opened in (open_writable, open_readable):
        with pytest.raises(FileUnavailableError) as caught:
            opened(path, KIND)
        assert caught.value.removable is removable
        assert str(caught.value).startswith(f"the score cache is not used: {path} ")
        for word in words:
            assert word in str(caught.value), str(caught.value)
        assert path.read_bytes() == content


def test_a_new_file_is_marked_before_anything_is_written_ahead(path: Path) -> None:
    with closing(open_writable(path, KIND)) as connection:
        # Bytes 68 to 71 of the header hold the application id: https://sqlite.org/fileformat.html
        assert int.from_bytes(path.read_bytes()[68:72]) == 12345
        assert connection.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
        connection.execute("INSERT INTO notes (note) VALUES (x'07')")
    with closing(open_readable(path, KIND)) as connection:
        assert connection.execute("SELECT note FROM notes").fetchall() == [(b"\7",)]


def test_folders_with_signs_in_their_names(tmp_path: Path) -> None:
    path = tmp_path / "50% #1?mode=memory&x" / "notes.sqlite3"
    make(path, KIND)
    assert path.is_file()


@pytest.mark.parametrize("version", [1, 3])
def test_another_schema(path: Path, version: int) -> None:
    make(path, FileKind(12345, version, KIND.tables))
    refused(path, f"another version of auditor (schema {version}, not 2)", "audit cache prune --all", removable=True)


def test_a_database_of_somebody_else(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    refused(path, "is no file of auditor", "move it away", removable=False)


def test_another_kind_of_file_of_ours(path: Path) -> None:
    make(path, FileKind(54321, 2, KIND.tables))
    refused(path, "is no file of auditor", removable=False)


@pytest.mark.parametrize("content", [b"My diary.", b"My diary. " * 1000, bytes(5000)])
def test_no_database_at_all(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "is no file of auditor", "move it away", removable=False)


@pytest.mark.parametrize("size", [2, 16, 40, 99, 100, 1000, 4096])
def test_an_end_too_early(path: Path, size: int) -> None:
    content = make(path, KIND)
    path.write_bytes(content[:size])
    refused(path, "is damaged", "audit cache prune --all", removable=True)


@pytest.mark.parametrize(
    "change", ["CREATE TABLE more (x)", "CREATE VIEW more AS SELECT 1", "ALTER TABLE notes ADD COLUMN more"]
)
def test_a_file_of_ours_with_other_tables(path: Path, change: str) -> None:
    make(path, KIND, change)
    refused(path, "its tables are not those it was made with", removable=True)


def test_a_message_that_python_cannot_read_is_damage(path: Path) -> None:
    # SQLite quotes the damaged definition in its message.
    content = make(path, KIND).replace(b"CREATE TABLE notes", b"CREATE TABLE n\xff\xfees")
    path.write_bytes(content)
    refused(path, "is damaged", removable=True)


def test_an_empty_file_is_new_only_where_it_can_be_written(path: Path) -> None:
    path.touch()
    with pytest.raises(FileUnavailableError, match="is empty and cannot be written"):
        open_readable(path, KIND)
    make(path, KIND)
    open_readable(path, KIND).close()


def test_a_transaction_is_all_or_nothing(path: Path) -> None:
    with closing(open_writable(path, KIND)) as connection:
        # The second statement fails: the first one is undone.
        twice = [(1, b"7"), (1, b"8")]
        with pytest.raises(sqlite3.IntegrityError), transaction(connection, "IMMEDIATE"):
            connection.executemany("INSERT INTO notes (id, note) VALUES (?, ?)", twice)
        assert not connection.in_transaction
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("said\nso")
    error.sqlite_errorcode = code
    return error


def test_codes_are_told_apart(path: Path) -> None:
    kinds = {
        sqlite3.SQLITE_BUSY_RECOVERY: is_busy,
        sqlite3.SQLITE_READONLY_DIRECTORY: is_unwritable,
        sqlite3.SQLITE_CANTOPEN: is_unwritable,
        sqlite3.SQLITE_FULL: is_failing,
        sqlite3.SQLITE_IOERR_WRITE: is_failing,
    }
    for code, kind in kinds.items():
        error = sqlite_error(code)
        assert [one for one in (is_busy, is_unwritable, is_failing) if one(error)] == [kind]
    for error in (sqlite_error(sqlite3.SQLITE_CORRUPT), sqlite3.ProgrammingError("closed")):
        assert not any(one(error) for one in (is_busy, is_unwritable, is_failing))
    assert "Free some space" in str(failed(path, sqlite_error(sqlite3.SQLITE_FULL)))
    assert "Check that you may write there" in str(failed(path, sqlite_error(sqlite3.SQLITE_READONLY)))
    assert "locked for more than 60 s" in str(failed(path, sqlite_error(sqlite3.SQLITE_BUSY)))
    assert damaged(path, sqlite_error(sqlite3.SQLITE_CORRUPT)).what == "is damaged (said so)"


def test_a_full_disk_while_opening_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite_error(sqlite3.SQLITE_FULL)

    monkeypatch.setattr(sqlite_files, "_opened", full)
    with pytest.raises(FileUnavailableError, match="cannot be opened") as caught:
        open_writable(path, KIND)
    assert not caught.value.removable


def test_sizes_shrinking_and_removing(path: Path) -> None:
    assert size_of(path) == 0
    connection = open_writable(path, KIND)
    with transaction(connection, "IMMEDIATE"):
        connection.executemany("INSERT INTO notes (note) VALUES (?)", [(bytes(1000),)] * 1000)
    # The log counts: most of it is there still.
    assert size_of(path) > 1_000_000
    connection.execute("DELETE FROM notes")
    shrink(connection)
    assert size_of(path) < 20_000
    # A process that still has a removed file open does no harm to the one in its place.
    remove(path)
    make(path, KIND, "INSERT INTO notes (note) VALUES (x'07')")
    with closing(open_writable(path, KIND)) as other:
        other.execute("INSERT INTO notes (note) VALUES (x'08')")
        connection.execute("INSERT INTO notes (note) VALUES (x'09')")
        connection.close()
        assert other.execute("SELECT count(*) FROM notes").fetchone() == (2,)
    with closing(open_writable(path, KIND)) as connection:
        assert connection.execute("SELECT note FROM notes ORDER BY id").fetchall() == [(b"\7",), (b"\x08",)]
    remove(path)
    assert list(path.parent.iterdir()) == []


def test_what_cannot_be_removed(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be removed"):
        remove(path)
