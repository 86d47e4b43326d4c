"""What each stage of training added: how far the marked rows moved, and how far their reference rows did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import (
    BESIDE,
    MAX_ROWS,
    KeyEntry,
    Mark,
    Panel,
    aside,
    draw_marks,
    drawn_of,
    identity_rows,
    look_of,
    mark_key,
    panel_width,
    people,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import INK, MUTED, Canvas, cut, text_width

MAX_STAGES = 4
_NUMBER = 0.5
_LEVELLED, _TO = "levelled down", " \u2192 "


@dataclass(frozen=True, slots=True)
class Part:
    """One identity at one stage.

    Attributes:
        marked: what its rows moved by; ``reference``: what the rows they are compared with did.
        excess: the difference, with its adjusted interval and ``verdict``.
        levelled_down: the difference fell because the reference rows moved towards the harmful texts.
    """

    marked: float
    reference: float
    excess: Mark
    verdict: str
    levelled_down: bool = False


@dataclass(frozen=True, slots=True)
class PartsRow:
    """One identity: its parts stage by stage, None where there is no reference."""

    label: str
    parts: tuple[Part | None, ...]


@dataclass(frozen=True, slots=True)
class PartsPlot:
    """A panel a stage, an identity a row; at most 40 rows and the last 4 stages are drawn.

    Attributes:
        stages: the checkpoints before and after each.
        beside: what other plots show that this one shares its axis with.
    """

    rows: Sequence[PartsRow]
    stages: Sequence[tuple[str, str]]
    bound: float
    title: str
    unit: str = "nats"
    beside: Sequence[Mark] = ()

    @property
    def names(self) -> Sequence[str]:
        return [row.label for row in self.rows[:MAX_ROWS]]

    @property
    def narrow(self) -> bool:
        return len(self.stages) == 1

    def marks(self) -> tuple[Mark, ...]:
        """Every part of it, as places on its axis."""
        parts = [part for row in self.rows for part in row.parts if part]
        return tuple(Mark(value) for part in parts for value in (part.marked, part.reference))

    def alternative(self) -> str:
        found = [(row, at, part) for row in self.rows for at, part in enumerate(row.parts) if part]
        said = f"{people(len(self.rows))}, {len(self.stages)} {'stage' if len(self.stages) == 1 else 'stages'}."
        said += drawn_of(MAX_STAGES, len(self.stages), "stages", "last")
        said += drawn_of(MAX_ROWS, len(self.rows), "identities")
        if self.bound:
            above = sum(one.excess.low is not None and one.excess.low > self.bound for *_, one in found)
            below = sum(one.excess.high is not None and one.excess.high < -self.bound for *_, one in found)
            said += f" The excess shift is wholly above d = {self.bound:.2f} {self.unit} in {above} of {len(found)}"
            said += f" cases and wholly below \u2212d in {below}."
        if found:
            row, at, part = max(found, key=lambda one: abs(one[2].marked - one[2].reference))
            before, after = (one[:40] for one in self.stages[at])
            said += f" Widest apart: {row.label[:60]}, {before} to {after}, marked {two_digits(part.marked)}"
            said += f" against reference {two_digits(part.reference)} {self.unit}."
        levelled = sum(part.levelled_down for *_, part in found)
        return said + (f" {levelled} levelled down." if levelled else "")

    def table(self) -> Table:
        columns = ("marked part", "reference part", "excess shift", "excess low", "excess high")
        header = ("identity", "from", "to", *(f"{one} ({self.unit})" for one in columns), "verdict", _LEVELLED)
        rows: list[tuple[Value, ...]] = []
        for row in self.rows:
            for stage, part in zip(self.stages, row.parts, strict=True):
                if part:
                    excess = (part.excess.estimate, part.excess.low, part.excess.high)
                    levelled = "yes" if part.levelled_down else "no"
                    rows.append((row.label, *stage, part.marked, part.reference, *excess, part.verdict, levelled))
        return Table(header, tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        shown, first = self.rows[:MAX_ROWS], max(len(self.stages) - MAX_STAGES, 0)
        found = [part for row in shown for part in row.parts[first:] if part]
        ends = [Mark(value) for part in found for value in (part.marked, part.reference)]
        span = value_range([*ends, *self.beside], 0.0)
        medium, labels = canvas.medium, [row.label for row in shown]
        bare = [Panel(span, 0.0, "", _NUMBER)] * (len(self.stages) - first)
        room = (panel_width(medium, labels, bare) - text_width(_TO, medium.small)) / 2
        headings = [_TO.join(cut(one, room, medium.small) for one in stage) for stage in self.stages[first:]]
        panels = [replace(one, heading=heading) for one, heading in zip(bare, headings, strict=True)]
        verdicts = [part.verdict for part in found]
        key = [mark_key(BESIDE, "reference part"), *verdict_key(verdicts, "marked part: ")]
        if any(part.levelled_down for part in found):
            key.append(KeyEntry(_LEVELLED, _dashes))
        for at, axes in enumerate(identity_rows(canvas, labels, panels, key)):
            aside(canvas, axes, -0.5 - 0.15 / medium.pitch, _NUMBER, "excess", small=True, color=MUTED)
            for y, row in enumerate(shown):
                part = row.parts[first + at]
                if part:
                    _part(canvas, axes, y, part)


def _dashes(axes: Axes, x: float, y: float) -> None:
    axes.plot([x - 0.08, x + 0.08], [y, y], color=INK, lw=1.4, ls=(0, (2, 1.2)))


def _part(canvas: Canvas, axes: Axes, y: float, part: Part) -> None:
    """From the reference part to the marked one: what lies between is the excess."""
    look = look_of(part.verdict)
    dashes = (0, (2, 1.2)) if part.levelled_down else "solid"
    axes.plot([part.reference, part.marked], [y, y], color=look.colour, lw=1.6, ls=dashes)
    draw_marks(axes, [(part.reference, y)], BESIDE, 5.5)
    draw_marks(axes, [(part.marked, y)], look, 6.5)
    if part.excess.estimate is not None:
        aside(canvas, axes, y, _NUMBER, two_digits(part.excess.estimate))
    if part.levelled_down:
        _say_levelled(canvas, axes, y, part)


def _say_levelled(canvas: Canvas, axes: Axes, y: float, part: Part) -> None:
    """The words beside the marks, on the side with room for them."""
    left, right = axes.get_xlim()
    inch = (right - left) / (canvas.figure.get_figwidth() * axes.get_position().width)
    width = (text_width(_LEVELLED, canvas.medium.small) + 0.1) * inch
    low, high = sorted((part.marked, part.reference))
    if high + width <= right:
        canvas.put(axes, high + 0.1 * inch, y, _LEVELLED, small=True, color=MUTED)
    elif low - width >= left:
        canvas.put(axes, low - 0.1 * inch, y, _LEVELLED, small=True, color=MUTED, ha="right")
