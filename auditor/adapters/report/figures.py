"""The report's figures: identities over the series, side by side, and in other specifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auditor.adapters.report.svg import BAND, HARM, INK, LOWER, MUTED, NONE, PAPER, RULE, Texts, drawing, inline_svg

WIDTH = 7.6
MAX_ROWS = 40
MAX_LABELS = 18
_LINE = 0.165  # inches from one label to the next
_NATS_AT, _CLUSTERS_AT = 1.17, 1.32  # right edges of the columns beside the forest, in widths of its axes

# Verdict -> matplotlib marker, colour, filled: shape and colour say the same.
_LOOK: dict[str, tuple[str, str, bool]] = {
    "harm": ("^", HARM, True),
    "lower_than_reference": ("v", LOWER, True),
    "affirming": ("v", LOWER, True),
    "no_meaningful_difference": ("s", NONE, True),
    "inconclusive": ("D", MUTED, False),
    "refused": ("x", MUTED, True),
}
_STRONG = ("harm", "lower_than_reference", "affirming")


@dataclass(frozen=True, slots=True)
class Mark:
    """An estimate with its interval; any of them may be missing."""

    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One identity: its interval at one checkpoint."""

    label: str
    verdict: str
    mark: Mark
    clusters: int


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One identity: its estimate, and estimate and verdict in each other specification, lowest first."""

    label: str
    verdict: str
    estimate: float | None
    points: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class SlopeLine:
    """One identity: its level at each checkpoint, None where there is none."""

    label: str
    verdict: str
    marks: tuple[Mark | None, ...]


def forest_plot(
    rows: Sequence[ForestRow],
    *,
    bound: float,
    prefix: str,
    title: str,
    unit: str = "nats",
    beside: Sequence[Mark] = (),
) -> str:
    """Estimates with intervals in the order given, as inline SVG; at most 40 rows.

    Args:
        bound: d, drawn as the band from -d to d; 0 draws none.
        prefix: for ids that are unique on the page.
        title: accessible name.
        unit: of all numbers, in a word.
        beside: what other plots show that this one shares its axis with.
    """
    shown = rows[:MAX_ROWS]
    low, high = _range([*(row.mark for row in shown), *beside], bound)
    height, texts = 0.26 * len(shown) + 0.66, Texts()
    with drawing(WIDTH, height) as figure:
        axes = _axes(figure, left=2.0, right=1.4, bottom=0.34, top=0.32)
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.axvspan(-bound, bound, color=BAND, lw=0)
        axes.axvline(0, color=MUTED, lw=0.8)
        _forest_frame(axes, texts, bottom=len(shown) - 0.4, unit=unit)
        for at, row in enumerate(shown):
            if at and row.verdict != shown[at - 1].verdict:
                _forest_gap(axes, at - 0.5)
            _forest_row(axes, texts, at, row)
        return inline_svg(figure, texts, prefix=prefix, title=title, description=_forest_words(shown, bound, unit))


def curve_plot(rows: Sequence[CurveRow], *, bound: float, prefix: str, title: str) -> str:
    """Specification curves, one identity a row, as inline SVG; at most 40 rows (`forest_plot` for the arguments)."""
    shown = rows[:MAX_ROWS]
    points = [Mark(estimate, None, None) for row in shown for estimate, _ in row.points]
    low, high = _range([*points, *(Mark(row.estimate, None, None) for row in shown)], bound)
    height, texts = 0.42 * len(shown) + 0.5, Texts()
    with drawing(WIDTH, height) as figure:
        axes = _axes(figure, left=2.0, right=0.3, bottom=0.34, top=0.1)
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.axvspan(-bound, bound, color=BAND, lw=0)
        axes.axvline(0, color=MUTED, lw=0.8)
        _ticks(axes, texts, bottom=len(shown) - 0.4)
        for at, row in enumerate(shown):
            texts.put(axes, -0.03, at, row.label, limit=28, transform=axes.get_yaxis_transform(), ha="right")
            _curve(axes, at, row)
        words = f"{len(shown)} identities, {len(points)} specifications. The table below holds how many agree."
        return inline_svg(figure, texts, prefix=prefix, title=title, description=words)


def _curve(axes: Axes, at: int, row: CurveRow) -> None:
    """Points from low to high across the row, so that those of equal estimate do not hide each other."""
    looks: dict[tuple[str, str, bool], list[tuple[float, float]]] = {}
    for place, (estimate, own) in enumerate(row.points):
        y = at + 0.36 - 0.72 * (place + 0.5) / len(row.points)
        looks.setdefault(_LOOK.get(own, _LOOK["inconclusive"]), []).append((estimate, y))
    for look, points in looks.items():
        _draw_marks(axes, points, look, 2.2)
    if row.estimate is not None:
        axes.plot([row.estimate, row.estimate], [at - 0.4, at + 0.4], color=INK, lw=0.8)
        _draw_marks(axes, [(row.estimate, at)], _LOOK.get(row.verdict, _LOOK["inconclusive"]), 7)


def slope_chart(
    lines: Sequence[SlopeLine],
    *,
    checkpoints: Sequence[str],
    bound: float,
    prefix: str,
    title: str,
    unit: str = "nats",
    beside: Sequence[Mark] = (),
) -> str:
    """Levels from the first checkpoint to the last, as inline SVG; at most 40 lines.

    Up to 18 lines carry 95% intervals and names; of more, the first 18 are named.

    Args:
        checkpoints: one path of training, each trained from the one before.
        beside: what other charts show that this one shares its axis with.
    """
    shown = [line for line in lines[:MAX_ROWS] if (last := line.marks[-1]) is not None and last.estimate is not None]
    height, texts = max(3.2, _LINE * min(len(shown), MAX_LABELS) + 1.4), Texts()
    marks = [mark for line in shown for mark in line.marks if mark is not None]
    low, high = _range([*marks, *beside], bound)
    with drawing(WIDTH, height) as figure:
        axes = _axes(figure, left=0.62, right=2.15, bottom=0.36, top=0.3)
        end = max(len(checkpoints) - 1, 1)
        axes.set_xlim(-0.12 * end, end * 1.06)
        axes.set_ylim(low, high)
        axes.axhspan(-bound, bound, color=BAND, lw=0)
        axes.axhline(0, color=MUTED, lw=0.8)
        _slope_axes(axes, texts, checkpoints, (low, high), unit)
        # Side by side within a checkpoint, so that intervals do not hide each other.
        dodges = [(at - (len(shown) - 1) / 2) * 0.07 * end / max(len(shown) - 1, 4) for at in range(len(shown))]
        for line, dodge in zip(shown, dodges, strict=True):
            _slope_line(axes, line, dodge, intervals=len(shown) <= MAX_LABELS)
        _slope_labels(axes, texts, shown, dodges, (high - low) * _LINE / (height - 0.66))
        words = f"Level at {', '.join(checkpoints)}; {len(shown)} identities. The tables beside it hold the numbers."
        return inline_svg(figure, texts, prefix=prefix, title=title, description=words)


def _axes(figure: Figure, *, left: float, right: float, bottom: float, top: float) -> Axes:
    """Axes with margins in inches and nothing on them."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
    axes.set_axis_off()
    return axes


