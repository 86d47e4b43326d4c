"""Identities over the series: a level at each checkpoint of one path of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import (
    MAX_LABELS,
    MAX_ROWS,
    STRONG,
    Mark,
    band_key,
    draw_key,
    draw_marks,
    drawn_of,
    key_lines,
    look_of,
    number,
    people,
    tick_values,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import BAND, INK, MUTED, RULE, Canvas, text_width

_LEADER = 0.34  # inches from the last checkpoint's axis to the names


@dataclass(frozen=True, slots=True)
class SlopeLine:
    """One identity: its level at each checkpoint, None where there is none."""

    label: str
    verdict: str
    marks: tuple[Mark | None, ...]


@dataclass(frozen=True, slots=True)
class SlopeChart:
    """Levels from the first checkpoint to the last; at most 40 lines (`ForestPlot` for the other attributes).

    Up to 18 lines carry 95% intervals and names; of more, the first 18 are named.

    Attributes:
        checkpoints: one path of training, each trained from the one before.
    """

    lines: Sequence[SlopeLine]
    checkpoints: Sequence[str]
    bound: float
    title: str
    unit: str = "nats"
    beside: Sequence[Mark] = ()

    @property
    def names(self) -> Sequence[str]:
        return [line.label for line in self._shown()[:MAX_LABELS]]

    @property
    def narrow(self) -> bool:
        return len(self.checkpoints) <= 4

    def _shown(self) -> list[SlopeLine]:
        return [one for one in self.lines if one.marks[-1] is not None and one.marks[-1].estimate is not None][
            :MAX_ROWS
        ]

    def alternative(self) -> str:
        said = f"{people(len(self.lines))} at {', '.join(one[:40] for one in self.checkpoints)}."
        said += drawn_of(MAX_ROWS, len(self.lines), "identities")
        moves = []
        for line in self.lines:
            first, last = (mark.estimate if mark else None for mark in (line.marks[0], line.marks[-1]))
            if first is not None and last is not None:
                moves.append((last - first, first, last, line.label[:60]))
        if not moves:
            return said
        up = sum(move > self.bound for move, *_ in moves)
        down = sum(move < -self.bound for move, *_ in moves)
        bound = f" by more than d = {self.bound:.2f} {self.unit}" if self.bound else ""
        _, first, last, name = max(moves, key=lambda one: abs(one[0]))
        ends = f"from {two_digits(first)} to {two_digits(last)} {self.unit}"
        return f"{said} {up} rose and {down} fell{bound}. Largest move: {name}, {ends}."

    def table(self) -> Table:
        header = ("identity", "verdict at the end", "checkpoint", *(f"{one} ({self.unit})" for one in _NUMBERS))
        rows: list[tuple[Value, ...]] = [
            (line.label, line.verdict, name, mark.estimate, mark.low, mark.high)
            for line in self.lines
            for name, mark in zip(self.checkpoints, line.marks, strict=True)
            if mark is not None
        ]
        return Table(header, tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        shown, medium = self._shown(), canvas.medium
        names = shown[:MAX_LABELS]
        line = medium.size * 1.32 / 72
        key = key_lines([*verdict_key(one.verdict for one in shown), *band_key(self.bound, self.unit)], medium)
        span = value_range([*(mark for one in shown for mark in one.marks if mark), *self.beside], self.bound)
        numbers = (self.unit, *map(number, tick_values(*span)))
        left, bottom = max(text_width(one, medium.small) for one in numbers) + 0.16, 0.36 + 0.19 * len(key)
        room = min(max((text_width(one.label[:500], medium.size) for one in names), default=0), 0.42 * medium.width)
        inner = max(0.36 * medium.width, line * len(names) + 0.4)
        canvas.figure.set_figheight(round(inner + bottom + 0.3, 2))
        axes = canvas.axes(left, bottom, medium.width - left - room - _LEADER - 0.12, inner)
        end = max(len(self.checkpoints) - 1, 1)
        axes.set_xlim(-0.12 * end, end * 1.04)
        axes.set_ylim(*span)
        if self.bound:
            axes.axhspan(-self.bound, self.bound, color=BAND, lw=0)
        axes.axhline(0, color=MUTED, lw=0.8)
        self._frame(canvas, axes, inner)
        # Side by side within a checkpoint, so that intervals do not hide each other.
        dodges = [(at - (len(shown) - 1) / 2) * 0.07 * end / max(len(shown) - 1, 4) for at in range(len(shown))]
        for one, dodge in zip(shown, dodges, strict=True):
            _line(axes, one, dodge, intervals=len(shown) <= MAX_LABELS)
        _labels(canvas, axes, names, dodges, (span[1] - span[0]) * line / inner, room)
        draw_key(canvas, key, left)

    def _frame(self, canvas: Canvas, axes: Axes, height: float) -> None:
        """Checkpoints below, numbers at the left."""
        (low, high), (left, right) = axes.get_ylim(), axes.get_xlim()
        inch = (high - low) / height
        width = canvas.figure.get_figwidth() * axes.get_position().width
        room = max(0.94 * width / (right - left), 0.4)
        for at, name in enumerate(self.checkpoints):
            axes.axvline(at, color=RULE, lw=0.8)
            canvas.put(axes, at, low - 0.15 * inch, name, room=room, ha="center")
        gap = 0.06 * (right - left) / width
        for value in tick_values(low, high):
            canvas.put(axes, left - gap, value, number(value), ha="right", color=MUTED, small=True)
        canvas.put(axes, left - gap, high + 0.16 * inch, self.unit, ha="right", color=MUTED, small=True)


_NUMBERS = ("estimate", "low", "high")


def _line(axes: Axes, line: SlopeLine, dodge: float, *, intervals: bool) -> None:
    look, strong = look_of(line.verdict), line.verdict in STRONG
    points = [(at + dodge, mark) for at, mark in enumerate(line.marks) if mark is not None]
    known = [(x, mark.estimate) for x, mark in points if mark.estimate is not None]
    low, high = axes.get_ylim()
    width, layer = (1.8, 2.5) if strong else (1.0, 2.0)
    axes.plot([x for x, _ in known], [y for _, y in known], color=look.colour, lw=width, zorder=layer)
    for x, mark in points:
        if mark.interval is not None and intervals:
            lower, upper = mark.interval
            ends = [max(lower, low), min(upper, high)]
            axes.plot([x, x], ends, color=look.colour, lw=0.8, alpha=0.55, zorder=layer)
            for end, beyond, arrow in ((low, lower < low, "v"), (high, upper > high, "^")):
                if beyond:
                    axes.plot([x], [end], marker=arrow, color=look.colour, ms=3, clip_on=False)
    draw_marks(axes, known, look, 5 if strong else 4)


def _labels(
    canvas: Canvas, axes: Axes, lines: Sequence[SlopeLine], dodges: Sequence[float], gap: float, room: float
) -> None:
    """Direct labels beside the last checkpoint, pushed apart; a thin line leads back to each."""
    values = [mark.estimate for line in lines if (mark := line.marks[-1]) is not None and mark.estimate is not None]
    chosen = sorted(range(len(values)), key=lambda at: values[at])
    right = axes.get_xlim()[1]
    inch = (right - axes.get_xlim()[0]) / (canvas.figure.get_figwidth() * axes.get_position().width)
    for at, y in zip(chosen, spread([values[at] for at in chosen], gap, axes.get_ylim()), strict=True):
        line, look = lines[at], look_of(lines[at].verdict)
        strong = line.verdict in STRONG
        start = len(line.marks) - 1 + dodges[at] + 0.06 * inch
        bend, end = right + 0.2 * inch, right + (_LEADER - 0.05) * inch
        leader: dict[str, Any] = {"color": look.colour, "alpha": 0.5} if strong else {"color": RULE}
        axes.plot([start, bend, end], [values[at], y, y], lw=0.7, clip_on=False, **leader)
        colour = look.colour if strong else INK
        canvas.put(axes, right + _LEADER * inch, y, line.label, room=room, ha="left", color=colour)


def spread(values: Sequence[float], gap: float, span: tuple[float, float]) -> list[float]:
    """Positions at least ``gap`` apart, nearest in least squares to ascending ``values``, within ``span``."""
    blocks: list[list[float]] = []
    for at, value in enumerate(values):
        # Labels that would overlap form a block around their mean: pool adjacent violators.
        blocks.append([value - at * gap])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    placed = [_mean(block) for block in blocks for _ in block]
    ceiling = span[1] - (len(values) - 1) * gap
    return [max(min(base, ceiling), span[0]) + at * gap for at, base in enumerate(placed)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
