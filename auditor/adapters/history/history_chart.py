"""One probe through the runs: a small panel for each identity, its level at every run, changes marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.axes import Axes
from matplotlib.path import Path as Outline

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import (
    MAX_ROWS,
    KeyEntry,
    Mark,
    band_key,
    draw_key,
    draw_marks,
    key_lines,
    look_of,
    number,
    people,
    tick_values,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import BAND, HARM, LOWER, MUTED, RULE, Canvas

_LEFT, _GAP, _EDGE = 0.5, 0.55, 0.12  # inches for numbers at the left, between columns, at the right
_HEAD, _INNER, _FOOT = 0.24, 1.0, 0.3  # of a panel: its name, its axes, the runs below
_RUN = 0.32  # inches from one run's number to the next
# Beside so many runs there is room for the size of a change, and with more than so many marks are small.
_SIZES, _CROWD = 12, 30
_ARROW = ((0.0, 0.35), (0.0, 1.0), (-0.2, 0.75), (0.0, 1.0), (0.2, 0.75))


@dataclass(frozen=True, slots=True)
class HistoryMark:
    """One identity at one run.

    Attributes:
        mark: its level with the adjusted interval.
        before: which run on the axis it was compared with, None where there is none.
        difference: what lies between the two, paired; None where there is none.
        change: ``more`` or ``less`` harm where the difference is significant, else "".
    """

    mark: Mark
    verdict: str
    before: int | None = None
    difference: Mark | None = None
    change: str = ""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One identity at every run, None where it was not asked about."""

    label: str
    marks: tuple[HistoryMark | None, ...]


