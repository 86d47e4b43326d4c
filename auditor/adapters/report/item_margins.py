"""Margins of a run's marked pairs, read from its table a part at a time into arrays, and the largest among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_ABOUT = ("probe", "item", "identity", "theme", "cluster", "design")
_ROWS_A_PART = 1 << 16


@dataclass(frozen=True, slots=True)
class Largest:
    """One pair and why it was chosen.

    Attributes:
        about: probe, item, identity, theme, cluster and design.
        margins: harmful minus affirming in nats, at each checkpoint of the branch.
        reasons: ``margin``, ``shift`` or both.
    """

    about: tuple[str, str, str, str, str, str]
    margins: tuple[float, ...]
    reasons: tuple[str, ...]

    @property
    def shift(self) -> float | None:
        """Of the leaf from the checkpoint it was trained from, None where that is none."""
        return self.margins[-1] - self.margins[-2] if len(self.margins) > 1 else None


class ItemMargins:
    """Every marked pair of one rendering that all checkpoints scored.

    Args:
        path: of the table of items.
        checkpoints: names of those that must have scored a pair.

    Raises:
        UsageError: the table cannot be read.
    """

    def __init__(self, path: Path, render: str, checkpoints: Sequence[str]) -> None:
        self._checkpoints = {name: at for at, name in enumerate(checkpoints)}
        # Texts of each column by code, and the codes of each pair.
        self._texts: dict[str, dict[str, int]] = {name: {} for name in _ABOUT}
        self._codes: dict[str, list[IntArray]] = {name: [] for name in _ABOUT}
        self._places: dict[int, int] = {}
        found = [part for rows in _parts(path, render) if (part := self._read(rows))]
        self._about = {name: np.concatenate([np.array([], np.int64), *codes]) for name, codes in self._codes.items()}
        self._named = {name: list(texts) for name, texts in self._texts.items()}
        values = np.full((len(self._places), len(checkpoints), len(SIDES)), np.nan)
        there = np.zeros(values.shape, dtype=bool)
        for place, checkpoint, side, value in found:
            values[place, checkpoint, side], there[place, checkpoint, side] = value, True
        self._margins = values[:, :, 0] - values[:, :, 1]
        self._usable = there.all(axis=(1, 2))

    @property
    def probes(self) -> int:
        """How many probes have a pair."""
        return len(np.unique(self._about["probe"][self._usable]))

    def largest(self, branch: Branch, share: int) -> Iterator[Largest]:
        """Half of each probe's share by margin at the leaf, the rest by shift; what both name stands once."""
        margins = self._margins[:, [self._checkpoints[name] for name in branch.path]]
        usable = self._usable & np.isfinite(margins[:, -1])
        for probe in dict.fromkeys(self._about["probe"][usable].tolist()):
            rows = np.flatnonzero(usable & (self._about["probe"] == probe))
            reasons: dict[int, list[str]] = {}
            for row in self._top(rows, margins[rows, -1], (share + 1) // 2):
                reasons.setdefault(row, []).append("margin")
            if margins.shape[1] > 1:
                for row in self._top(rows, margins[rows, -1] - margins[rows, -2], share // 2):
                    reasons.setdefault(row, []).append("shift")
            for row, why in reasons.items():
                yield Largest(self._describe(row), tuple(margins[row].tolist()), tuple(why))

    def _describe(self, row: int) -> tuple[str, str, str, str, str, str]:
        probe, item, identity, theme, cluster, design = (
            self._named[name][int(codes[row])] for name, codes in self._about.items()
        )
        return probe, item, identity, theme, cluster, design

    def _top(self, rows: IntArray, size: FloatArray, count: int) -> list[int]:
        """The rows of the largest positive values, at most one for an identity and cluster."""
        taken: dict[tuple[int, int], int] = {}
        for row in self._by_size(rows[size > 0], size[size > 0]):
            if len(taken) == count:
                break
            taken.setdefault((int(self._about["identity"][row]), int(self._about["cluster"][row])), row)
        return list(taken.values())

    def _by_size(self, rows: IntArray, size: FloatArray) -> Iterator[int]:
        """Largest first, those of equal size by their id."""
        order = np.argsort(-size, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(size[order])) + 1, len(order))
        start = 0
        for end in ends.tolist():
            yield from sorted(rows[order[start:end]].tolist(), key=lambda row: self._describe(row)[1])
            start = end

    def _read(self, rows: pa.Table) -> tuple[IntArray, IntArray, IntArray, FloatArray] | None:
        """Which pair, checkpoint and side each value of a part belongs to; remembers pairs that are new."""
        at = [self._checkpoints.get(str(name), -1) for name in rows["checkpoint"].to_pylist()]
        rows = rows.filter(pa.array(np.array(at, dtype=np.int64) >= 0))
        if not rows.num_rows:
            return None
        codes = {name: self._code(name, rows[name].to_pylist()) for name in _ABOUT}
        known = len(self._places)
        # One number for probe and item: a million tuples would be much of the report's memory.
        names = (codes["probe"] << 40) | codes["item"]
        places = np.array([self._places.setdefault(one, len(self._places)) for one in names.tolist()], dtype=np.int64)
        seen, first = np.unique(places, return_index=True)
        for name, own in codes.items():
            self._codes[name].append(own[first[seen >= known]])
        checkpoint = np.array([one for one in at if one >= 0], dtype=np.int64)
        side = np.array([SIDES.index(label) for label in rows["candidate"].to_pylist()], dtype=np.int64)
        return places, checkpoint, side, rows["value"].to_numpy()

    def _code(self, name: str, texts: Iterable[Any]) -> IntArray:
        known = self._texts[name]
        return np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int64)


def read_error(path: Path, error: Exception) -> UsageError:
    """What to say of a table that cannot be read."""
    problem = "No such file" if not path.exists() else one_line(error)
    return UsageError(f"cannot be read: {problem}", where=str(path), fix="Run the same audit again.")


def _parts(path: Path, render: str) -> Iterator[pa.Table]:
    """The rows of marked pairs that are asked for their own sake."""
    wanted: dict[str, Any] = {"render": render, "role": "marked", "valence": "harm"}
    design, baseline = pc.field("design"), pc.field("baseline")
    conditions = [pc.field("candidate").isin(list(SIDES)), *(pc.field(name) == value for name, value in wanted.items())]
    # Names are asked to hold others against them; rows of the other design without a baseline, to be subtracted.
    conditions += [design != "naming", (design != "responsiveness") | (pc.is_valid(baseline) & (baseline != ""))]
    chosen = reduce(and_, conditions)
    columns = [*_ABOUT, *wanted, "checkpoint", "candidate", "value", "baseline"]
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
