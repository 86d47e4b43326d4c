"""How many items crossed the bound in a stage of training, and how many stayed: a table of before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Contrast, Matching
from auditor.core.items import Design, Role
from auditor.core.measured import Measured
from auditor.core.scores import FloatArray, Render
from auditor.core.series import Series
from auditor.core.statistics import IntArray
from auditor.core.tables import ScoreTable

# A row of counts: below -d, within -d and d, above d.
Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Transitions:
    """The items of one identity before and after one stage.

    Attributes:
        role: ``marked``, or ``control`` for the same table of people not known to be stigmatised.
        contrast: ``excess``, or ``raw`` in an identity swap.
        counts: first index before, second after: below -d, within, above d.
    """

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    role: Role
    contrast: Contrast
    checkpoint: str
    measure_from: str
    counts: tuple[Counts, Counts, Counts]


def transitions_of(table: ScoreTable, matching: Matching, series: Series, bound: float) -> tuple[Transitions, ...]:
    """Every marked and control identity's transitions at every stage.

    Args:
        bound: d in nats; what lies within -d and d counts as no preference for either side, so that an item that
            trembles around 0 does not count as changed.
    """
    margins = table.sides.margins()
    everything = np.ones(len(margins), dtype=bool)
    levels = {name: Measured(matching, margins[:, at], everything) for at, name in enumerate(table.checkpoints)}
    found = []
    for cell in table.cells:
        if cell.role == "reference" or cell.valence != "harm" or cell.theme is not None:
            continue
        contrast: Contrast = "raw" if cell.design == "identity_swap" else "excess"
        rows = levels[table.checkpoints[0]].usable(cell.rows, contrast)
        places = {name: _side(level.values(rows, contrast), bound) for name, level in levels.items()}
        for one in series.checkpoints:
            if one.reference is not None and len(rows):
                counts = _counts(places[one.reference], places[one.name])
                who = (cell.identity, cell.axis, cell.design, table.render, cell.role, contrast)
                found.append(Transitions(table.probe.name, *who, one.name, one.reference, counts))
    return tuple(found)


def _side(values: FloatArray, bound: float) -> IntArray:
    """0 below -bound, 1 within, 2 above bound."""
    side: IntArray = (values >= -bound).astype(np.intp) + (values > bound)
    return side


def _counts(before: Sequence[int] | IntArray, after: IntArray) -> tuple[Counts, Counts, Counts]:
    table = np.bincount(3 * np.asarray(before) + after, minlength=9).reshape(3, 3).tolist()
    first, second, third = ((int(row[0]), int(row[1]), int(row[2])) for row in table)
    return first, second, third
