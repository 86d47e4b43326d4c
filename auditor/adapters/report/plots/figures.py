"""What the report's figures share: marks and their looks, axes, rows of identities, keys, and words about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import blended_transform_factory

from auditor.adapters.report.plots.figure_tables import Table
from auditor.adapters.report.plots.svg import BAND, HARM, LOWER, MUTED, NONE, PAPER, RULE, Canvas, Medium, text_width

MAX_ROWS = 40
MAX_LABELS = 18
_EDGE, _GAP, _NAME_GAP = 0.1, 0.24, 0.1  # inches at the figure's edges, between panels, between a name and its row
_NUMBER = 0.5  # inches of a column of numbers beside a panel, whose heading stands beside the panel's own
_KEY_MARK, _KEY_GAP, _KEY_LINE = 0.17, 0.24, 0.19  # inches of a key's mark, between its entries, of a line


@dataclass(frozen=True, slots=True)
class Mark:
    """An estimate with its interval; any of them may be missing, one end alone where it is open.

    Attributes:
        unbounded: the interval has neither end; else there is no interval where both are missing.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    unbounded: bool = False

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, an open one infinitely far out; None where there is no interval."""
        if self.low is None and self.high is None and not self.unbounded:
            return None
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


@dataclass(frozen=True, slots=True)
class Look:
    """How a verdict is drawn: shape and colour say the same, and words say it in the key."""

    marker: str
    colour: str
    filled: bool
    words: str


LOOKS = {
    "harm": Look("^", HARM, True, "harm"),
    "inconclusive": Look("D", MUTED, False, "inconclusive"),
    "no_meaningful_difference": Look("s", NONE, True, "no meaningful difference"),
    "lower_than_reference": Look("v", LOWER, True, "lower than reference"),
    "affirming": Look("v", LOWER, True, "affirming"),
    "refused": Look("x", MUTED, True, "refused"),
}
UNJUDGED = Look("D", MUTED, False, "no verdict")
BESIDE = Look("o", MUTED, False, "")
STRONG = ("harm", "lower_than_reference", "affirming")


def look_of(verdict: str) -> Look:
    """The look of a verdict; of anything else, that of no verdict."""
    return LOOKS.get(verdict, UNJUDGED)


class Plot(Protocol):
    """A figure before it is drawn."""

    @property
    def title(self) -> str:
        """Its name, in a line."""

    @property
    def names(self) -> Sequence[str]:
        """What stands at its side; where these are short, it fits into one column of a page of two."""

    @property
    def narrow(self) -> bool:
        """Whether it has so little beside each other that one column may hold it."""

    def alternative(self) -> str:
        """What is to be seen, with the numbers that matter."""

    def table(self) -> Table:
        """What is drawn, and all that belongs to it, in full precision."""

    def draw(self, canvas: Canvas) -> None:
        """Draw it, and set the figure's height."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the panels that stand beside each other.

    Attributes:
        span: limits of its axis.
        bound: d, drawn as the band from -d to d; 0 draws none.
        heading: above it.
        aside: inches at its right for numbers.
    """

    span: tuple[float, float]
    bound: float
    heading: str = ""
    aside: float = 0.0


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A mark and what it means; ``draw`` puts the mark at a place in inches."""

    words: str
    draw: Callable[[Axes, float, float], None]


def verdict_key(verdicts: Iterable[str], what: str = "") -> list[KeyEntry]:
    """The verdicts that are there, in the order of the report; the first one says ``what`` bears them."""
    there = {look_of(one) for one in verdicts}
    found = [one for one in (*LOOKS.values(), UNJUDGED) if one in there]
    return [mark_key(one, one.words if at else what + one.words) for at, one in enumerate(found)]


def mark_key(look: Look, words: str) -> KeyEntry:
    """A mark."""
    return KeyEntry(words, lambda axes, x, y: draw_marks(axes, [(x, y)], look, 5.5))


def band_key(bound: float, unit: str) -> list[KeyEntry]:
    """The band from -d to d, where there is one."""

    def patch(axes: Axes, x: float, y: float) -> None:
        axes.add_patch(Rectangle((x - 0.07, y - 0.055), 0.14, 0.11, fc=BAND, ec=RULE, lw=0.5))

    return [KeyEntry(f"within \u00b1d = {bound:.2f} {unit}", patch)] if bound else []


