"""The texts of chosen pairs, read from a run's table of items a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.items.column_packs import Interned
from auditor.adapters.report.items.item_margins import SIDES, ItemMargins, read_error
from auditor.core.items import HARMFUL
from auditor.core.scores import IntArray

_ROWS_A_PART = 1 << 16
_COLUMNS = ("probe", "item", "candidate", "context", "text")


class ItemTexts:
    """Context and both sides of some pairs, each different text once.

    Args:
        path: of the table of items.
        render: the rendering.
        margins: of the same table and rendering.
        rows: which of its pairs, shape (n,).
        limit: characters of different texts after which no more are read.

    Attributes:
        texts: the different texts.
        codes: of context, harmful and affirming text, 0 for none, else its place in ``texts`` plus 1; shape (n, 3).
        whole: whether all were read.

    Raises:
        UsageError: the table cannot be read.
    """

    def __init__(self, path: Path, render: str, margins: ItemMargins, rows: IntArray, limit: int) -> None:
        self._interned = Interned()
        # Behind the last row stands the place of what is no pair.
        self._at = np.full(len(margins.margins) + 1, -1)
        self._at[rows] = np.arange(len(rows))
        self.codes = np.zeros((len(rows), 1 + len(SIDES)), dtype=np.int64)
        self.whole = True
        # All checkpoints read the same texts: one of them tells.
        for part in _parts(path, render, margins.checkpoints[-1]):
            self._take(part, margins)
            if self._interned.characters > limit:
                self.whole = False
                break
        self.texts = self._interned.texts

    def side(self, at: int, which: int) -> str | None:
        """The text of a pair's side, 0 for harmful and 1 for affirming; None where it is not known."""
        code = int(self.codes[at, 1 + which])
        return self.texts[code - 1] if code else None

    def _take(self, part: pa.Table, margins: ItemMargins) -> None:
        places = self._at[margins.places(part)]
        chosen = part.filter(pa.array(places >= 0))
        columns = (chosen[name].to_pylist() for name in ("candidate", "context", "text"))
        for at, candidate, context, text in zip(places[places >= 0].tolist(), *columns, strict=True):
            self.codes[at, 1 + SIDES.index(candidate)] = self._interned.code(text)
            if candidate == HARMFUL:
                self.codes[at, 0] = self._interned.code(context or None)


def _parts(path: Path, render: str, checkpoint: str) -> Iterator[pa.Table]:
    chosen = (pc.field("render") == render) & (pc.field("checkpoint") == checkpoint)
    chosen &= pc.field("candidate").isin(list(SIDES))
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_A_PART, columns=["render", "checkpoint", *_COLUMNS]):
                yield pa.Table.from_batches([batch]).filter(chosen)
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, error) from error
