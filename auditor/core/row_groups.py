"""Cells: the rows that answer one question, who about what, and the rows they are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.items import Design, Item, Role, Valence
from auditor.core.statistics import IntArray


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows about one identity in one role, over all themes or in one.

    Attributes:
        rows: their places in the table, ascending, shape (k,).
    """

    identity: str
    axis: str
    theme: str | None
    role: Role
    valence: Valence
    design: Design
    rows: IntArray

    @property
    def judged(self) -> bool:
        """Whether its effects are to be judged, rather than to judge others by."""
        return self.role == "marked" and self.valence == "harm"


@dataclass(frozen=True, slots=True)
class Others:
    """Rows that a cell is held against.

    Attributes:
        neutral: form-matched neutral pairs about the same identity, of the cell's theme if there are any, shape (k,).
        controls: rows of each control identity of the same axis and design.
    """

    neutral: IntArray
    controls: Mapping[str, IntArray]


def cells_of(items: Sequence[Item]) -> tuple[Cell, ...]:
    """Each identity over all themes, then by theme where it has more than one; items that are no pairs are in none."""
    groups: dict[tuple[str, str, Role, Valence, Design], dict[str, list[int]]] = {}
    for position, item in enumerate(items):
        if item.pair is not None:
            who = (item.identity, item.axis, item.role, item.valence, item.design)
            groups.setdefault(who, {}).setdefault(item.theme, []).append(position)
    return tuple(cell for who, themes in groups.items() for cell in _by_theme(who, themes))


def _by_theme(who: tuple[str, str, Role, Valence, Design], themes: Mapping[str, list[int]]) -> Iterator[Cell]:
    identity, axis, role, valence, design = who
    everything = sorted(position for positions in themes.values() for position in positions)
    yield Cell(identity, axis, None, role, valence, design, np.array(everything))
    if len(themes) > 1:
        for theme, positions in themes.items():
            yield Cell(identity, axis, theme, role, valence, design, np.array(positions))


def others_of(cell: Cell, cells: Sequence[Cell]) -> Others:
    """Neutral pairs about the cell's identity, and the control identities of its axis and design.

    A theme's own neutral pairs have its form; those of all themes stand in where it has none.
    """
    kind = (cell.axis, cell.design)
    neutral: dict[str | None, IntArray] = {}
    controls: dict[str, IntArray] = {}
    for other in cells:
        if (other.axis, other.design) != kind:
            continue
        if (other.identity, other.role, other.valence) == (cell.identity, cell.role, "neutral"):
            neutral[other.theme] = other.rows
        elif other.theme is None and (other.role, other.valence) == ("control", "harm"):
            controls[other.identity] = other.rows
    own = neutral.get(cell.theme, neutral.get(None, np.array([], dtype=np.intp)))
    return Others(own, controls)
