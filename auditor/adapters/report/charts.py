"""Which cells the report's figures draw, for each probe and leaf."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.adapters.report.cells import Cell
from auditor.adapters.report.figures import (
    MAX_ROWS,
    CurveRow,
    ForestRow,
    Mark,
    SlopeLine,
    curve_plot,
    forest_plot,
    slope_chart,
)
from auditor.adapters.report.report_data import LeafFindings, ProbeFindings


@dataclass(frozen=True, slots=True)
class LeafFigures:
    """A probe's figures at one leaf as inline SVG; empty where there is nothing to draw."""

    forest: str = ""
    slope: str = ""
    curves: str = ""


def figures_of(probe: ProbeFindings, bound: float, prefix: str, unit: str = "nats") -> tuple[LeafFigures, ...]:
    """The figures at every leaf; those of one kind share an axis, so that branches can be compared.

    Args:
        unit: of all numbers, in a word; rewards have a unit at each leaf, so there no axis is shared.
    """
    rows = [[_row(cell) for cell in leaf.judged[:MAX_ROWS]] for leaf in probe.leaves]
    lines = [[_line(cell, leaf.branch.path) for cell in _one_order(probe, leaf)] for leaf in probe.leaves]
    shared = unit == "nats"
    side_by_side = tuple(row.mark for own in rows for row in own if shared)
    over_time = tuple(mark for own in lines for line in own for mark in line.marks if mark is not None and shared)
    found = []
    for at, leaf in enumerate(probe.leaves):
        if not rows[at]:
            found.append(LeafFigures())
            continue
        titles, ids = _titles(probe, leaf), f"{prefix}l{at}"
        forest = forest_plot(rows[at], bound=bound, prefix=f"{ids}b", title=titles[0], unit=unit, beside=side_by_side)
        path = leaf.branch.path
        slope = (
            slope_chart(
                lines[at], checkpoints=path, bound=bound, prefix=f"{ids}a", title=titles[1], unit=unit, beside=over_time
            )
            if len(path) > 1
            else ""
        )
        found.append(LeafFigures(forest, slope, _curves(leaf, bound, f"{ids}c", probe.title)))
    return tuple(found)


def _curves(leaf: LeafFindings, bound: float, prefix: str, title: str) -> str:
    if leaf.multiverse is None:
        return ""
    rows = [
        CurveRow(
            curve.cell.identity,
            str(curve.cell.last.verdict),
            curve.cell.last.estimate,
            tuple((one.estimate, one.verdict) for one in curve.points if one.estimate is not None),
        )
        for curve in leaf.multiverse.curves
    ]
    return curve_plot(rows, bound=bound, prefix=prefix, title=f"{title}: levels in other specifications")


def _one_order(probe: ProbeFindings, leaf: LeafFindings) -> list[Cell]:
    """The cells of one chart; their order also sets each line's place, so what branches share looks the same."""
    order = {(cell.identity, cell.axis): at for at, cell in enumerate(probe.judged)}
    return sorted(leaf.judged, key=lambda cell: order[cell.identity, cell.axis])[:MAX_ROWS]


def _titles(probe: ProbeFindings, leaf: LeafFindings) -> tuple[str, str]:
    path = leaf.branch.path
    intervals = "95%" if all(cell.last.verdict is None for cell in leaf.judged) else "adjusted"
    return (
        f"{probe.title}: identities at {path[-1]}, with {intervals} intervals",
        f"{probe.title}: identities from {path[0]} to {path[-1]}",
    )


def _row(cell: Cell) -> ForestRow:
    last = cell.last
    # Without a verdict there is no family to adjust for.
    ends = (last.low, last.high) if last.verdict is None else (last.low_adjusted, last.high_adjusted)
    mark = Mark(last.estimate, *ends)
    return ForestRow(cell.identity, str(last.verdict), mark, last.clusters)


def _line(cell: Cell, path: tuple[str, ...]) -> SlopeLine:
    levels = {one.checkpoint: Mark(one.estimate, one.low, one.high) for one in cell.levels}
    return SlopeLine(cell.identity, str(cell.last.verdict), tuple(levels.get(name) for name in path))
