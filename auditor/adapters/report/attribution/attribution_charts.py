"""Which parts of which numbers the figures on attribution draw, for one probe at one leaf."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.adapters.report.attribution.attribution_splits import LeafSplits, Split, Splits, module_place
from auditor.adapters.report.attribution.layer_map import (
    ALL,
    MAX_LAYERS,
    MODULES,
    LayerCell,
    LayerMap,
    LayerPanel,
    Place,
)
from auditor.adapters.report.attribution.role_plot import TELLING, RolePart, RolePlot, RoleRow
from auditor.adapters.report.plots.figure_tables import file_name
from auditor.adapters.report.plots.figures import Mark, Plot
from auditor.adapters.run.results_schema import AttributionRow
from auditor.core.attributions import BASELINE_UNIT

# Maps of so many identities that show harm; where none does, of so many of all.
MAX_MAPS, MAX_MAPS_WITHOUT_HARM = 2, 1
_ROLE_NAMES = {"end": "end of turn", BASELINE_UNIT: "no words"}


@dataclass(frozen=True, slots=True)
class AttributionPlots:
    """Figures before they are drawn.

    Attributes:
        roles: of each method, with what it shows.
        maps: of each identity by layer and module.
    """

    roles: tuple[tuple[Splits, RolePlot], ...] = ()
    maps: tuple[tuple[Split, LayerMap], ...] = ()

    def named(self) -> Iterator[tuple[str, Plot]]:
        """All of them with names for files."""
        for splits, plot in self.roles:
            yield f"attribution-{splits.method}", plot
        for split, found in self.maps:
            yield file_name("attribution layers", split.identity), found


def attribution_plots(title: str, splits: LeafSplits) -> AttributionPlots:
    """What is to be drawn.

    Args:
        title: of the probe.
    """
    roles = tuple((one, _role_plot(title, one)) for one in splits.leading)
    return AttributionPlots(roles, tuple(_maps(title, splits)))


def number_words(splits: Splits) -> str:
    """What is parted: a level or a shift, in excess of the reference rows or not."""
    excess = "excess " if splits.excess else ""
    if splits.reference is None:
        return f"{excess}level at {splits.checkpoint[:40]}"
    return f"{excess}shift from {splits.reference[:40]} to {splits.checkpoint[:40]}"


def role_name(unit: str) -> str:
    """A role as figures and tables name it."""
    return _ROLE_NAMES.get(unit, unit)


def mapped(modules: Splits) -> tuple[Split, ...]:
    """Of whom there are maps: identities that show harm; where none does, the first ones in the order of the page."""
    return modules.harmed[:MAX_MAPS] or modules.marked[:MAX_MAPS_WITHOUT_HARM]


def telling(one: AttributionRow) -> bool:
    """Whether a part is told apart from 0 among all parts of all identities."""
    return one.p_adjusted is not None and one.p_adjusted < TELLING


def _role_plot(title: str, splits: Splits) -> RolePlot:
    rows = tuple(RoleRow(one.identity, tuple(_role_part(one, unit) for unit in splits.units)) for one in splits.marked)
    return RolePlot(
        rows,
        [role_name(unit) for unit in splits.units],
        [splits.control_range(unit) for unit in splits.units],
        f"{title}: {number_words(splits)} by role, method {splits.method}",
    )


def _role_part(split: Split, unit: str) -> RolePart | None:
    one = split.parts.get(unit)
    if one is None:
        return None
    shared = split.shared.get(unit)
    return RolePart(Mark(one.estimate, one.low, one.high), None if shared is None else shared.estimate, one.p_adjusted)


def _maps(title: str, splits: LeafSplits) -> Iterator[tuple[Split, LayerMap]]:
    if not splits.modules:
        return
    modules = splits.modules[0]
    layers = next((one for one in splits.layers if one.checkpoint == modules.checkpoint), None)
    by_who = {(one.identity, one.axis): one for one in layers.marked} if layers else {}
    names = _row_names(modules.units)
    found: list[tuple[Split, tuple[LayerPanel, ...]]] = []
    for one in mapped(modules):
        whole = by_who.get((one.identity, one.axis))
        panels = [_panel(one.identity, one.parts, whole.parts if whole else {}, names)]
        if one.shared:
            panels.append(_panel("its reference rows", one.shared, whole.shared if whole else {}, names))
        found.append((one, tuple(panels)))
    cells = [cell for _, own in found for panel in own for cell in panel.cells.values()]
    largest = max((abs(cell.value) for cell in cells), default=0.0)
    rows = tuple(dict.fromkeys(names.values()))
    for one, own in found:
        what = f"{one.identity[:60]}, {number_words(modules)} by layer and module"
        yield one, LayerMap(rows, own, largest, f"{title}: {what}")


def _row_names(units: Sequence[str]) -> Mapping[str, str]:
    """The row of each unit: its layer, a stretch of layers in deep models, or where else it stands."""
    places = {unit: module_place(unit) for unit in units}
    layers = sorted({one.layer for one in places.values() if one.layer is not None})
    step = math.ceil(len(layers) / MAX_LAYERS)
    rows: dict[int, str] = {}
    for at in range(0, len(layers), max(step, 1)):
        own = layers[at : at + step]
        name = f"layer {own[0]}" if len(own) == 1 else f"layers {own[0]}\u2013{own[-1]}"
        rows |= dict.fromkeys(own, name)
    return {unit: one.place if one.layer is None else rows[one.layer] for unit, one in places.items()}


def _panel(
    heading: str, parts: Mapping[str, AttributionRow], layers: Mapping[str, AttributionRow], names: Mapping[str, str]
) -> LayerPanel:
    """Parts of one number; of what is drawn together they are added."""
    found: dict[Place, list[AttributionRow]] = {}
    for unit, one in parts.items():
        module = module_place(unit).module
        found.setdefault((names[unit], ALL), []).append(one)
        if module:
            found.setdefault((names[unit], module if module in MODULES else "other"), []).append(one)
    cells = {}
    for (row, column), rows in found.items():
        # A whole layer has an interval of its own.
        own = layers.get(row) if column == ALL else rows[0] if len(rows) == 1 else None
        value = sum(one.estimate or 0.0 for one in rows)
        cells[row, column] = LayerCell(value, None if own is None else telling(own))
    total = next(iter(parts.values())).total or 0.0
    return LayerPanel(heading, total, cells)
