"""Colours of cells that lean to one of two sides, in steps that double, and the scale that explains them."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from auditor.adapters.report.plots.figures import two_digits
from auditor.adapters.report.plots.svg import HARM, INK, LOWER, MUTED, PAPER, RULE, Canvas

# Shares of colour from the bound on, each step twice as far out; within it there is none. Numbers are readable on every
# step in the page's light and dark colours: on the last one they take the paper's.
STEPS = (0.14, 0.3, 0.48, 1.0)


def step_of(value: float, bound: float) -> int:
    """Step on the scale of colours: 0 within the bound, then one for each doubling, with the value's sign."""
    if abs(value) <= bound:
        return 0
    step = min(1 + int(math.log2(abs(value) / bound)), len(STEPS))
    return step if value > 0 else -step


def bound_for(largest: float) -> float:
    """A bound that gives numbers up to ``largest`` every colour, where none is stated."""
    return largest / 2 ** len(STEPS) or 1.0


def colour_cell(axes: Axes, box: dict[str, Any], step: int, *, hatched: bool = False) -> None:
    """A cell's ground: the colour of its side at the strength of its step, hatched where it only describes."""
    if step:
        colour = HARM if step > 0 else LOWER
        axes.add_patch(Rectangle(**box, fc=colour, alpha=STEPS[abs(step) - 1], ec="none", lw=0, clip_on=False))
    else:
        axes.add_patch(Rectangle(**box, fc="none", ec=RULE, lw=0.5, clip_on=False))
    if hatched:
        axes.add_patch(Rectangle(**box, fc="none", ec=(MUTED, 0.4), lw=0, hatch="////"))


def ink_on(step: int) -> str:
    """The colour of a number on a cell."""
    return PAPER if abs(step) == len(STEPS) else INK


def cell_box(canvas: Canvas, place: tuple[float, float], width: float) -> dict[str, Any]:
    """A cell's rectangle, a hair smaller than its room.

    Args:
        place: the room's left edge in inches, and its row.
        width: of the room, inches.
    """
    (x, y), pad = place, 0.01 / canvas.medium.pitch
    return {"xy": (x + 0.01, y - 0.5 + pad), "width": width - 0.02, "height": 1 - 2 * pad}


def draw_cell(
    canvas: Canvas,
    axes: Axes,
    place: tuple[float, float],
    width: float,
    value: float,
    bound: float,
    *,
    framed: bool,
    hatched: bool = False,
) -> None:
    """A number on the ground of its step.

    Args:
        place, width: as in `cell_box`.
        framed: whether it stands out.
        hatched: whether it only describes.
    """
    box, step = cell_box(canvas, place, width), step_of(value, bound)
    colour_cell(axes, box, step, hatched=hatched)
    canvas.put(axes, place[0] + width / 2, place[1], two_digits(value), ha="center", small=True, color=ink_on(step))
    if framed:
        axes.add_patch(Rectangle(**box, fc="none", ec=INK, lw=1.1, zorder=2))


def frame_key(axes: Axes, x: float, y: float) -> None:
    """What a framed cell looks like, in a key."""
    axes.add_patch(Rectangle((x - 0.07, y - 0.055), 0.14, 0.11, fc="none", ec=INK, lw=1.1))


def draw_scale(canvas: Canvas, left: float, foot: float, bound: float, *, named: bool) -> None:
    """The scale, its numbers at ``foot`` + 0.17 inches from the figure's lower edge.

    Args:
        left: inches at which it begins where there is room; it is as wide as its numbers at least, so in one column it
            begins at the edge.
        named: whether the bound is d, and marked.
    """
    medium, height = canvas.medium, canvas.figure.get_figheight()
    axes = canvas.axes(0, 0, medium.width, height)
    axes.set_xlim(0, medium.width)
    axes.set_ylim(0, height)
    count = len(STEPS)
    boxes = 2 * count + 1
    start = left if medium.width - left - 0.1 >= 0.36 * boxes else 0.1
    box = min(0.42, (medium.width - start - 0.1) / boxes)
    for at in range(-count, count + 1):
        place = start + (at + count) * box + 0.01
        colour_cell(axes, {"xy": (place, 0.26 + foot), "width": box - 0.02, "height": 0.12}, at)
    for at in range(2 * count):
        step = at - count + (at >= count)
        value = math.copysign(bound * 2 ** (abs(step) - 1), step)
        at_d, x = named and abs(step) == 1, start + (at + 1) * box
        style: dict[str, Any] = {"small": True, "color": INK if abs(step) == 1 else MUTED, "ha": "center"}
        canvas.put(axes, x, 0.17 + foot, two_digits(value), **style)
        if at_d:
            canvas.put(axes, x, 0.47 + foot, "d" if step > 0 else "\u2212d", **style)