def _range(marks: Sequence[Mark], bound: float) -> tuple[float, float]:
    """Axis limits that hold the band, every estimate, and intervals up to three times as long."""
    estimates = [mark.estimate for mark in marks if mark.estimate is not None]
    bound = max(bound, 1e-9)
    cap = 3 * max([2 * bound, *map(abs, estimates)])
    ends = [end for mark in marks for end in (mark.low, mark.high) if end is not None]
    low = max(-cap, min([-1.6 * bound, *ends, *estimates]))
    high = min(cap, max([1.6 * bound, *ends, *estimates]))
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _step(span: float) -> float:
    """A round distance between ticks that gives some four to seven of them."""
    rough = span / 7
    power = 10.0 ** int(f"{rough:e}".split("e")[1])
    return next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough)


def _tick_values(low: float, high: float) -> list[float]:
    step = _step(high - low)
    return [at * step for at in range(round(low / step) - 1, round(high / step) + 2) if low <= at * step <= high]


def _number(value: float) -> str:
    text = f"{value:+.3g}" if abs(value) > 1e-12 else "0"
    return text.replace("-", "\u2212")


def _estimate(value: float) -> str:
    """Two digits, as in the tables; rounded to nothing, a number has no side."""
    text = f"{value:+.2f}"
    return (text if text.strip("+-0.") else text[1:]).replace("-", "\u2212")


def _ticks(axes: Axes, texts: Texts, bottom: float) -> None:
    axes.axhline(bottom, color=RULE, lw=0.8)
    for value in _tick_values(*axes.get_xlim()):
        axes.plot([value, value], [bottom, bottom + 0.12], color=RULE, lw=0.8, clip_on=False)
        texts.put(axes, value, bottom + 0.5, _number(value), ha="center", color=MUTED, size=8)


def _forest_frame(axes: Axes, texts: Texts, bottom: float, unit: str) -> None:
    _ticks(axes, texts, bottom)
    aside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "color": MUTED, "size": 8}
    texts.put(axes, _NATS_AT, -0.95, unit, **aside)
    texts.put(axes, _CLUSTERS_AT, -0.95, "clusters", **aside)


def _forest_gap(axes: Axes, y: float) -> None:
    """A hairline from the names to the clusters, between one verdict and the next."""
    axes.plot([-0.42, 1.34], [y, y], color=RULE, lw=0.5, clip_on=False, transform=axes.get_yaxis_transform())