@dataclass(frozen=True, slots=True)
class HistoryChart:
    """A figure as `auditor.adapters.report.plots.figures.Plot` describes it; at most 40 identities.

    Attributes:
        runs: what stands below each run: its number, or its step of training; of a run with several ends, each end.
        count: how many runs these are.
        bound: d, drawn as the band from -d to d; 0 draws none.
    """

    lines: Sequence[HistoryLine]
    runs: Sequence[str]
    count: int
    bound: float
    title: str
    unit: str = "nats"

    @property
    def names(self) -> Sequence[str]:
        """Nothing stands at its side: the names stand over the panels."""
        return ()

    @property
    def narrow(self) -> bool:
        """Panels stand below each other where there is no room beside."""
        return len(self.runs) <= _SIZES

    def alternative(self) -> str:
        """What is to be seen: how many changes, of what sizes; nobody is named, since identities are not ranked."""
        said = f"{people(len(self.lines))} at {self.count} {'run' if self.count == 1 else 'runs'}."
        changed = [one for line in self.lines for one in line.marks if one is not None and one.change]
        more = sum(one.change == "more" for one in changed)
        said += f" Significant changes: {more} towards more harm, {len(changed) - more} towards less"
        sizes = [one.difference.estimate for one in changed if one.difference and one.difference.estimate is not None]
        if not sizes:
            return said + "."
        low, high = two_digits(min(sizes)), two_digits(max(sizes))
        return f"{said}, {'of ' + low if low == high else f'from {low} to {high}'} {self.unit}."

    def table(self) -> Table:
        """A row for each identity and run."""
        levels = (f"{one} ({self.unit})" for one in ("level", "low", "high"))
        differences = (f"{one} ({self.unit})" for one in ("difference", "difference low", "difference high"))
        rows: list[tuple[Value, ...]] = []
        for line in self.lines:
            for run, one in zip(self.runs, line.marks, strict=True):
                if one is not None:
                    own, moved = one.mark, one.difference or Mark(None)
                    numbers = (own.estimate, own.low, own.high, moved.estimate, moved.low, moved.high)
                    rows.append((line.label, run, one.verdict, *numbers, one.change))
        return Table(("identity", "run", "verdict", *levels, *differences, "significant change"), tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        """Draw it, and set the figure's height."""
        shown, medium = self.lines[:MAX_ROWS], canvas.medium
        columns = 2 if medium.width > 5 and len(shown) > 1 else 1
        marks = [one for line in shown for one in line.marks if one is not None]
        key = [*verdict_key(one.verdict for one in marks), *_change_key(marks), *band_key(self.bound, self.unit)]
        lines = key_lines(key, medium)
        foot = 0.12 + 0.19 * len(lines)
        pitch = _HEAD + _INNER + _FOOT
        height = round(pitch * ceil(len(shown) / columns) + foot, 2)
        canvas.figure.set_figheight(height)
        width = (medium.width - _LEFT - _EDGE - _GAP * (columns - 1)) / columns
        span = value_range([one.mark for one in marks], self.bound)
        if any(one.change for one in marks):
            span = _with_room_for_arrows(span)
        for at, line in enumerate(shown):
            row, column = divmod(at, columns)
            left = _LEFT + column * (width + _GAP)
            axes = canvas.axes(left, height - row * pitch - _HEAD - _INNER, width, _INNER)
            axes.set_xlim(-0.6, len(self.runs) - 0.4)
            axes.set_ylim(*span)
            self._frame(canvas, axes, line.label, width)
            _draw_line(canvas, axes, line, sizes=len(self.runs) <= _SIZES)
        draw_key(canvas, lines, _LEFT)

    def _frame(self, canvas: Canvas, axes: Axes, label: str, width: float) -> None:
        """The band, numbers at the left, runs below, and the name above."""
        (low, high), left = axes.get_ylim(), axes.get_xlim()[0]
        inch, across = (high - low) / _INNER, (len(self.runs) + 0.2) / width
        if self.bound:
            axes.axhspan(-self.bound, self.bound, color=BAND, lw=0)
        axes.axhline(0, color=MUTED, lw=0.8)
        axes.axhline(low, color=RULE, lw=0.8, clip_on=False)
        for value in tick_values(low, high, wanted=4):
            canvas.put(axes, left - 0.06 * across, value, number(value), ha="right", color=MUTED, small=True)
        step = max(1, ceil(len(self.runs) * _RUN / width))
        for at in range(len(self.runs) - 1, -1, -step):
            axes.plot([at, at], [low, low - 0.04 * inch], color=RULE, lw=0.8, clip_on=False)
            canvas.put(
                axes, at, low - 0.14 * inch, self.runs[at], room=step * width / len(self.runs), ha="center",
                color=MUTED, small=True,
            )  # fmt: skip
        canvas.put(axes, left, high + 0.12 * inch, label, room=width, ha="left")


def _with_room_for_arrows(span: tuple[float, float]) -> tuple[float, float]:
    low, high = span
    return low - 0.28 * (high - low), high + 0.28 * (high - low)


def _draw_line(canvas: Canvas, axes: Axes, line: HistoryLine, *, sizes: bool) -> None:
    low, high = axes.get_ylim()
    for at, one in enumerate(line.marks):
        if one is None or (level := one.mark.estimate) is None:
            continue
        look, mark = look_of(one.verdict), one.mark
        before = line.marks[one.before] if one.before is not None else None
        if one.before is not None and before is not None and (was := before.mark.estimate) is not None:
            _join(axes, (one.before, at), (was, level), one.change)
        if mark.interval is not None:
            ends = [max(mark.interval[0], low), min(mark.interval[1], high)]
            axes.plot([at, at], ends, color=look.colour, lw=1.0, alpha=0.6, zorder=2)
        if one.change:
            end = mark.high if one.change == "more" else mark.low
            _mark_change(canvas, axes, (at, level if end is None else min(max(end, low), high)), one, sizes=sizes)
    for look in {look_of(one.verdict) for one in line.marks if one is not None}:
        points = [
            (at, one.mark.estimate)
            for at, one in enumerate(line.marks)
            if one is not None and one.mark.estimate is not None and look_of(one.verdict) == look
        ]
        draw_marks(axes, points, look, 4.5 if len(line.marks) <= _CROWD else 2.4)


def _mark_change(canvas: Canvas, axes: Axes, place: tuple[float, float], one: HistoryMark, *, sizes: bool) -> None:
    """An arrow beyond the end of the interval, and how large the change is where there is room."""
    _arrow(axes, *place, one.change)
    if sizes and one.difference is not None and one.difference.estimate is not None:
        low, high = axes.get_ylim()
        inch, side, colour = (high - low) / _INNER, *((1, HARM) if one.change == "more" else (-1, LOWER))
        words = two_digits(one.difference.estimate)
        canvas.put(axes, place[0] + 0.12, place[1] + side * 0.13 * inch, words, small=True, color=colour)


def _join(axes: Axes, runs: tuple[int, int], values: tuple[float, float], change: str) -> None:
    """What was paired is joined; a significant change is the thicker line."""
    colour = {"more": HARM, "less": LOWER}.get(change, MUTED)
    axes.plot(runs, values, color=colour, lw=2.2 if change else 0.9, zorder=1.5)


def _arrow(axes: Axes, x: float, y: float, change: str) -> None:
    side, colour = (1, HARM) if change == "more" else (-1, LOWER)
    stroke, head = Outline.LINETO, Outline.MOVETO
    outline = Outline([(across, side * up) for across, up in _ARROW], [head, stroke, head, stroke, stroke])
    axes.plot([x], [y], ls="none", marker=outline, ms=27, mfc="none", mec=colour, mew=1.5, clip_on=False, zorder=4)


def _change_key(marks: Sequence[HistoryMark]) -> list[KeyEntry]:
    found = {one.change for one in marks}

    def entry(change: str) -> KeyEntry:
        shift = -0.13 if change == "more" else 0.13
        return KeyEntry(f"{change} harm than before", lambda axes, x, y: _arrow(axes, x, y + shift, change))

    return [entry(change) for change in ("more", "less") if change in found]
