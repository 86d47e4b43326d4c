"""Twin of auditor.adapters.cache.audit_stores."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from auditor.adapters.cache import score_store
from auditor.adapters.cache.audit_stores import AuditStores
from auditor.adapters.cache.score_store import STORE_FILE, ScoreStore


def folders(stores: AuditStores) -> list[str]:
    return [store.path.parent.name for store in stores.stores]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_the_cache_alone(tmp_path: Path, run: Path) -> None:
    stores = AuditStores(tmp_path / "cache", run)
    assert folders(stores) == ["cache"]
    assert stores.cautions == ()
    stores.close(finished=True)
    assert (tmp_path / "cache" / STORE_FILE).is_file()
    assert list(run.iterdir()) == []


def test_without_a_cache_the_run_keeps_its_own_until_it_is_finished(run: Path) -> None:
    stores = AuditStores(None, run)
    assert folders(stores) == ["run"]
    stores.close(finished=False)
    assert (run / STORE_FILE).is_file()
    AuditStores(None, run).close(finished=True)
    assert list(run.iterdir()) == []


def test_a_cache_that_is_no_store(tmp_path: Path, run: Path) -> None:
    (tmp_path / STORE_FILE).write_bytes(b"a file of somebody else's" * 50)
    stores = AuditStores(tmp_path, run)
    assert folders(stores) == ["run"]
    assert [str(tmp_path / STORE_FILE) in one for one in stores.cautions] == [True]
    stores.close(finished=True)
    assert (tmp_path / STORE_FILE).is_file()


def test_a_cache_that_can_only_be_read(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ScoreStore.open(tmp_path / "cache").close()
    write = score_store.open_writable

    def unwritable(path: Path, kind: score_store.FileKind) -> sqlite3.Connection:
        if path.parent.name != "cache":
            return write(path, kind)
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise score_store.FileUnavailableError(path, "x", fix="y", removable=False) from error

    monkeypatch.setattr(score_store, "open_writable", unwritable)
    stores = AuditStores(tmp_path / "cache", run)
    assert folders(stores) == ["cache", "run"]
    assert ["can be read and not written" in one for one in stores.cautions] == [True]
    stores.close(finished=True)
    assert list(run.iterdir()) == []
