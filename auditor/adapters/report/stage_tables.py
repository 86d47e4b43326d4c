"""What each stage contributed to the levels of one probe's identities, and how many items crossed the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.adapters.report.cells import Cell
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.results_schema import ContributionRow, PersistenceRow, Results, TransitionsRow


@dataclass(frozen=True, slots=True)
class StageTables:
    """Along one path of training, in the order of its stages and of the verdict table.

    Attributes:
        contributions: of each identity, a row a stage; the first is the level of the first checkpoint.
        transitions: of items, marked identities first, then control identities; a row a stage.
        persistences: of the whole path, marked identities first, then the controls of each axis together.
    """

    contributions: tuple[tuple[ContributionRow, ...], ...]
    transitions: tuple[TransitionsRow, ...]
    persistences: tuple[PersistenceRow, ...]


def stage_tables(results: Results, probe: str, cells: Sequence[Cell], branch: Branch, render: str) -> StageTables:
    """The stages behind one probe's leading cells at one leaf."""
    order = {(cell.identity, cell.axis, cell.last.design): at for at, cell in enumerate(cells)}
    contrast = cells[0].last.contrast if cells else None
    groups: dict[int, list[ContributionRow]] = {}
    for one in results.contributions:
        at = order.get((one.identity, one.axis, one.design))
        if at is not None and (one.probe, one.render, one.contrast, one.leaf) == (probe, render, contrast, branch.leaf):
            groups.setdefault(at, []).append(one)
    designs = {cell.last.design for cell in cells}
    transitions = [
        one
        for one in results.transitions
        if (one.probe, one.render, one.contrast) == (probe, render, contrast)
        and one.design in designs
        and one.checkpoint in branch.path
    ]

    persistences = [
        one
        for one in results.persistences
        if (one.probe, one.render, one.contrast, one.checkpoint) == (probe, render, contrast, branch.leaf)
        and one.design in designs
    ]

    def place(one: TransitionsRow | PersistenceRow) -> tuple[bool, int, str]:
        who = one.identity or ""
        return one.role != "marked", order.get((who, one.axis, one.design), len(order)), who

    return StageTables(
        tuple(tuple(groups[at]) for at in sorted(groups)),
        tuple(sorted(transitions, key=place)),
        tuple(sorted(persistences, key=place)),
    )
