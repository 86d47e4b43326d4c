"""The stores an audit reads from and writes to: the cache's and, where nothing can be kept there, one of its own."""

from __future__ import annotations

from pathlib import Path

from auditor.adapters.cache.score_store import STORE_FILE, ScoreStore
from auditor.adapters.cache.sqlite_files import FileUnavailableError, remove


class AuditStores:
    """Open until closed.

    Args:
        cache: the cache folder, None to leave it alone.
        run: the audit's own folder: without a cache, scores are kept there until the audit is finished.

    Attributes:
        stores: to read from, in this order; the last is written to.

    Raises:
        StorageError: another process kept a file locked.
    """

    def __init__(self, cache: Path | None, run: Path) -> None:
        self.stores: list[ScoreStore] = []
        self._own: Path | None = None
        self._unavailable: list[str] = []
        for folder in (cache, run):
            if folder is None or (self.stores and self.stores[-1].caution is None):
                continue
            if folder is run:
                self._own = run / STORE_FILE
            try:
                self.stores.append(ScoreStore.open(folder))
            except FileUnavailableError as error:
                self._unavailable.append(str(error))

    @property
    def cautions(self) -> tuple[str, ...]:
        """What cannot be used, and why; more may come while scores are read."""
        return (*self._unavailable, *(store.caution for store in self.stores if store.caution is not None))

    def close(self, *, finished: bool) -> None:
        """Let go of the files; what was kept for an unfinished audit alone goes when it is finished."""
        for store in self.stores:
            store.close()
        if finished and self._own is not None:
            remove(self._own)
