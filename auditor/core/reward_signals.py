"""Three numbers that say which of two texts is the better one, of the same items: what is set against what.

    explicit reward     r(harmful) - r(affirming) of a reward model
    implicit reward     beta * (m - m_ref) of a checkpoint whose preference objective is known
    preference          m_ref, the margin of the checkpoint that preference training started from

Each is in a unit of its own, so nothing of them is subtracted: they are compared by ranks, by signs, and in standard
deviations. A value is an excess where the rows of its design have reference rows, else the margin itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.core.contrasts import Contrast, Matching
from auditor.core.items import Design
from auditor.core.measured import Measured
from auditor.core.measures import Measure, measures_of
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray, Render
from auditor.core.series import Series
from auditor.core.statistics import IntArray
from auditor.core.tables import ScoreTable

SignalKind = Literal["explicit_reward", "implicit_reward", "preference"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One of the three at one checkpoint."""

    kind: SignalKind
    measure: Measure

    @property
    def checkpoint(self) -> str:
        """Whose it is."""
        return self.measure.checkpoint


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One signal on the judged rows of one design of a probe, in one rendering.

    Attributes:
        cells: marked identities in harmful pairs, over all themes.
        measured: of all rows of the table.
        items: places in the probe of the rows that have a value, shape (n,).
        values: theirs; ``cluster``: a code of theirs, good within the table; same shape.
    """

    signal: Signal
    cells: tuple[Cell, ...]
    contrast: Contrast
    measured: Measured
    items: IntArray
    values: FloatArray
    cluster: IntArray


def signals_of(series: Series) -> tuple[Signal, ...]:
    """Every signal a series has, in the order of this module.

    Where no objective is known, the preferences are those at the ends of training.
    """
    measures = measures_of(series)
    implicit = [one for one in measures if one.name == "implicit_reward"]
    levels = {one.checkpoint: one for one in measures if one.name == "level"}
    policies = [name for name in series.leaves if series[name].quantity == "logprob"]
    preferred = list(dict.fromkeys(one.measure_from or "" for one in implicit)) or policies
    return (
        *(Signal("explicit_reward", levels[one.name]) for one in series.checkpoints if one.quantity == "reward"),
        *(Signal("implicit_reward", one) for one in implicit),
        *(Signal("preference", levels[name]) for name in preferred),
    )


def hear(
    matched: Sequence[tuple[ScoreTable, Matching]], series: Series
) -> Iterator[tuple[str, Render, Design, tuple[Heard, ...]]]:
    """Every probe, rendering and design with the signals on it, where there are two or more.

    Args:
        matched: tables of policies and of reward models.
    """
    signals = signals_of(series)
    if len(signals) < 2:
        return
    groups: dict[tuple[str, Render], list[tuple[ScoreTable, Matching]]] = {}
    for table, matching in matched:
        groups.setdefault((table.probe.name, table.render), []).append((table, matching))
    for (probe, render), tables in groups.items():
        places = {item.id: at for at, item in enumerate(tables[0][0].probe.items)}
        heard: dict[Design, list[Heard]] = {}
        for signal in signals:
            for table, matching in tables:
                if signal.checkpoint in table.checkpoints:
                    for design, one in _heard(signal, table, matching, places):
                        heard.setdefault(design, []).append(one)
        for design, own in heard.items():
            if len(own) > 1:
                yield probe, render, design, tuple(own)


def _heard(
    signal: Signal, table: ScoreTable, matching: Matching, places: Mapping[str, int]
) -> Iterator[tuple[Design, Heard]]:
    measure = signal.measure
    allowed = table.same_tokens(measure) if measure.same_tokens else np.ones(len(table.items), dtype=bool)
    measured = Measured(matching, table.values(measure), allowed)
    judged = [cell for cell in table.cells if cell.judged and cell.theme is None]
    for design in dict.fromkeys(cell.design for cell in judged):
        cells = tuple(cell for cell in judged if cell.design == design)
        rows = np.concatenate([cell.rows for cell in cells])
        contrast: Contrast = "excess" if matching.matched[rows].any() else "raw"
        chosen = measured.usable(rows, contrast)
        if len(chosen):
            items = np.array([places[table.items[row].id] for row in chosen.tolist()], dtype=np.intp)
            values = measured.values(chosen, contrast)
            yield design, Heard(signal, cells, contrast, measured, items, values, matching.cluster[chosen])
