"""Where the scores of the model that training began with are kept, for when that training is resumed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from auditor.adapters.cache.score_store import STORE_FILE, ScoreStore
from auditor.adapters.cache.sqlite_files import FileUnavailableError
from auditor.errors import UsageError

_log = logging.getLogger(__name__)


@contextmanager
def beginning_store(folder: Path, *, resumed: bool) -> Iterator[ScoreStore]:
    """The store in a folder of its own; what an earlier training kept there is gone where a new one begins.

    Raises:
        UsageError: the folder holds something else or cannot be used.
    """
    _claim(folder, resumed=resumed)
    try:
        opened = ScoreStore.open(folder)
    except FileUnavailableError as error:
        raise UsageError(
            f"what is kept of the beginning of training {error.what}",
            where=str(error.path),
            fix="Remove the file, or give another folder with out=.",
        ) from error
    with closing(opened) as store:
        yield store
        if store.caution is not None:
            _log.warning("this training cannot be resumed with its audits: %s", store.caution)


def _claim(folder: Path, *, resumed: bool) -> None:
    where = str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = sorted(folder.iterdir())
        foreign = [one.name for one in held if not one.name.startswith(STORE_FILE)]
        if foreign:
            raise UsageError(
                f"the folder holds something else: {foreign[0]!r}", where=where, fix="Give another folder with out=."
            )
        for one in () if resumed else held:
            one.unlink()
    except OSError as error:
        raise UsageError(
            f"the folder cannot be used: {error.strerror}", where=where, fix="Give a folder you may write to with out=."
        ) from error
