"""A matplotlib figure as SVG: deterministic, in the page's colours, every text escaped.

matplotlib never sees a name while it writes SVG. It lays out placeholders, which are replaced in the finished
file: so no name is parsed as mathematics, missing from a font, or markup. In PDF and PNG, which hold no text to
replace, names are drawn as they are, without mathematics, and what the font lacks as a replacement character.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.text import Text

from auditor.adapters.printable import on_one_line

# What matplotlib draws with, as it is in a paper, and the page's name for it: the page decides, in light, dark and
# print. The last three are of Okabe & Ito (2008): apart in every kind of colour vision.
INK, MUTED, RULE, BAND, PAPER = "#1a1c1f", "#5d6167", "#c8c8c8", "#ececec", "#ffffff"
HARM, LOWER, NONE = "#d55e00", "#0072b2", "#009e73"
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    BAND: "--band",
    PAPER: "--paper",
    HARM: "--harm",
    LOWER: "--lower",
    NONE: "--none",
}
_METADATA: Mapping[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_STYLE: Any = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "hatch.linewidth": 0.7,
    "path.simplify": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "auditor",
    "svg.image_inline": True,
    "text.hinting": "none",  # as wide in PNG as in PDF
    "text.parse_math": False,
    "text.usetex": False,
}
# Marks that follow each other and look alike.
_ALIKE = re.compile(r'(<use [^>]*? style="([^"]*)"/>)(?: <use [^>]*? style="\2"/>)+')
# What matplotlib puts around each thing drawn, for whoever edits the file.
_WRAPPED = re.compile(r'<g id="[^"]*-(?:patch|text|line2d)_\d+"> (<path [^>]*/>|<text [^>]*>[^<]*</text>) </g>')
_FAMILY = "'DejaVu Sans', Verdana, sans-serif"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One figure as the page shows it.

    Attributes:
        svg: the whole ``<svg>`` element, its labels escaped.
        alternative: what is to be seen, in words.
        csv: the data drawn, as CSV with full precision and units in its header.
        file: name of that data as a download, of ``a-z0-9-`` and ``.csv``.
    """

    svg: str
    alternative: str
    csv: str
    file: str

    @property
    def href(self) -> str:
        """The data as the address of a link."""
        return "data:text/csv;charset=utf-8;base64," + base64.b64encode(self.csv.encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Medium:
    """What a figure is drawn for.

    Attributes:
        width: inches.
        size: of names, in points; ``small`` of numbers at the axes and notes.
        pitch: inches from one row to the next.
        labels: largest share of the width that names at the side may take.
    """

    width: float
    size: float
    small: float
    pitch: float
    labels: float


PAGE = Medium(7.6, 9, 8, 0.26, 0.3)
COLUMN = Medium(3.3, 8, 7, 0.19, 0.4)
SPREAD = Medium(6.9, 8, 7, 0.19, 0.3)


class Canvas:
    """A figure while it is drawn: its medium, and its texts, each behind a placeholder."""

    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.figure = Figure(figsize=(medium.width, 1.0))
        self._texts: list[tuple[Text, str, str]] = []

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes of that place and size in inches, with nothing on them; set the figure's height before."""
        across, up = self.figure.get_figwidth(), self.figure.get_figheight()
        axes = self.figure.add_axes((left / across, bottom / up, width / across, height / up))
        axes.set_axis_off()
        return axes

    def put(
        self, axes: Axes, x: float, y: float, text: str, *, room: float = 0, small: bool = False, **style: Any
    ) -> None:
        """Draw ``text`` at (x, y), cut to ``room`` inches with the whole in a tooltip."""
        size = self.medium.small if small else self.medium.size
        style = {"color": INK, "va": "center", "size": size, **style}
        artist = axes.text(x, y, f"@@{len(self._texts)}@@", **style)
        whole = on_one_line(text)
        self._texts.append((artist, cut(whole, room, style["size"]) if room else whole, whole))

    def fill(self, svg: str) -> str:
        """Replace the placeholders."""

        def one(match: re.Match[str]) -> str:
            _, shown, whole = self._texts[int(match[1])]
            return _clean(shown) if shown == whole else f"<title>{_clean(whole[:500])}</title>{_clean(shown)}"

        return re.sub(r"@@(\d+)@@", one, svg)

    def reveal(self) -> None:
        """Put the texts where their placeholders stand, for files that cannot be filled in later."""
        for artist, shown, _ in self._texts:
            artist.set_text("".join(one if _known(one) else "\ufffd" for one in shown))


def text_width(text: str, size: float) -> float:
    """Inches that ``text`` takes at ``size`` points; other sans-serif fonts are narrower."""
    return sum(map(_advance, text)) * size / 72


def cut(text: str, room: float, size: float) -> str:
    """The beginning of ``text`` that fits into ``room`` inches, with an ellipsis where something is left out."""
    if text_width(text[:500], size) <= room and len(text) <= 500:
        return text
    left, kept = room - text_width("\u2026", size), 0
    for character in text:
        left -= text_width(character, size)
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "\u2026"


@cache
def _font() -> FT2Font:
    return get_font(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


@cache
def _known(character: str) -> bool:
    return _font().get_char_index(ord(character)) != 0


@cache
def _advance(character: str) -> float:
    """Width of a character as a share of the font's size."""
    if not _known(character):
        return 1.0
    font = _font()
    font.set_size(72, 72)
    advance = font.load_char(ord(character), flags=LoadFlags.NO_HINTING).linearHoriAdvance
    return float(advance) / 65536 / 72


def _clean(text: str) -> str:
    return escape(on_one_line(text))


@contextmanager
def drawing(medium: Medium) -> Iterator[Canvas]:
    """A figure in the report's style, whatever the user's own settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield Canvas(medium)


def inline_svg(canvas: Canvas, *, prefix: str, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element of the page; call it inside `drawing`.

    Args:
        prefix: sets its ids apart from those of other figures on the page.
        title: its accessible name; ``description`` says what it shows to those who do not see it.
    """
    body = re.sub(r"#[0-9a-f]{6}\b", lambda one: _variable(one[0]), _body(canvas, prefix))
    return _head(canvas, prefix, title, description) + canvas.fill(body)


def alone_svg(canvas: Canvas, *, title: str, description: str) -> str:
    """The figure as a file of its own, in inches and in colours that are not the page's; call it inside `drawing`."""
    width, height = canvas.figure.get_figwidth(), canvas.figure.get_figheight()
    size = f'width="{width:g}in" height="{height:g}in" font-family="{_FAMILY}"'
    head = _head(canvas, "figure", title, description, size)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{canvas.fill(_body(canvas, "figure"))}\n'


def _head(canvas: Canvas, prefix: str, title: str, description: str, more: str = "") -> str:
    figure = canvas.figure
    return (
        f'<svg role="img" aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc" '
        f'viewBox="0 0 {72 * figure.get_figwidth():g} {72 * figure.get_figheight():g}" {more + " " if more else ""}'
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{prefix}-title">{_clean(title)}</title><desc id="{prefix}-desc">{_clean(description)}</desc>'
    )


def _body(canvas: Canvas, prefix: str) -> str:
    """What stands inside the element: matplotlib's, with placeholders, its ids beginning with ``prefix``."""
    buffer = io.StringIO()
    canvas.figure.savefig(buffer, format="svg", transparent=True, metadata=dict(_METADATA))
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # matplotlib's own style rule would apply to the whole page once inlined.
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = svg.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", re.sub(r"\s+", " ", svg))
    svg = re.sub(_WRAPPED, r"\1", svg)
    svg = re.sub(_ALIKE, _one_style, svg)
    svg = re.sub(r"\d+\.\d{3,}", lambda one: f"{float(one[0]):.2f}", svg)
    return svg[svg.index(">") + 1 :].strip()


def _one_style(marks: re.Match[str]) -> str:
    """Marks of one style in a group that says it once: of specifications there are thousands."""
    style = f' style="{marks[2]}"'
    return f"<g{style}>{marks[0].replace(style, '')}</g>"


def _variable(colour: str) -> str:
    name = _VARIABLES.get(colour)
    return f"var({name}, {colour})" if name else colour
