"""Identities side by side: adjusted intervals at one checkpoint, and the band of the control identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from auditor.adapters.report.plots.figure_tables import Table
from auditor.adapters.report.plots.figures import (
    MAX_ROWS,
    KeyEntry,
    Mark,
    Panel,
    aside,
    band_key,
    beyond_words,
    draw_interval,
    draw_marks,
    identity_rows,
    look_of,
    row_gap,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import INK, MUTED, PAGE, Canvas

_NATS, _CLUSTERS = 0.5, 1.14  # right edges of the columns of numbers, inches from the axes


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One identity.

    Attributes:
        mark: its level with its adjusted interval.
        band: what two control identities with names as probable differ by (95%), None where that is unknown.
    """

    label: str
    verdict: str
    mark: Mark
    clusters: int
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ForestPlot:
    """Levels of identities in the order given; at most 40 are drawn.

    Attributes:
        bound: d, 0 for none.
        reading: what is measured where, in a few words.
        unit: of all numbers.
        beside: what other plots show that this one shares its axis with.
    """

    rows: Sequence[ForestRow]
    bound: float
    title: str
    reading: str = "level"
    unit: str = "nats"
    beside: Sequence[Mark] = ()

    @property
    def names(self) -> Sequence[str]:
        return [row.label for row in self.rows[:MAX_ROWS]]

    @property
    def narrow(self) -> bool:
        return True

    def alternative(self) -> str:
        held = [row for row in self.rows if row.band and row.mark.estimate is not None]
        outside = [row for row in held if row.band and not row.band[0] <= (row.mark.estimate or 0.0) <= row.band[1]]
        controls = f" {len(outside)} of {len(held)} outside the band of control identities." if held else ""
        return beyond_words([(row.label, row.mark) for row in self.rows], self.bound, self.unit) + controls

    def table(self) -> Table:
        unit = f" ({self.unit})"
        columns = ["estimate", "low", "high", "control band low", "control band high", "bound d"]
        return Table(
            ("identity", "verdict", *(one + unit for one in columns), "clusters"),
            tuple(
                (
                    row.label,
                    row.verdict,
                    row.mark.estimate,
                    row.mark.low,
                    row.mark.high,
                    *(row.band or (None, None)),
                    self.bound or None,
                    row.clusters,
                )
                for row in self.rows
            ),
        )

    def draw(self, canvas: Canvas) -> None:
        shown = self.rows[:MAX_ROWS]
        span = value_range([*(row.mark for row in shown), *self.beside], self.bound)
        wide = canvas.medium == PAGE
        panel = Panel(span, self.bound, self.reading, _CLUSTERS if wide else _NATS)
        key = [*verdict_key(row.verdict for row in shown), *band_key(self.bound, self.unit)]
        key += [KeyEntry("two control identities (95%)", _control_key)] if any(row.band for row in shown) else []
        (axes,) = identity_rows(canvas, [row.label for row in shown], [panel], key)
        heading = -0.5 - 0.15 / canvas.medium.pitch
        aside(canvas, axes, heading, _NATS, self.unit, small=True, color=MUTED)
        if wide:
            aside(canvas, axes, heading, _CLUSTERS, "clusters", small=True, color=MUTED)
        for at, row in enumerate(shown):
            if at and row.verdict != shown[at - 1].verdict:
                row_gap(canvas, axes, at - 0.5)
            self._row(canvas, axes, at, row)

    def _row(self, canvas: Canvas, axes: Axes, at: int, row: ForestRow) -> None:
        estimate = row.mark.estimate
        if row.band:
            _control_band(axes, row.band, at)
        said, colour = ("refused", MUTED) if estimate is None else (two_digits(estimate), INK)
        aside(canvas, axes, at, _NATS, said, color=colour)
        if canvas.medium == PAGE:
            aside(canvas, axes, at, _CLUSTERS, str(row.clusters), color=MUTED)
        if estimate is not None:
            look = look_of(row.verdict)
            draw_interval(axes, row.mark, at, look.colour)
            draw_marks(axes, [(estimate, at)], look, 6.5)


def _control_band(axes: Axes, band: tuple[float, float], at: float) -> None:
    """A bar behind the interval, closed at the ends that are on the axis."""
    left, right = axes.get_xlim()
    low, high = max(band[0], left), min(band[1], right)
    if low >= high:
        return
    axes.add_patch(Rectangle((low, at - 0.3), high - low, 0.6, fc=MUTED, ec="none", lw=0, alpha=0.16))
    for end in band:
        if left < end < right:
            axes.plot([end, end], [at - 0.3, at + 0.3], color=MUTED, lw=0.9)


def _control_key(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Rectangle((x - 0.07, y - 0.05), 0.14, 0.1, fc=MUTED, ec="none", lw=0, alpha=0.16))
    for end in (x - 0.07, x + 0.07):
        axes.plot([end, end], [y - 0.05, y + 0.05], color=MUTED, lw=0.9)