def _forest_row(axes: Axes, texts: Texts, at: int, row: ForestRow) -> None:
    look = _LOOK.get(row.verdict, _LOOK["inconclusive"])
    mark, colour = row.mark, look[1]
    aside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right"}
    estimate = "refused" if mark.estimate is None else _estimate(mark.estimate)
    texts.put(axes, -0.03, at, row.label, limit=28, **aside)
    texts.put(axes, _NATS_AT, at, estimate, color=INK if mark.estimate is not None else MUTED, **aside)
    texts.put(axes, _CLUSTERS_AT, at, str(row.clusters), color=MUTED, **aside)
    if mark.estimate is None:
        return
    left, right = axes.get_xlim()
    if mark.low is not None and mark.high is not None:
        axes.plot([max(mark.low, left), min(mark.high, right)], [at, at], color=colour, lw=1.6, clip_on=False)
        for end, beyond, arrow in ((left, mark.low < left, "<"), (right, mark.high > right, ">")):
            if beyond:
                axes.plot([end], [at], marker=arrow, color=colour, ms=4, clip_on=False)
    _draw_marks(axes, [(mark.estimate, at)], look, 6.5)


def _draw_marks(axes: Axes, points: Sequence[tuple[float, float]], look: tuple[str, str, bool], size: float) -> None:
    """Marks of one look, drawn together: of thousands, each alone would take milliseconds."""
    marker, colour, filled = look
    face = colour if filled else PAPER
    x, y = zip(*points, strict=True) if points else ((), ())
    axes.plot(x, y, ls="none", marker=marker, ms=size, mfc=face, mec=colour, mew=1.2, clip_on=False, zorder=3)


def _forest_words(rows: Sequence[ForestRow], bound: float, unit: str) -> str:
    said = [
        f"{row.label[:60]}: {'no estimate' if row.mark.estimate is None else _number(row.mark.estimate)}"
        for row in rows[:12]
    ]
    band = f"Band from {_number(-bound)} to {_number(bound)} {unit}. " if bound else ""
    return band + "; ".join(said) + "."


def _slope_axes(axes: Axes, texts: Texts, checkpoints: Sequence[str], span: tuple[float, float], unit: str) -> None:
    low, high = span
    limit = max(6, 54 // len(checkpoints))
    for at, name in enumerate(checkpoints):
        axes.axvline(at, color=RULE, lw=0.8)
        texts.put(axes, at, low - 0.06 * (high - low), name, limit=limit, ha="center")
    left = axes.get_xlim()[0]
    for value in _tick_values(low, high):
        texts.put(axes, left, value, _number(value), ha="right", color=MUTED, size=8)
    texts.put(axes, left, high + 0.075 * (high - low), unit, ha="right", color=MUTED, size=8)


def _slope_line(axes: Axes, line: SlopeLine, dodge: float, *, intervals: bool) -> None:
    marker, colour, filled = _LOOK.get(line.verdict, _LOOK["inconclusive"])
    strong = line.verdict in _STRONG
    points = [(at + dodge, mark) for at, mark in enumerate(line.marks) if mark is not None]
    known = [(x, mark.estimate) for x, mark in points if mark.estimate is not None]
    low, high = axes.get_ylim()
    width, layer = (1.8, 2.5) if strong else (1.0, 2.0)
    axes.plot([x for x, _ in known], [y for _, y in known], color=colour, lw=width, zorder=layer)
    for x, mark in points:
        if mark.low is not None and mark.high is not None and intervals:
            axes.plot([x, x], [mark.low, mark.high], color=colour, lw=0.8, alpha=0.55, zorder=layer)
            for end, beyond, arrow in ((low, mark.low < low, "v"), (high, mark.high > high, "^")):
                if beyond:
                    axes.plot([x], [end], marker=arrow, color=colour, ms=3, clip_on=False)
    _draw_marks(axes, known, (marker, colour, filled), 5 if strong else 4)


def _slope_labels(axes: Axes, texts: Texts, lines: Sequence[SlopeLine], dodges: Sequence[float], gap: float) -> None:
    """Direct labels beside the last checkpoint, pushed apart; a thin line leads back to each."""
    values = [mark.estimate for line in lines if (mark := line.marks[-1]) is not None and mark.estimate is not None]
    chosen = sorted(range(min(len(values), MAX_LABELS)), key=lambda at: values[at])
    end = max(len(lines[0].marks) - 1, 1) if lines else 1
    for at, y in zip(chosen, _spread([values[at] for at in chosen], gap, axes.get_ylim()), strict=True):
        strong = lines[at].verdict in _STRONG
        start = len(lines[at].marks) - 1 + dodges[at] + 0.015 * end
        axes.plot([start, end * 1.09, end * 1.11], [values[at], y, y], color=RULE, lw=0.7, clip_on=False)
        colour = _LOOK.get(lines[at].verdict, _LOOK["inconclusive"])[1] if strong else INK
        texts.put(axes, end * 1.12, y, lines[at].label, limit=26, ha="left", color=colour)


def _spread(values: Sequence[float], gap: float, span: tuple[float, float]) -> list[float]:
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
