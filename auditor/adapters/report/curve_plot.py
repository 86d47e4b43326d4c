"""Specification curves: each identity's level in every specification, from the lowest to the highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from auditor.adapters.report.figure_tables import Table
from auditor.adapters.report.figures import (
    MAX_ROWS,
    STRONG,
    Look,
    Mark,
    Panel,
    band_key,
    draw_marks,
    identity_rows,
    look_of,
    people,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.svg import INK, Canvas

MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One other specification: what was changed to what, and what came of it."""

    estimate: float
    verdict: str
    dimension: str = ""
    choice: str = ""


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One identity: its own estimate, and those of the other specifications, lowest first."""

    label: str
    verdict: str
    estimate: float | None
    points: tuple[CurvePoint, ...]

    def drawn(self) -> tuple[CurvePoint, ...]:
        """At most 200 of the points: those that alter the verdict before others, then evenly from low to high."""
        if len(self.points) <= MAX_POINTS:
            return self.points
        altered = [at for at, one in enumerate(self.points) if one.verdict != self.verdict]
        kept = _evenly(altered, MAX_POINTS - 2)
        others = sorted(set(range(len(self.points))) - set(altered))
        chosen = {0, len(self.points) - 1, *kept, *_evenly(others, MAX_POINTS - 2 - len(kept))}
        return tuple(self.points[at] for at in sorted(chosen))


@dataclass(frozen=True, slots=True)
class CurvePlot:
    """One identity a row; at most 40 are drawn (`ForestPlot` for the attributes)."""

    rows: Sequence[CurveRow]
    bound: float
    title: str
    reading: str = "level"
    unit: str = "nats"

    @property
    def names(self) -> Sequence[str]:
        return [row.label for row in self.rows[:MAX_ROWS]]

    @property
    def narrow(self) -> bool:
        return True

    def alternative(self) -> str:
        points = sum(len(row.points) for row in self.rows)
        kept = sum(all(one.verdict == row.verdict for one in row.points) for row in self.rows)
        said = f"{people(len(self.rows))}, {points} specifications. The verdict is the same in all of them for {kept}."
        spreads = [(row.points[-1].estimate - row.points[0].estimate, row) for row in self.rows if row.points]
        if spreads:
            _, row = max(spreads, key=lambda one: one[0])
            ends = f"{two_digits(row.points[0].estimate)} to {two_digits(row.points[-1].estimate)} {self.unit}"
            said += f" Widest: {row.label[:60]}, from {ends}."
        return said

    def table(self) -> Table:
        header = ("identity", "dimension", "choice", f"estimate ({self.unit})", "verdict")
        rows: list[tuple[str | float | None, ...]] = []
        for row in self.rows:
            rows.append((row.label, "the audit's own", "", row.estimate, row.verdict))
            rows += [(row.label, one.dimension, one.choice, one.estimate, one.verdict) for one in row.drawn()]
        return Table(header, tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        shown = self.rows[:MAX_ROWS]
        points = [one for row in shown for one in row.drawn()]
        marks = [*(Mark(one.estimate) for one in points), *(Mark(row.estimate) for row in shown)]
        verdicts = [*(row.verdict for row in shown), *(one.verdict for one in points)]
        panel = Panel(value_range(marks, self.bound), self.bound, f"{self.reading}, {self.unit}")
        key = [*verdict_key(verdicts), *band_key(self.bound, self.unit)]
        (axes,) = identity_rows(canvas, [row.label for row in shown], [panel], key, pitch=1.6)
        for at, row in enumerate(shown):
            _curve(axes, at, row)


def _evenly(places: Sequence[int], count: int) -> list[int]:
    """So many of some places, spread over them; all where there are no more."""
    if len(places) <= count:
        return list(places)
    return [places[at * len(places) // count] for at in range(count)]


def _curve(axes: Axes, at: int, row: CurveRow) -> None:
    """Points from low to high across the row, so that those of equal estimate do not hide each other.

    Verdicts that say something are drawn last: hundreds of others must not hide them.
    """
    looks: dict[Look, list[tuple[float, float]]] = {}
    points = row.drawn()
    for place, one in enumerate(points):
        y = at + 0.36 - 0.72 * (place + 0.5) / len(points)
        looks.setdefault(look_of(one.verdict), []).append((one.estimate, y))
    strong = {look_of(one) for one in STRONG}
    for look in sorted(looks, key=lambda one: one in strong):
        draw_marks(axes, looks[look], look, 2.2)
    if row.estimate is not None:
        axes.plot([row.estimate, row.estimate], [at - 0.4, at + 0.4], color=INK, lw=0.8)
        draw_marks(axes, [(row.estimate, at)], look_of(row.verdict), 7)
