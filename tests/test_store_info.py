"""Twin of auditor.adapters.cache.store_info."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from auditor.adapters.cache.store_info import ScopeInfo, StoreInfo


def test_scores_of_all_scopes() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    scopes = tuple(ScopeInfo(name * 64, count, 100, now, now) for name, count in (("a", 3), ("b", 4)))
    assert StoreInfo(Path("scores.sqlite3"), 4096, scopes).scores == 7
    assert StoreInfo(Path("scores.sqlite3"), 4096, ()).scores == 0
