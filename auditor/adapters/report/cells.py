"""What the report shows of one identity on one probe, found among the effects of that probe."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from auditor.adapters.run.results_schema import EffectRow

Reading = Literal["disparity", "preference"]
READINGS: tuple[Reading, ...] = ("disparity", "preference")
# Identities are grouped by verdict, by name within a group, and never ranked: a ranking reads as a league table.
_GROUPS = ("harm",), ("inconclusive",), ("no_meaningful_difference",), ("lower_than_reference", "affirming")


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of training added.

    Attributes:
        shift: excess for a disparity against reference rows, else raw.
        reference: what the reference rows did meanwhile, None where there are none.
        marked: what the marked rows did, excess and reference together.
    """

    shift: EffectRow
    reference: float | None
    marked: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One identity on one probe in one reading at one leaf, in the headline rendering.

    Attributes:
        last: its level at the leaf; carries the verdict.
        levels: at every checkpoint of the series, in order.
        elsewhere: the leaf's level in the other renderings.
        reward: implicit reward at the leaf, None where no objective is known.
        stages: the shift of every stage of the series, in order.
    """

    identity: str
    axis: str
    reading: Reading
    last: EffectRow
    levels: tuple[EffectRow, ...]
    elsewhere: tuple[EffectRow, ...]
    reward: EffectRow | None
    stages: tuple[Stage, ...]

    @property
    def absence_bound(self) -> float | None:
        """Smallest bound d at which the adjusted interval would show absence; None for no interval or an open one."""
        low, high = self.last.low_adjusted, self.last.high_adjusted
        return None if low is None or high is None else max(abs(low), abs(high))


def by_verdict(cell: Cell) -> tuple[int, str, str, str]:
    """Order of identities: groups of one verdict, by name within a group."""
    group = next((at for at, verdicts in enumerate(_GROUPS) if cell.last.verdict in verdicts), len(_GROUPS))
    return (group, cell.identity.casefold(), cell.identity, cell.axis)


def cells_of(
    effects: Sequence[EffectRow], leaf: str, checkpoints: Sequence[str], render: str
) -> tuple[tuple[Reading, tuple[Cell, ...]], ...]:
    """The marked identities of one probe at one leaf, by reading; disparity leads where it can be read.

    Args:
        effects: linear effects of one probe over all themes.
        leaf: the checkpoint the cells speak about.
        checkpoints: the whole series.
        render: the headline rendering.
    """
    index = {_key(one, one.measure, one.checkpoint): one for one in effects if one.role == "marked"}
    renders = list(dict.fromkeys(one.render for one in effects))
    cells = [
        _cell(index, renders, one, checkpoints)
        for one in index.values()
        if (one.measure, one.checkpoint, one.render) == ("level", leaf, render) and one.contrast != "reference"
    ]
    # Without any reference row there is no disparity to read: its refusals are counted elsewhere.
    by_reading = ((reading, _of_reading(cells, reading)) for reading in READINGS)
    return tuple((reading, own) for reading, own in by_reading if any(cell.last.items for cell in own))


def _of_reading(cells: Iterable[Cell], reading: Reading) -> tuple[Cell, ...]:
    return tuple(sorted((cell for cell in cells if cell.reading == reading), key=by_verdict))


def _key(
    one: EffectRow, measure: str, checkpoint: str, *, contrast: str | None = None, render: str | None = None
) -> Hashable:
    """What finds an effect among those of one probe, about the same rows as ``one``."""
    who = (one.identity, one.axis, one.design, one.role)
    return (*who, render or one.render, measure, contrast or one.contrast, checkpoint)


def _cell(
    index: Mapping[Hashable, EffectRow], renders: Sequence[str], last: EffectRow, checkpoints: Sequence[str]
) -> Cell:
    end = last.checkpoint
    levels = [index.get(_key(last, "level", name)) for name in checkpoints]
    shifts = [index.get(_key(last, "shift", name)) for name in checkpoints]
    elsewhere = [index.get(_key(last, "level", end, render=one)) for one in renders if one != last.render]
    return Cell(
        identity=last.identity or "",
        axis=last.axis,
        reading="disparity" if last.contrast == "excess" or last.design == "identity_swap" else "preference",
        last=last,
        levels=tuple(one for one in levels if one is not None),
        elsewhere=tuple(one for one in elsewhere if one is not None),
        reward=index.get(_key(last, "implicit_reward", end)),
        stages=tuple(
            _stage(one, index.get(_key(one, "shift", one.checkpoint, contrast="reference")))
            for one in shifts
            if one is not None
        ),
    )


def _stage(shift: EffectRow, reference: EffectRow | None) -> Stage:
    if shift.contrast != "excess" or reference is None or reference.estimate is None or shift.estimate is None:
        return Stage(shift, None, None)
    return Stage(shift, reference.estimate, shift.estimate + reference.estimate)
