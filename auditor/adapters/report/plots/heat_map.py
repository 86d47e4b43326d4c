"""Identity by theme: where the difference over all themes comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import (
    LOOKS,
    MAX_ROWS,
    STRONG,
    KeyEntry,
    Mark,
    draw_key,
    draw_marks,
    drawn_of,
    key_lines,
    look_of,
    mark_key,
    people,
    side_room,
    with_interval,
)
from auditor.adapters.report.plots.heat_scale import bound_for, cell_box, colour_cell, draw_cell, draw_scale, frame_key
from auditor.adapters.report.plots.svg import INK, MUTED, RULE, Canvas, text_width
from auditor.core.effects import MIN_THEME_CLUSTERS

MAX_THEMES = 12
_WIDEST, _APART = 0.66, 0.1  # inches of a column at most, and between all themes and the first


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One identity on one theme; without an estimate it was refused."""

    mark: Mark
    verdict: str
    clusters: int

    @property
    def descriptive(self) -> bool:
        """Too few predicates for a verdict."""
        return self.mark.estimate is not None and self.clusters < MIN_THEME_CLUSTERS


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One identity: over all themes, and on each of them, None where it was not asked."""

    label: str
    whole: HeatCell
    cells: tuple[HeatCell | None, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Levels by identity and theme; at most 40 identities and 12 themes are drawn (`ForestPlot` for the others)."""

    rows: Sequence[HeatRow]
    themes: Sequence[str]
    bound: float
    title: str
    unit: str = "nats"

    @property
    def names(self) -> Sequence[str]:
        return [row.label for row in self.rows[:MAX_ROWS]]

    @property
    def narrow(self) -> bool:
        return len(self.themes) <= 3

    def alternative(self) -> str:
        drawn = [cell for row in self.rows[:MAX_ROWS] for cell in (row.whole, *row.cells[:MAX_THEMES]) if cell]
        hatched = sum(cell.descriptive for cell in drawn)
        found = [
            (abs(cell.mark.estimate), row.label, theme, cell)
            for row in self.rows
            for theme, cell in zip(self.themes, row.cells, strict=True)
            if cell and cell.mark.estimate is not None
        ]
        said = f"{people(len(self.rows))} by {len(self.themes)} {'theme' if len(self.themes) == 1 else 'themes'}."
        said += drawn_of(MAX_ROWS, len(self.rows), "identities") + drawn_of(MAX_THEMES, len(self.themes), "themes")
        if not found:
            return said + " No cell has an estimate."
        if self.bound:
            above = sum((cell.mark.estimate or 0.0) > self.bound for *_, cell in found)
            below = sum((cell.mark.estimate or 0.0) < -self.bound for *_, cell in found)
            said += (
                f" Of {len(found)} cells, {above} lie above d = {self.bound:.2f} {self.unit} and {below} below \u2212d."
            )
        _, label, theme, cell = max(found, key=lambda one: one[0])
        said += f" Farthest from 0: {label[:60]} on {theme[:60]}, {with_interval(cell.mark)}."
        if hatched:
            said += f" Hatched cells ({hatched}, all themes included) have fewer than {MIN_THEME_CLUSTERS} predicates,"
            said += " too few for a verdict, and describe only."
        return said

    def table(self) -> Table:
        numbers = (f"{one} ({self.unit})" for one in ("estimate", "low", "high"))
        header = ("identity", "theme", *numbers, "clusters", "verdict")
        rows: list[tuple[Value, ...]] = []
        for row in self.rows:
            for theme, cell in zip(("all themes", *self.themes), (row.whole, *row.cells), strict=True):
                if cell:
                    mark = cell.mark
                    values = (mark.estimate, mark.low, mark.high, cell.clusters, cell.verdict)
                    rows.append((row.label, theme, *values))
        return Table(header, tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        grid = _grid(canvas, self)
        heads = ("all themes", *self.themes[:MAX_THEMES])
        for at, theme in enumerate(heads):
            _head(canvas, grid, at, theme)
        for y, row in enumerate(self.rows[:MAX_ROWS]):
            canvas.put(grid.axes, -0.1, y, row.label, room=grid.left - 0.14, ha="right")
            for at, cell in enumerate((row.whole, *row.cells[:MAX_THEMES])):
                _cell(canvas, grid, (grid.x(at), y), cell, self.bound or grid.unbound)
        _key(canvas, grid, self)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Axes in inches across and rows down; a column is ``column`` inches wide."""

    axes: Axes
    left: float
    column: float
    upright: bool
    unbound: float

    def x(self, at: int) -> float:
        """The left edge of a column."""
        return at * self.column + (_APART if at else 0.0)


def _grid(canvas: Canvas, plot: HeatMap) -> _Grid:
    """The figure's height and the grid's place in it."""
    medium, shown = canvas.medium, plot.rows[:MAX_ROWS]
    heads = ("all themes", *plot.themes[:MAX_THEMES])
    left = side_room([row.label for row in shown], medium)
    widths = [min(text_width(theme[:500], medium.small), 1.3) for theme in heads]
    free = medium.width - left - _APART - 0.1
    column = min(free / len(heads), _WIDEST)
    upright = max(widths) > column - 0.06
    if upright:
        # Leaning heads reach beyond their columns, the last one beyond the grid.
        free -= max(0.0, 0.72 * widths[-1] - column / 2)
        column = min(free / len(heads), _WIDEST)
    top = 0.72 * max(widths) + 0.2 if upright else 0.28
    bottom = 0.62 + 0.19 * len(key_lines(_entries(plot), medium))
    row, count = medium.pitch, max(len(shown), 1)
    canvas.figure.set_figheight(round(top + row * count + bottom, 2))
    across = medium.width - left
    axes = canvas.axes(left, bottom, across, row * count)
    axes.set_xlim(0, across)
    axes.set_ylim(count - 0.5, -0.5)
    estimates = [abs(cell.mark.estimate or 0.0) for one in shown for cell in (one.whole, *one.cells) if cell]
    return _Grid(axes, left, column, upright, bound_for(max(estimates, default=0.0)))


def _head(canvas: Canvas, grid: _Grid, at: int, theme: str) -> None:
    row, centre = canvas.medium.pitch, grid.x(at) + grid.column / 2
    style: dict[str, Any] = {"small": True, "color": INK if at else MUTED, "room": 1.3}
    if grid.upright:
        canvas.put(grid.axes, centre, -0.5 - 0.06 / row, theme, rotation=45, rotation_mode="anchor", ha="left",
                   va="baseline", **style)  # fmt: skip
    else:
        canvas.put(grid.axes, centre, -0.5 - 0.12 / row, theme, ha="center", **style)


def _cell(canvas: Canvas, grid: _Grid, place: tuple[float, float], cell: HeatCell | None, bound: float) -> None:
    """Colour and number; a cross in an empty frame where it was refused, a dash where it was not asked."""
    middle, y = place[0] + grid.column / 2, place[1]
    if cell is None:
        canvas.put(grid.axes, middle, y, "\u2013", ha="center", small=True, color=MUTED)
    elif cell.mark.estimate is None:
        box = cell_box(canvas, place, grid.column)
        grid.axes.add_patch(Rectangle(**box, fc="none", ec=RULE, lw=0.6, ls=(0, (2, 2))))
        draw_marks(grid.axes, [(middle, y)], look_of("refused"), 4)
    else:
        framed, hatched = cell.verdict in STRONG, cell.descriptive
        draw_cell(canvas, grid.axes, place, grid.column, cell.mark.estimate, bound, framed=framed, hatched=hatched)


def _key(canvas: Canvas, grid: _Grid, plot: HeatMap) -> None:
    """The scale with d marked on it, over what else cells may look like."""
    lines = key_lines(_entries(plot), canvas.medium)
    draw_scale(canvas, grid.left, 0.19 * len(lines), plot.bound or grid.unbound, named=bool(plot.bound))
    draw_key(canvas, lines, grid.left)


def _entries(plot: HeatMap) -> list[KeyEntry]:
    """What frames and cells without a colour mean, of those that are there."""
    cells = [cell for row in plot.rows[:MAX_ROWS] for cell in row.cells[:MAX_THEMES]]
    entries: list[KeyEntry] = []
    judged = [cell for row in plot.rows[:MAX_ROWS] for cell in (row.whole, *row.cells[:MAX_THEMES]) if cell]
    found = [
        look.words for name, look in LOOKS.items() if name in STRONG and any(one.verdict == name for one in judged)
    ]
    if found:
        entries.append(KeyEntry(f"verdict: {' or '.join(found)}", frame_key))
    if any(cell and cell.descriptive for cell in cells):
        entries.append(KeyEntry(f"fewer than {MIN_THEME_CLUSTERS} predicates: descriptive", _hatch_key))
    if any(cell and cell.mark.estimate is None for cell in cells):
        entries.append(mark_key(look_of("refused"), "refused"))
    if any(cell is None for cell in cells):
        entries.append(KeyEntry("not asked", _dash_key))
    return entries


def _hatch_key(axes: Axes, x: float, y: float) -> None:
    colour_cell(axes, {"xy": (x - 0.07, y - 0.055), "width": 0.14, "height": 0.11}, 0, hatched=True)


def _dash_key(axes: Axes, x: float, y: float) -> None:
    axes.plot([x - 0.04, x + 0.04], [y, y], color=MUTED, lw=1)