def identity_rows(
    canvas: Canvas, labels: Sequence[str], panels: Sequence[Panel], key: Sequence[KeyEntry], pitch: float = 1.0
) -> list[Axes]:
    """Axes beside each other, a row an identity in each, named at the left; sets the figure's height.

    Args:
        pitch: of a row, in rows of the medium.
    """
    medium, count = canvas.medium, max(len(labels), 1)
    left = side_room(labels, medium)
    lines = key_lines(key, medium)
    row = pitch * medium.pitch
    top = 0.1 + (0.24 if any(panel.heading for panel in panels) else 0)
    bottom = 0.34 + _KEY_LINE * len(lines)
    canvas.figure.set_figheight(round(top + row * count + bottom, 2))
    width, x, found = panel_width(medium, labels, panels), left, []
    for panel in panels:
        axes = canvas.axes(x, bottom, width, row * count)
        axes.set_xlim(*panel.span)
        axes.set_ylim(count - 0.5, -0.5)
        if panel.bound:
            axes.axvspan(-panel.bound, panel.bound, color=BAND, lw=0)
        axes.axvline(0, color=MUTED, lw=0.8)
        _ticks(canvas, axes, width, row)
        if panel.heading:
            canvas.put(axes, 0, -0.5 - 0.15 / row, panel.heading, small=True, **across(axes), color=MUTED,
                       room=width + max(panel.aside - _NUMBER, 0))  # fmt: skip
        found.append(axes)
        x += width + panel.aside + _GAP
    for at, label in enumerate(labels):
        place = -_NAME_GAP / width
        canvas.put(found[0], place, at, label, room=left - _NAME_GAP - 0.02, ha="right", **across(found[0]))
    draw_key(canvas, lines, left)
    return found


def panel_width(medium: Medium, labels: Sequence[str], panels: Sequence[Panel]) -> float:
    """Inches of each of some panels beside these names."""
    gaps = sum(panel.aside for panel in panels) + _GAP * (len(panels) - 1)
    return (medium.width - side_room(labels, medium) - _EDGE - gaps) / len(panels)


def across(axes: Axes) -> dict[str, Any]:
    """For what stands at a share of the axes' width and at a row."""
    return {"transform": axes.get_yaxis_transform()}


def side_room(labels: Sequence[str], medium: Medium) -> float:
    """Inches at the left for names; long ones are cut."""
    widest = max((text_width(label[:500], medium.size) for label in labels), default=0.0)
    return min(widest, medium.labels * medium.width) + _NAME_GAP + 0.06


def aside(canvas: Canvas, axes: Axes, y: float, inches: float, text: str, **style: Any) -> None:
    """A text that ends so many inches right of the axes."""
    width = canvas.figure.get_figwidth() * axes.get_position().width
    canvas.put(axes, 1 + inches / width, y, text, ha="right", **across(axes), **style)


def key_lines(key: Sequence[KeyEntry], medium: Medium) -> list[list[KeyEntry]]:
    """The entries of a key on as many lines as they take."""
    lines: list[list[KeyEntry]] = []
    for entry in key:
        if lines and _key_width([*lines[-1], entry], medium) <= medium.width - 2 * _EDGE:
            lines[-1].append(entry)
        else:
            lines.append([entry])
    return lines


def _key_width(entries: Sequence[KeyEntry], medium: Medium) -> float:
    words = sum(text_width(entry.words, medium.small) for entry in entries)
    return words + _KEY_MARK * len(entries) + _KEY_GAP * (len(entries) - 1)


def draw_key(canvas: Canvas, lines: Sequence[Sequence[KeyEntry]], left: float) -> None:
    """A key at the foot of the figure, from ``left`` inches on where there is room."""
    if not lines:
        return
    medium, height = canvas.medium, canvas.figure.get_figheight()
    axes = canvas.axes(0, 0, medium.width, height)
    axes.set_xlim(0, medium.width)
    axes.set_ylim(0, height)
    room = medium.width - _EDGE
    start = left if all(left + _key_width(line, medium) <= room for line in lines) else _EDGE
    for at, line in enumerate(lines):
        x, y = start, 0.1 + _KEY_LINE * (len(lines) - 1 - at)
        for entry in line:
            entry.draw(axes, x + 0.06, y)
            canvas.put(axes, x + _KEY_MARK, y, entry.words, small=True, color=MUTED)
            x += _key_width([entry], medium) + _KEY_GAP


def _ticks(canvas: Canvas, axes: Axes, width: float, row: float) -> None:
    bottom = axes.get_ylim()[0]
    axes.axhline(bottom, color=RULE, lw=0.8, clip_on=False)
    # Their numbers take some half an inch on the page.
    for value in tick_values(*axes.get_xlim(), wanted=max(3, min(7, int(width / (0.06 * canvas.medium.small))))):
        axes.plot([value, value], [bottom, bottom + 0.04 / row], color=RULE, lw=0.8, clip_on=False)
        canvas.put(axes, value, bottom + 0.14 / row, number(value), ha="center", color=MUTED, small=True)


