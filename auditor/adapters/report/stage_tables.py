"""What each stage contributed to the levels of one probe's identities, and how many items crossed the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.adapters.report.branches import Branch
from auditor.adapters.report.cells import Cell
from auditor.adapters.run.results_schema import ContributionRow, Results, TransitionsRow


@dataclass(frozen=True, slots=True)
class StageTables:
    """Along one path of training, in the order of its stages and of the verdict table.

    Attributes:
        contributions: of each identity, a row a stage; the first is the level of the first checkpoint.
        transitions: of items, marked identities first, then control identities; a row a stage.
    """

    contributions: tuple[tuple[ContributionRow, ...], ...]
    transitions: tuple[TransitionsRow, ...]


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

    def place(one: TransitionsRow) -> tuple[bool, int, str]:
        return one.role != "marked", order.get((one.identity, one.axis, one.design), len(order)), one.identity

    return StageTables(
        tuple(tuple(groups[at]) for at in sorted(groups)),
        tuple(sorted(transitions, key=place)),
    )
