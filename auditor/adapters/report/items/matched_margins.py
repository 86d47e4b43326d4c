"""What a run's reference rows say beside each marked pair, for the excess of a single pair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.items.item_margins import SIDES, ItemMargins, numbered, read_error
from auditor.core.scores import FloatArray, IntArray

_ROWS_A_PART = 1 << 16
# What rows share where none of them declares a key.
_SHARED = ("axis", "theme", "cluster", "paraphrase", "frame")


def reference_margins(path: Path, render: str, margins: ItemMargins) -> FloatArray:
    """The mean margin of the reference rows that share each pair's match key, shape (n, checkpoints).

    NaN where no reference row shares it, where one has another candidate (another text, or the same in another number
    of tokens), where texts are not known, and in designs whose margin is the disparity or has a baseline.

    Raises:
        UsageError: the table cannot be read.
    """
    key, sides = match_keys(margins), _sides(path, render, margins)
    compared = (sides != 0).all(axis=1)
    compared &= margins.codes["design"] == _number_of(margins, "design", "text_swap")
    references = margins.references
    size = int(key.max(initial=-1)) + 1
    counts = np.bincount(key[references], minlength=size)
    means = np.full((size, margins.margins.shape[1]), np.nan)
    for at in range(means.shape[1]):
        sums = np.bincount(key[references], weights=margins.margins[references, at], minlength=size)
        np.divide(sums, counts, out=means[:, at], where=counts > 0)
    least = np.full((size, sides.shape[1]), np.iinfo(np.int64).max)
    most = np.full((size, sides.shape[1]), np.iinfo(np.int64).min)
    np.minimum.at(least, key[references], sides[references])
    np.maximum.at(most, key[references], sides[references])
    same = ((least[key] == sides) & (most[key] == sides)).all(axis=1)
    return np.where((compared & same)[:, None], means[key], np.nan)


def _number_of(margins: ItemMargins, name: str, text: str) -> int:
    return margins.named[name].index(text) if text in margins.named[name] else -1


def match_keys(margins: ItemMargins) -> IntArray:
    """The number of each pair's match key: the declared one, else all but the identity; within its probe."""
    match = margins.codes["match"]
    declared = match != _number_of(margins, "match", "")
    shared = [np.where(declared, -1, margins.codes[name]) for name in _SHARED]
    about = np.stack([margins.codes["probe"], np.where(declared, match, -1), *shared], axis=1)
    return np.unique(about, axis=0, return_inverse=True)[1].reshape(-1)


def _sides(path: Path, render: str, margins: ItemMargins) -> IntArray:
    """Of each side a number for its text, equal for equal ones, and its tokens; 0 where unknown, shape (n, 4)."""
    found = np.zeros((len(margins.margins), 2 * len(SIDES)), dtype=np.int64)
    # All checkpoints read the same texts: one of them tells.
    for part in _parts(path, render, margins.checkpoints[-1]):
        places, side = margins.places(part), numbered(part["candidate"], SIDES.index)
        there = places >= 0
        # 64 bits of two different texts agree by chance once in 10^19.
        texts = numbered(part["text"], lambda text: hash(text) if text else 0)
        tokens = np.nan_to_num(part["tokens"].to_numpy()).astype(np.int64)
        found[places[there], side[there]] = texts[there]
        found[places[there], len(SIDES) + side[there]] = tokens[there]
    return found


def _parts(path: Path, render: str, checkpoint: str) -> Iterator[pa.Table]:
    chosen = (pc.field("render") == render) & (pc.field("checkpoint") == checkpoint)
    chosen &= pc.field("candidate").isin(list(SIDES))
    columns: list[Any] = ["render", "checkpoint", "probe", "item", "candidate", "text", "tokens"]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_A_PART, columns=columns):
                part = pa.Table.from_batches([batch]).filter(chosen)
                if part.num_rows:
                    yield part
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, error) from error