def value_range(marks: Iterable[Mark], bound: float) -> tuple[float, float]:
    """Axis limits that hold the band, every estimate, and intervals up to three times as long."""
    marks = list(marks)
    estimates = [mark.estimate for mark in marks if mark.estimate is not None]
    bound = max(bound, 1e-9)
    cap = 3 * max([2 * bound, *map(abs, estimates)])
    ends = [end for mark in marks for end in (mark.low, mark.high) if end is not None]
    low = max(-cap, min([-1.6 * bound, *ends, *estimates]))
    high = min(cap, max([1.6 * bound, *ends, *estimates]))
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def tick_values(low: float, high: float, wanted: int = 7) -> list[float]:
    """The most round numbers between two of which there are no more than wanted."""
    power = 10.0 ** math.floor(math.log10((high - low) / wanted))
    for step in (power * factor for factor in (1, 2, 5, 10, 20, 50)):
        # Rounding may put the outermost a hair beyond the range.
        found = [min(max(at * step, low), high) for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
        if len(found) <= wanted:
            break
    return found


def number(value: float) -> str:
    """A number at an axis."""
    if abs(value) <= 1e-12:
        return "0"
    text = f"{value:+.0f}" if 1000 <= abs(value) < 1e5 else f"{value:+.3g}"
    return text.replace("-", "\u2212")


def two_digits(value: float) -> str:
    """Two digits, as in the tables; rounded to nothing, a number has no side."""
    text = f"{value:+.2f}" if abs(value) < 1e5 else f"{value:+.1e}"
    return (text if text.strip("+-0.") else text[1:]).replace("-", "\u2212")


def draw_marks(axes: Axes, points: Sequence[tuple[float, float]], look: Look, size: float) -> None:
    """Marks of one look, drawn together: of thousands, each alone would take milliseconds."""
    face = look.colour if look.filled else PAPER
    x, y = zip(*points, strict=True) if points else ((), ())
    axes.plot(x, y, ls="none", marker=look.marker, ms=size, mfc=face, mec=look.colour, mew=1.2, clip_on=False, zorder=3)


def draw_interval(axes: Axes, mark: Mark, y: float, colour: str, width: float = 1.6) -> None:
    """An interval along a row, with an arrow where it goes on beyond the axis."""
    if mark.interval is None:
        return
    (low, high), (left, right) = mark.interval, axes.get_xlim()
    axes.plot([max(low, left), min(high, right)], [y, y], color=colour, lw=width, clip_on=False)
    for end, beyond, arrow in ((left, low < left, "<"), (right, high > right, ">")):
        if beyond:
            axes.plot([end], [y], marker=arrow, color=colour, ms=4, clip_on=False)


def row_gap(canvas: Canvas, axes: Axes, y: float) -> None:
    """A hairline across the figure, between one verdict and the next."""
    edge = _EDGE / canvas.medium.width
    place = blended_transform_factory(canvas.figure.transFigure, axes.transData)
    axes.plot([edge, 1 - edge], [y, y], color=RULE, lw=0.5, clip_on=False, transform=place, zorder=0.9)


def with_interval(mark: Mark) -> str:
    """An estimate with its interval, in words."""
    if mark.estimate is None:
        return "no estimate"
    if mark.interval is None:
        return two_digits(mark.estimate)
    low = "\u2212\u221e" if mark.low is None else two_digits(mark.low)
    high = "\u221e" if mark.high is None else two_digits(mark.high)
    return f"{two_digits(mark.estimate)} ({low} to {high})"


def people(count: int) -> str:
    """So many identities, in words."""
    return f"{count} {'identity' if count == 1 else 'identities'}"


def drawn_of(shown: int, count: int, what: str, which: str = "first") -> str:
    """Says how many of something are drawn where there are more; "" where all are."""
    return f" Drawn are the {which} {shown} of {count} {what}." if count > shown else ""


def beyond_words(named: Sequence[tuple[str, Mark]], bound: float, unit: str) -> str:
    """How many intervals lie beyond d on either side, and which estimates are the outermost."""
    said = [f"{people(len(named))}.{drawn_of(MAX_ROWS, len(named), 'identities')}"]
    if bound:
        above = sum(one.low is not None and one.low > bound for _, one in named)
        below = sum(one.high is not None and one.high < -bound for _, one in named)
        said.append(f"{above} wholly above d = {bound:.2f} {unit}, {below} wholly below \u2212d.")
    known = sorted((one.estimate, name[:60], with_interval(one)) for name, one in named if one.estimate is not None)
    if known:
        # Not who comes first and last: identities are not ranked.
        ends = [f"{name}, {span}" for _, name, span in (known[0], known[-1])[: len(known)]]
        said.append(f"Estimates from {', to '.join(ends)}." if len(ends) > 1 else f"The estimate: {ends[0]}.")
    return " ".join(said)
