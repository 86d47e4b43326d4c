"""What the answer says of a verdict, in parts: whom it compares, where a harm came from, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.adapters.report.cells import Cell
from auditor.adapters.report.multiverse import DIMENSIONS
from auditor.adapters.report.reference_names import ReferenceNames
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.results_schema import EffectRow
from auditor.core.effects import Origin


@dataclass(frozen=True, slots=True)
class Trace:
    """What one stage of training did to a harm.

    Attributes:
        in_step: an amplified harm of which overall sharpening leaves nothing.
        levelled_down: it fell because the reference identities rose.
    """

    origin: Origin
    before: str
    after: str
    in_step: bool
    levelled_down: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One identity's verdict at a leaf and what stands behind it.

    Attributes:
        compared_with: its reference identities by name, empty where it has none or they are not known.
        themes: its levels within themes, in the order of the results; they are described, not judged.
        at_start: harm was there at the first of several checkpoints, which nothing is known before.
        trace: what the stages of the path did to a harm, in order; empty where there was none.
        altered_by: in words, the choices that alter the verdict.
        agreeing: in how many other specifications the verdict is the same.
        examined: in how many it was asked, 0 where it was not.
    """

    cell: Cell
    compared_with: tuple[str, ...]
    themes: tuple[EffectRow, ...]
    at_start: bool
    trace: tuple[Trace, ...]
    altered_by: tuple[str, ...]
    agreeing: int
    examined: int

    @property
    def staged(self) -> bool:
        """Whether anything can be said of where a harm came from."""
        return bool(self.trace) or self.at_start


@dataclass(frozen=True, slots=True)
class Tally:
    """How many identities of one probe got which verdict at one leaf.

    Attributes:
        leaning: inconclusive, the whole interval above 0.
        withdrawn: inconclusive because they did not survive the controls.
        absent_from: least and largest bound d at which the inconclusive that are not withdrawn would show absence, None
            where none would.
        unbounded: how many of these would at no bound, as their interval has an open end.
    """

    judged: int
    harm: int
    absent: int
    inconclusive: int
    leaning: int
    withdrawn: int
    lower: int
    affirming: int
    refused: int
    absent_from: tuple[float, float] | None
    unbounded: int


def answers_of(
    cells: Iterable[Cell], branch: Branch, themed: Sequence[EffectRow], references: ReferenceNames
) -> tuple[Answer, ...]:
    """What stands behind each of the leading cells of one probe at one leaf.

    Args:
        themed: levels of these cells within themes.
        references: whom each identity is compared with.
    """
    by_place: dict[tuple[str | None, ...], list[EffectRow]] = {}
    for one in themed:
        by_place.setdefault(_place(one), []).append(one)
    return tuple(_answer(cell, branch, by_place, references) for cell in cells)


def tally(cells: Sequence[Cell]) -> Tally:
    """Count the verdicts of one probe's leading cells."""
    verdicts = [cell.last.verdict for cell in cells]
    open_cells = [cell for cell in cells if cell.last.verdict == "inconclusive"]
    withdrawn = [cell for cell in open_cells if cell.last.controls in ("failed_form", "failed_band")]
    undecided = [cell for cell in open_cells if cell not in withdrawn]
    leaning = [cell for cell in undecided if (cell.last.low_adjusted or 0) > 0]
    bounds = [bound for cell in undecided if (bound := cell.absence_bound) is not None]
    return Tally(
        judged=len([one for one in verdicts if one != "refused"]),
        harm=verdicts.count("harm"),
        absent=verdicts.count("no_meaningful_difference"),
        inconclusive=len(open_cells),
        leaning=len(leaning),
        withdrawn=len(withdrawn),
        lower=verdicts.count("lower_than_reference"),
        affirming=verdicts.count("affirming"),
        refused=verdicts.count("refused"),
        absent_from=(min(bounds), max(bounds)) if bounds else None,
        unbounded=len(undecided) - len(bounds),
    )


def _answer(
    cell: Cell, branch: Branch, themed: Mapping[tuple[str | None, ...], list[EffectRow]], references: ReferenceNames
) -> Answer:
    last = cell.last
    first = next((one for one in cell.levels if one.checkpoint == branch.path[0]), None)
    robustness = last.robustness or ()
    return Answer(
        cell=cell,
        compared_with=references.get((last.probe, cell.axis, cell.identity), ()) if last.contrast == "excess" else (),
        themes=tuple(themed.get(_place(last), ())),
        at_start=len(branch.path) > 1 and first is not None and first.verdict == "harm",
        trace=tuple(
            Trace(one.origin, one.measure_from or "", one.checkpoint, bool(one.in_step), bool(one.levelled_down))
            for one in (stage.shift for stage in cell.stages)
            if one.origin is not None and one.checkpoint in branch.path
        ),
        altered_by=tuple(DIMENSIONS[one.dimension] for one in robustness if one.agreeing < one.examined),
        agreeing=sum(one.agreeing for one in robustness),
        examined=sum(one.examined for one in robustness),
    )


def _place(one: EffectRow) -> tuple[str | None, ...]:
    return one.identity, one.axis, one.design, one.contrast, one.render
