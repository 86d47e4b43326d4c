"""Which layers and modules a shift is allocated to: an identity's excess beside its reference rows, on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import KeyEntry, draw_key, key_lines, side_room, two_digits
from auditor.adapters.report.plots.heat_scale import bound_for, draw_cell, draw_scale, frame_key
from auditor.adapters.report.plots.svg import MUTED, Canvas

# Rows of layers; those of deeper models are drawn together.
MAX_LAYERS = 32
# Of a row: all of it, and what of it stands in which module.
ALL, MODULES = "all", ("attention", "mlp", "other")
_COLUMNS = (ALL, *MODULES)
_HEADS = {ALL: "all", "attention": "attention", "mlp": "MLP", "other": "other"}
_WIDEST, _APART, _GAP, _EDGE = 0.6, 0.06, 0.34, 0.1  # inches: of a column, after the first, between panels, at the edge

Place = tuple[str, str]  # row, column


@dataclass(frozen=True, slots=True)
class LayerCell:
    """The part of one module of one layer, or of all of it.

    Attributes:
        telling: adjusted p below .05; None where parts of several layers are added.
    """

    value: float
    telling: bool | None = None


@dataclass(frozen=True, slots=True)
class LayerPanel:
    """The parts of one number; what a row lacks is not in ``cells``."""

    heading: str
    total: float
    cells: Mapping[Place, LayerCell]


@dataclass(frozen=True, slots=True)
class LayerMap:
    """Panels beside each other, a layer a row.

    Attributes:
        rows: names of layers, and of what stands outside of them.
        largest: size of the largest cell of all maps that are to be compared with this one.
    """

    rows: Sequence[str]
    panels: Sequence[LayerPanel]
    largest: float
    title: str
    unit: str = "nats"

    @property
    def names(self) -> Sequence[str]:
        return self.rows

    @property
    def narrow(self) -> bool:
        return len(self.panels) == 1

    def alternative(self) -> str:
        said = []
        for panel in self.panels:
            whole = {row: cell for (row, column), cell in panel.cells.items() if column == ALL}
            if whole:
                row, cell = max(whole.items(), key=lambda one: abs(one[1].value))
                in_all = f"{panel.heading[:60]}: {two_digits(panel.total)} {self.unit} in all"
                said.append(f"{in_all}, farthest from 0 in {row[:40]}, {two_digits(cell.value)}")
        return f"{len(self.rows)} rows of layers. " + ("; ".join(said) or "No part has an estimate") + "."

    def table(self) -> Table:
        header = ("whose", "layer", "module", f"part ({self.unit})", "adjusted p below .05")
        rows: list[tuple[Value, ...]] = [
            (panel.heading, row, column, cell.value, None if cell.telling is None else "yes" if cell.telling else "no")
            for panel in self.panels
            for (row, column), cell in panel.cells.items()
        ]
        return Table(header, tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        medium, count = canvas.medium, max(len(self.rows), 1)
        telling = any(cell.telling for panel in self.panels for cell in panel.cells.values())
        lines = key_lines([KeyEntry("adjusted p below .05", frame_key)] if telling else [], medium)
        left = side_room(self.rows, medium)
        bottom = 0.62 + 0.19 * len(lines)
        canvas.figure.set_figheight(round(0.55 + medium.pitch * count + bottom, 2))
        free = medium.width - left - _EDGE - _GAP * (len(self.panels) - 1)
        width = min(free / max(len(self.panels), 1), _WIDEST * len(_COLUMNS) + _APART)
        bound = bound_for(self.largest)
        for at, panel in enumerate(self.panels):
            _panel(canvas, self, panel, (left + at * (width + _GAP), bottom, width), bound, named=at == 0)
        draw_scale(canvas, left, 0.19 * len(lines), bound, named=False)
        draw_key(canvas, lines, left)


def _panel(
    canvas: Canvas,
    plot: LayerMap,
    panel: LayerPanel,
    place: tuple[float, float, float],
    bound: float,
    *,
    named: bool,
) -> None:
    (left, bottom, width), row = place, canvas.medium.pitch
    axes = canvas.axes(left, bottom, width, row * max(len(plot.rows), 1))
    axes.set_xlim(0, width)
    axes.set_ylim(max(len(plot.rows), 1) - 0.5, -0.5)
    column = (width - _APART) / len(_COLUMNS)
    starts = [at * column + (_APART if at else 0.0) for at in range(len(_COLUMNS))]
    canvas.put(axes, 0, -0.5 - 0.36 / row, panel.heading, room=width)
    for start, name in zip(starts, _COLUMNS, strict=True):
        canvas.put(axes, start + column / 2, -0.5 - 0.12 / row, _HEADS[name], ha="center", small=True, color=MUTED)
    for y, name in enumerate(plot.rows):
        if named:
            canvas.put(axes, -0.1, y, name, room=left - 0.14, ha="right")
        for start, own in zip(starts, _COLUMNS, strict=True):
            if (cell := panel.cells.get((name, own))) is not None:
                draw_cell(canvas, axes, (start, y), column, cell.value, bound, framed=bool(cell.telling))
