"""Specification curves: each identity's level in every specification, from the lowest to the highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from auditor.adapters.report.plots.figure_tables import Table
from auditor.adapters.report.plots.figures import (
    MAX_ROWS,
    STRONG,
    KeyEntry,
    Look,
    Mark,
    Panel,
    band_key,
    draw_marks,
    drawn_of,
    identity_rows,
    look_of,
    people,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import INK, MUTED, Canvas

MAX_POINTS = 200
_PITCH = 1.6  # of a row, in rows of the medium
# Points: of a mark of another specification and of the audit's own, and least apart of two marks that look alike.
_MARK, _OWN, _APART = 2.4, 5.5, 4.0


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
        most = max((len(row.points) for row in self.rows), default=0)
        if most > MAX_POINTS:
            said += f" Of more than {MAX_POINTS} of an identity so many are drawn, those that alter the verdict first."
        said += drawn_of(MAX_ROWS, len(self.rows), "identities")
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
        key = [*verdict_key(verdicts), KeyEntry("line: the same verdict", _line_key), *band_key(self.bound, self.unit)]
        (axes,) = identity_rows(canvas, [row.label for row in shown], [panel], key, pitch=_PITCH)
        width = canvas.figure.get_figwidth() * axes.get_position().width
        left, right = axes.get_xlim()
        points_a_unit = (72 * width / (right - left), 72 * _PITCH * canvas.medium.pitch)
        for at, row in enumerate(shown):
            _curve(axes, at, row, points_a_unit)


def _evenly(places: Sequence[int], count: int) -> list[int]:
    """So many of some places, spread over them; all where there are no more."""
    if len(places) <= count:
        return list(places)
    return [places[at * len(places) // count] for at in range(count)]


def _curve(axes: Axes, at: int, row: CurveRow, points_a_unit: tuple[float, float]) -> None:
    """A line from low to high across the row, marks where the verdict is another, and the audit's own.

    Hundreds of marks would be one block: of those that look alike and would cover each other, the one farthest out is
    drawn. Verdicts that say something are drawn last.
    """
    points = row.drawn()
    places = [(one.estimate, at + 0.36 - 0.72 * (place + 0.5) / len(points)) for place, one in enumerate(points)]
    own = look_of(row.verdict)
    axes.plot([x for x, _ in places], [y for _, y in places], color=own.colour, lw=1.1, solid_joinstyle="round")
    if row.estimate is not None:
        axes.plot([row.estimate, row.estimate], [at - 0.4, at + 0.4], color=INK, lw=0.8)
        draw_marks(axes, [(row.estimate, at)], own, _OWN)
    looks: dict[Look, list[tuple[float, float]]] = {}
    for place, one in zip(places, points, strict=True):
        looks.setdefault(look_of(one.verdict), []).append(place)
    looks.pop(own, None)
    strong = {look_of(one) for one in STRONG}
    for look in sorted(looks, key=lambda one: one in strong):
        outermost = sorted(looks[look], key=lambda one: -abs(one[0] - (row.estimate or 0.0)))
        draw_marks(axes, _apart(outermost, points_a_unit), look, _MARK)


def _apart(places: Sequence[tuple[float, float]], points_a_unit: tuple[float, float]) -> list[tuple[float, float]]:
    """Those of some places, in order, that lie apart from all that were kept before."""
    kept: list[tuple[float, float]] = []
    for place in places:
        if all(_distance(place, one, points_a_unit) >= _APART for one in kept):
            kept.append(place)
    return kept


def _distance(one: tuple[float, float], other: tuple[float, float], points_a_unit: tuple[float, float]) -> float:
    return math.hypot(*((a - b) * unit for a, b, unit in zip(one, other, points_a_unit, strict=True)))


def _line_key(axes: Axes, x: float, y: float) -> None:
    axes.plot([x - 0.08, x + 0.08], [y - 0.05, y + 0.05], color=MUTED, lw=1.1)
