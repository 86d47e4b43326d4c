"""Twin of auditor.adapters.report.plots.svg."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree as ET

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from run_factory import HOSTILE

from auditor.adapters.printable import printable
from auditor.adapters.report.plots.svg import (
    COLUMN,
    HARM,
    PAGE,
    Canvas,
    Drawn,
    alone_svg,
    cut,
    drawing,
    inline_svg,
    text_width,
)

SVG = "{http://www.w3.org/2000/svg}"


def draw(text: str, *, prefix: str = "a", room: float = 0) -> str:
    with drawing(PAGE) as canvas:
        plotted(canvas, text, room)
        return inline_svg(canvas, prefix=prefix, title=text, description=text)


def plotted(canvas: Canvas, text: str, room: float = 0) -> None:
    axes = canvas.axes(0, 0, 1, 1)
    axes.plot([0, 1], [0, 1], marker="^", color=HARM)
    canvas.put(axes, 0.5, 0.5, text, room=room)


@pytest.mark.parametrize("text", HOSTILE)
def test_every_name_is_text(text: str) -> None:
    root = ET.fromstring(draw(text))
    shown = [one.text for one in root.iter(f"{SVG}text")]
    assert shown == [printable(text)]
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg", "title", "desc", "g", "path", "defs", "use", "text", "clipPath", "rect"
    }  # fmt: skip


def test_long_names_are_cut_with_the_whole_in_a_tooltip() -> None:
    (text,) = ET.fromstring(draw("<" + "long " * 20, room=0.7)).iter(f"{SVG}text")
    assert re.fullmatch(r"<long( long|)* ?\w*\u2026", str(text[0].tail))
    assert text[0].text == "<" + "long " * 20


def test_same_figure_same_bytes() -> None:
    assert draw("name") == draw("name")


def test_ids_differ_between_figures_and_references_resolve() -> None:
    one, other = draw("name", prefix="a"), draw("name", prefix="b")
    ids = re.findall(r'\bid="([^"]+)"', one)
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(re.findall(r'\bid="([^"]+)"', other))
    assert set(re.findall(r'href="#([^"]+)"', one)) <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", one)) <= set(ids)


def test_has_a_name_and_no_style_of_its_own() -> None:
    svg = draw("name")
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == root[0].get("id")
    assert root.get("aria-describedby") == root[1].get("id")
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert "font-family" not in svg
    assert "var(--harm, #d55e00)" in svg


def test_the_users_own_settings_do_not_matter() -> None:
    import matplotlib as mpl

    before = draw("$name$")
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert draw("$name$") == before
        assert mpl.rcParams["font.size"] == 30


def test_a_text_is_as_wide_as_matplotlib_draws_it() -> None:
    with drawing(PAGE) as canvas:
        axes = canvas.axes(0, 0, 1, 1)
        canvas.figure.set_dpi(300)
        drawn = axes.text(0, 0, "people with disabilities", size=9)
        box = drawn.get_window_extent(FigureCanvasAgg(canvas.figure).get_renderer())
        assert text_width("people with disabilities", 9) == pytest.approx(box.width / canvas.figure.dpi, rel=0.03)


@pytest.mark.parametrize("text", ["people " * 9, "\u4f60\u597d" * 20, "w" * 10_000, "i" * 600])
def test_what_is_cut_fits(text: str) -> None:
    shown = cut(text, 1.0, 9)
    assert shown.endswith("\u2026")
    assert 0.7 < text_width(shown, 9) <= 1.0
    assert cut("short", 1.0, 9) == "short"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_file_of_its_own_has_no_colour_of_the_page(text: str) -> None:
    with drawing(COLUMN) as canvas:
        plotted(canvas, text)
        svg = alone_svg(canvas, title=text, description=text)
    root = ET.fromstring(svg.encode())
    assert root.get("width") == "3.3in"
    assert "var(" not in svg
    assert HARM in svg
    assert [one.text for one in root.iter(f"{SVG}text")] == [printable(text)]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_drawn_as_they_are_where_no_text_can_be_replaced(text: str) -> None:
    with drawing(COLUMN) as canvas:
        plotted(canvas, text, room=1.0)
        canvas.reveal()
        (drawn,) = (one for one in canvas.figure.axes[0].texts)
        # No warning of a missing glyph, and no mathematics.
        canvas.figure.savefig(io.BytesIO(), format="pdf")
        canvas.figure.savefig(io.BytesIO(), format="png")
    assert "@@" not in drawn.get_text() or "@@" in text
    assert not drawn.get_parse_math()


def test_data_travel_in_a_link() -> None:
    drawn = Drawn("<svg></svg>", "words", "name\n\u00e9\n", "a.csv")
    head, data = drawn.href.split(",")
    assert head == "data:text/csv;charset=utf-8;base64"
    assert base64.b64decode(data).decode() == drawn.csv
