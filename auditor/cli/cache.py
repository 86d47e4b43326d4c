"""``audit cache``: what is kept of earlier audits' scores, and how to be rid of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from auditor.adapters.cache.score_store import STORE_FILE, ScoreStore
from auditor.adapters.cache.sqlite_files import FileUnavailableError, remove, size_of
from auditor.adapters.cache.store_info import StoreInfo
from auditor.adapters.cache.weight_hashes import forget_hashes
from auditor.adapters.printable import on_one_line
from auditor.errors import UsageError


def show_cache(folder: Path) -> None:
    """Print the store of a cache folder: its size, and what it holds of each model.

    Raises:
        UsageError: the store is damaged, of another version, not ours or can't be read.
    """
    console = Console()
    _say(console, f"folder: {folder}")
    if not (folder / STORE_FILE).exists():
        _say(console, "no scores are kept")
        return
    try:
        with ScoreStore.open(folder) as store:
            info = store.info()
    except FileUnavailableError as error:
        raise _told(error) from error
    _say(console, f"{info.scores:,} scores of {_models(len(info.scopes))}, {decimal(info.n_bytes)} on the disk")
    if info.scopes:
        console.print(_table(info))
        _say(console, "A model stands once for each version of its files and each way of scoring.")


def prune_cache(folder: Path, older_than: int | None, *, everything: bool) -> None:
    """Forget scores of models that were not used for some days, or everything, and print what that freed.

    Args:
        folder: the cache folder.
        older_than: days since the last use.
        everything: also remove files of ours that are damaged or of another version, and what is remembered
            of weight files.

    Raises:
        UsageError: neither or both are asked for, or the store can't be used and isn't to be removed.
        StorageError: the store can't be written.
    """
    if (older_than is None) is not everything:
        fix = "Give one of --older-than DAYS and --all."
        raise UsageError("what to forget is not clear", where="audit cache prune", fix=fix)
    console, path = Console(), folder / STORE_FILE
    before = size_of(path)
    if everything:
        forget_hashes(folder)
    if not path.exists():
        _say(console, f"no scores are kept in {folder}")
        return
    try:
        with ScoreStore.open(folder) as store:
            pruned = store.prune(older_than=None if older_than is None else timedelta(days=older_than))
        said = f"{pruned:,} scores forgotten"
    except FileUnavailableError as error:
        if not (everything and error.removable):
            raise _told(error) from error
        remove(path)
        said = f"{path} {error.what}: removed"
    _say(console, f"{said}, {decimal(max(before - size_of(path), 0))} freed, {decimal(size_of(path))} left")


def _table(info: StoreInfo) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("model", "scores", "size", "since", "last used"):
        table.add_column(heading, justify="right" if heading in ("scores", "size") else "left")
    for one in info.scopes:
        dates = (_date(one.created), _date(one.used))
        table.add_row(one.scope[:12], f"{one.scores:,}", decimal(one.n_bytes), *dates)
    return table


def _date(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def _models(count: int) -> str:
    return "1 model" if count == 1 else f"{count:,} models"


def _told(error: FileUnavailableError) -> UsageError:
    return UsageError(error.what, where=str(error.path), fix=f"{error.fix[0].upper()}{error.fix[1:]}.")


def _say(console: Console, text: str) -> None:
    console.print(Text(on_one_line(text)), soft_wrap=True)
