"""Margins of a run's marked pairs, read from its table a part at a time into arrays, and the largest among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.run.branches import Branch
from auditor.core.items import AFFIRMING, HARMFUL
from auditor.core.scores import FloatArray, IntArray
from auditor.errors import UsageError, one_line

SIDES = (HARMFUL, AFFIRMING)
ABOUT = ("probe", "item", "identity", "axis", "theme", "cluster", "design", "role", "match", "paraphrase", "frame")
_ROWS_A_PART = 1 << 16


@dataclass(frozen=True, slots=True)
class Largest:
    """One pair and why it was chosen.

    Attributes:
        row: its place among the margins.
        margins: harmful minus affirming in nats, at each checkpoint of the branch.
        reasons: ``margin``, ``shift`` or both.
    """

    row: int
    margins: tuple[float, ...]
    reasons: tuple[str, ...]

    @property
    def shift(self) -> float | None:
        """Of the leaf from the checkpoint it was trained from, None where that is none."""
        return self.margins[-1] - self.margins[-2] if len(self.margins) > 1 else None


class ItemMargins:
    """Every marked pair of one rendering and every reference row, in the order of the table.

    Args:
        path: of the table of items.
        checkpoints: names of those that must have scored a pair.

    Attributes:
        checkpoints: the same.
        codes: of each column in ``ABOUT``, the number of each pair's text, shape (n,).
        named: of each column in ``ABOUT``, the texts by number.
        values: of both sides in nats or in the reward's unit, NaN where there is none, shape (n, checkpoints, 2).
        margins: harmful minus affirming, shape (n, checkpoints).
        rows: places of the marked pairs that all checkpoints scored.
        references: places of such reference rows.

    Raises:
        UsageError: the table cannot be read.
    """

    def __init__(self, path: Path, render: str, checkpoints: Sequence[str]) -> None:
        self.checkpoints = tuple(checkpoints)
        # Texts of each column by code, and the codes of each pair.
        self._texts: dict[str, dict[str, int]] = {name: {} for name in ABOUT}
        self._codes: dict[str, list[IntArray]] = {name: [] for name in ABOUT}
        self._places: dict[int, int] = {}
        found = [part for rows in _parts(path, render) if (part := self._read(rows))]
        self.codes = {name: np.concatenate([np.array([], np.int64), *codes]) for name, codes in self._codes.items()}
        self.named = {name: list(texts) for name, texts in self._texts.items()}
        self.values = np.full((len(self._places), len(checkpoints), len(SIDES)), np.nan)
        there = np.zeros(self.values.shape, dtype=bool)
        for place, checkpoint, side, value in found:
            self.values[place, checkpoint, side], there[place, checkpoint, side] = value, True
        self.margins = self.values[:, :, 0] - self.values[:, :, 1]
        usable = there.all(axis=(1, 2))
        self.rows, self.references = (
            np.flatnonzero(usable & (self.codes["role"] == self._texts["role"].get(role, -1)))
            for role in ("marked", "reference")
        )

    @property
    def probes(self) -> int:
        """How many probes have a pair."""
        return len(np.unique(self.codes["probe"][self.rows]))

    def text(self, name: str, row: int) -> str:
        """What a column of ``ABOUT`` says of a pair."""
        return self.named[name][int(self.codes[name][row])]

    def place(self, probe: str, item: str) -> int | None:
        """The row of a pair, None where there is none."""
        known = self._texts["probe"].get(probe), self._texts["item"].get(item)
        return None if known[0] is None or known[1] is None else self._places.get(_number(known[0], known[1]))

    def places(self, part: pa.Table) -> IntArray:
        """The pair that each row of a part of the table belongs to, -1 for none, shape (rows,)."""
        probes, items = (numbered(part[name], self._finder(name)) for name in ("probe", "item"))
        # The number of what is not known is negative, and no pair's.
        numbers = np.where((probes < 0) | (items < 0), -1, _number(probes, items))
        return np.array([self._places.get(one, -1) for one in numbers.tolist()], dtype=np.int64)

    def largest(self, branch: Branch, share: int) -> Iterator[Largest]:
        """Half of each probe's share by margin at the leaf, the rest by shift; what both name stands once."""
        margins = self.margins[:, [self.checkpoints.index(name) for name in branch.path]]
        usable = self.rows[np.isfinite(margins[self.rows, -1])]
        probes = self.codes["probe"][usable]
        for probe in dict.fromkeys(probes.tolist()):
            rows = usable[probes == probe]
            reasons: dict[int, list[str]] = {}
            for row in self._top(rows, margins[rows, -1], (share + 1) // 2):
                reasons.setdefault(row, []).append("margin")
            if margins.shape[1] > 1:
                for row in self._top(rows, margins[rows, -1] - margins[rows, -2], share // 2):
                    reasons.setdefault(row, []).append("shift")
            for row, why in reasons.items():
                yield Largest(row, tuple(margins[row].tolist()), tuple(why))

    def _top(self, rows: IntArray, size: FloatArray, count: int) -> list[int]:
        """The rows of the largest positive values, at most one for an identity and cluster."""
        taken: dict[tuple[int, int], int] = {}
        for row in self._by_size(rows[size > 0], size[size > 0]):
            if len(taken) == count:
                break
            taken.setdefault((int(self.codes["identity"][row]), int(self.codes["cluster"][row])), row)
        return list(taken.values())

    def _by_size(self, rows: IntArray, size: FloatArray) -> Iterator[int]:
        """Largest first, those of equal size by their id."""
        order = np.argsort(-size, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(size[order])) + 1, len(order))
        start = 0
        for end in ends.tolist():
            yield from sorted(rows[order[start:end]].tolist(), key=lambda row: self.text("item", row))
            start = end

    def _read(self, rows: pa.Table) -> tuple[IntArray, IntArray, IntArray, FloatArray] | None:
        """Which pair, checkpoint and side each value of a part belongs to; remembers pairs that are new."""
        at = numbered(rows["checkpoint"], lambda name: self.checkpoints.index(name) if name in self.checkpoints else -1)
        rows = rows.filter(pa.array(at >= 0))
        if not rows.num_rows:
            return None
        codes = {name: numbered(rows[name], self._coder(name)) for name in ABOUT}
        known = len(self._places)
        # One number for probe and item: a million tuples would be much of the report's memory.
        names = _number(codes["probe"], codes["item"])
        places = np.array([self._places.setdefault(one, len(self._places)) for one in names.tolist()], dtype=np.int64)
        seen, first = np.unique(places, return_index=True)
        for name, own in codes.items():
            self._codes[name].append(own[first[seen >= known]])
        return places, at[at >= 0], numbered(rows["candidate"], SIDES.index), rows["value"].to_numpy()

    def _finder(self, name: str) -> Callable[[Any], int]:
        known = self._texts[name]
        return lambda text: known.get(text or "", -1)

    def _coder(self, name: str) -> Callable[[Any], int]:
        known = self._texts[name]
        return lambda text: known.setdefault(text or "", len(known))


def read_error(path: Path, error: Exception) -> UsageError:
    """What to say of a table that cannot be read."""
    problem = "No such file" if not path.exists() else one_line(error)
    return UsageError(f"cannot be read: {problem}", where=str(path), fix="Run the same audit again.")


def _number(probe: Any, item: Any) -> Any:
    return (probe << 40) | item


def numbered(column: pa.ChunkedArray[Any], number: Callable[[Any], int]) -> IntArray:
    """A number for each text of a column; asked once for each different one, in the order they are first seen."""
    encoded = column.combine_chunks().dictionary_encode("encode")
    numbers = np.array([number(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    found: IntArray = numbers[encoded.indices.to_numpy()]
    return found


def _parts(path: Path, render: str) -> Iterator[pa.Table]:
    """The rows of marked and reference pairs that are asked for their own sake."""
    wanted: dict[str, Any] = {"render": render, "valence": "harm"}
    design, baseline = pc.field("design"), pc.field("baseline")
    conditions = [pc.field("candidate").isin(list(SIDES)), pc.field("role").isin(["marked", "reference"])]
    conditions += [*(pc.field(name) == value for name, value in wanted.items())]
    # Names are asked to hold others against them; rows of the other design without a baseline, to be subtracted.
    conditions += [design != "naming", (design != "responsiveness") | (pc.is_valid(baseline) & (baseline != ""))]
    chosen = reduce(and_, conditions)
    columns = [*ABOUT, *wanted, "checkpoint", "candidate", "value", "baseline"]
    try:
        with pq.ParquetFile(path) as file:
            # An older version's table may lack the column.
            known = [name for name in dict.fromkeys(columns) if name in file.schema_arrow.names]
            for batch in file.iter_batches(_ROWS_A_PART, columns=known):
                part = pa.Table.from_batches([batch])
                if "baseline" not in known:
                    part = part.append_column("baseline", pa.nulls(part.num_rows, pa.string()))
                yield part.filter(chosen)
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, error) from error
