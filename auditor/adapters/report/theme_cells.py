"""What lies behind one probe's leading cells: their levels theme by theme, at one leaf."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.adapters.report.cells import Cell
from auditor.adapters.run.results_schema import EffectRow, Results


def themes_of(results: Results, probe: str, cells: Sequence[Cell], leaf: str, render: str) -> tuple[EffectRow, ...]:
    """Levels of the cells' identities on single themes, in the order of the file; refused ones included."""
    wanted = {(cell.identity, cell.axis, cell.last.design, cell.last.contrast) for cell in cells}
    place = (probe, "level", leaf, render, "marked", "harm")
    return tuple(
        one
        for one in results.effects
        if one.theme is not None
        and (one.probe, one.measure, one.checkpoint, one.render, one.role, one.valence) == place
        and (one.identity, one.axis, one.design, one.contrast) in wanted
    )
