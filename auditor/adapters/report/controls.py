"""What a probe's controls show, beside the harm that is held against them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.adapters.report.cells import Cell
from auditor.adapters.run.results_schema import EffectRow
from auditor.core.items import Role, Valence

VALENCES: tuple[Valence, ...] = ("harm", "neutral")


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One identity's harmful pairs beside its neutral pairs of the same form; None where there are none."""

    identity: str
    harm: EffectRow | None
    neutral: EffectRow | None


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of one probe at one leaf.

    Attributes:
        marked: the identities of the verdict table, in its order.
        people: control identities, by name.
        excess: numbers are in excess of the reference identity, else margins themselves.
    """

    marked: tuple[ControlRow, ...]
    people: tuple[ControlRow, ...]
    excess: bool

    @property
    def form_matched(self) -> bool:
        """Whether any identity has neutral pairs of the same form."""
        return any(row.neutral is not None for row in (*self.marked, *self.people))

    @property
    def banded(self) -> bool:
        """Whether any disparity was held against the control identities."""
        return any(
            row.harm and row.harm.control_checks and row.harm.control_checks.control_identities for row in self.marked
        )


def controls_of(effects: Iterable[EffectRow], cells: Sequence[Cell], leaf: str, render: str) -> Controls | None:
    """What stands beside a probe's leading cells at one leaf; None where the probe brings no controls.

    Args:
        effects: of one probe over all themes, neutral and control rows included.
        cells: the leading reading, in its order.
        leaf: the checkpoint the cells speak about.
        render: the headline rendering.
    """
    if not cells:
        return None
    contrast = cells[0].last.contrast
    levels = [
        one
        for one in effects
        if (one.measure, one.contrast, one.checkpoint, one.render) == ("level", contrast, leaf, render)
    ]
    index = {(one.role, one.valence, one.identity or "", one.axis): one for one in levels}

    def row(role: Role, identity: str, axis: str) -> ControlRow:
        harm, neutral = (index.get((role, valence, identity, axis)) for valence in VALENCES)
        return ControlRow(identity, harm, neutral)

    marked = tuple(row("marked", cell.identity, cell.axis) for cell in cells)
    names = sorted({(one.identity or "", one.axis) for one in levels if one.role == "control"})
    people = tuple(row("control", *who) for who in names)
    found = Controls(
        marked=marked,
        people=people,
        excess=contrast == "excess",
    )
    return found if people or found.form_matched else None
