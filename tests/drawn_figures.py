"""Reads positions back from drawn figures: what stands where, in the SVG that a reader sees.

A value's place is found by the numbers at the axes alone, so that no part of the drawing is taken on trust.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np

from auditor.adapters.report.plots.figures import Plot
from auditor.adapters.report.plots.svg import PAGE, Medium, drawing, inline_svg, text_width

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
ELEMENTS = {"svg", "title", "desc", "g", "path", "defs", "use", "text", "clipPath", "rect", "pattern"}


@dataclass(frozen=True)
class Label:
    """A text, whole and as shown, with its box in points; ``lean`` in degrees."""

    text: str
    whole: str
    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    lean: float

    def overlaps(self, other: Label) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass(frozen=True)
class MarkAt:
    """A mark: where, of which shape and colour."""

    x: float
    y: float
    shape: str
    colour: str


def svg_of(plot: Plot, medium: Medium = PAGE) -> str:
    with drawing(medium) as canvas:
        plot.draw(canvas)
        return inline_svg(canvas, prefix="f", title=plot.title, description=plot.alternative())


def words(svg: str) -> list[str]:
    """Texts as shown, in the order drawn."""
    return [one.text for one in labels(svg)]


def labels(svg: str) -> list[Label]:
    return [_label(one) for one in ET.fromstring(svg).iter(f"{SVG}text")]


def _label(element: ET.Element) -> Label:
    title = element.find(f"{SVG}title")
    shown = (element.text or "") if title is None else (title.tail or "")
    style = dict(part.split(": ") for part in str(element.get("style")).rstrip(";").split("; "))
    size = float(style["font-size"].removesuffix("px"))
    x, y = float(str(element.get("x"))), float(str(element.get("y")))
    width = text_width(shown, size) * 72
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[style["text-anchor"]]
    lean = re.match(r"rotate\((\S+)", str(element.get("transform") or "rotate(0"))
    turned = float(lean[1]) if lean else 0.0
    whole = shown if title is None else str(title.text)
    return Label(shown, whole, x, y, left, left + width, y - 0.75 * size, y + 0.2 * size, turned)


def marks(svg: str) -> list[MarkAt]:
    """Marks in the order drawn, those of the key included."""
    root = ET.fromstring(svg)
    shapes = {str(one.get("id")): one for one in root.iter(f"{SVG}path") if one.get("id")}
    found = []
    for one in root.iter(f"{SVG}use"):
        shape = shapes[str(one.get(f"{XLINK}href")).removeprefix("#")]
        colour = re.search(r"stroke: var\(--(\w+)", str(shape.get("style")))
        place = float(str(one.get("x"))), float(str(one.get("y")))
        found.append(MarkAt(*place, str(shape.get("d")), colour[1] if colour else ""))
    return found


def height(svg: str) -> float:
    return float(str(ET.fromstring(svg).get("viewBox")).split()[3])


def width(svg: str) -> float:
    return float(str(ET.fromstring(svg).get("viewBox")).split()[2])


def value_at(svg: str, panel: int = 0) -> Callable[[float], float]:
    """From a place across to a number, by the tick labels of a panel: the lowest row of bare numbers with a 0 in it."""
    numbers = [one for one in labels(svg) if re.fullmatch(r"[+\u2212]?\d+(\.\d+)?(e[+\u2212]\d+)?", one.text)]
    foot = max(one.y for one in numbers if one.text == "0")
    panels: list[list[tuple[float, float]]] = []
    for one in sorted((one for one in numbers if abs(one.y - foot) < 0.5), key=lambda one: one.x):
        value = to_number(one.text)
        if not panels or value < panels[-1][-1][1]:
            panels.append([])
        panels[-1].append((one.x, value))
    slope, start = np.polyfit(*zip(*panels[panel], strict=True), 1)
    return lambda x: float(slope * x + start)


def to_number(text: str) -> float:
    return float(text.replace("\u2212", "-"))


def row_of(svg: str, name: str) -> float:
    """Height of the row that bears a name."""
    (found,) = (one for one in labels(svg) if one.whole == name)
    return (found.top + found.bottom) / 2


def assert_tidy(svg: str) -> None:
    """No text upon another or beyond the edge, nothing but drawing."""
    across, down = width(svg), height(svg)
    upright = [one for one in labels(svg) if not one.lean]
    for one in upright:
        assert one.left >= -0.5, one
        assert one.right <= across + 0.5, one
        assert one.top >= -0.5, one
        assert one.bottom <= down + 0.5, one
    clashes = [
        (one.text, other.text) for at, one in enumerate(upright) for other in upright[:at] if one.overlaps(other)
    ]
    assert not clashes
    assert_only_drawing(svg)


def assert_only_drawing(svg: str) -> None:
    assert {one.tag.removeprefix(SVG) for one in ET.fromstring(svg).iter()} <= ELEMENTS


def shown_names(svg: str, names: Sequence[str]) -> list[str]:
    """Which of some names the figure shows, in the order drawn."""
    return [one.whole for one in labels(svg) if one.whole in set(names)]
