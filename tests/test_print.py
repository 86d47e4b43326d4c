"""The report on paper: what its PDF holds, and where Chromium breaks its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from command_line import ROOT
from playwright.sync_api import Browser, Page
from pypdf import PageObject, PdfReader
from run_factory import BRANCHED, make_run

from auditor.adapters.report.page import Appearance, render_report

EXAMPLE = ROOT / "reports" / "example"
WIDTHS = {"A4": 688, "Letter": 710}  # CSS pixels: the paper's width less 14 mm at either side
MARGIN = 15 / 25.4 * 72  # points above and below the text; the page's number stands in it

# Test paint: what must not end a page is of one colour, what must not begin one of another.
NO_END, NO_BEGINNING = (1.0, 0.0, 1.0), (0.0, 1.0, 1.0)
PAINT = """@media print {
  :is(h1, h2, h3, h4, h5, summary, caption, thead, tr.group, .leaf, .legend) { &, & * { color: #f0f !important; } }
  figcaption, figcaption * { color: #0ff !important; }
  * { print-color-adjust: exact !important; }
}"""
ANYWHERE = "* { break-after: auto !important; break-before: auto !important; break-inside: auto !important; }"


class Text(NamedTuple):
    """A piece of text on a page: points above the foot, colour, and points to a CSS pixel where it stands."""

    height: float
    colour: tuple[float, ...]
    scale: float


class Sheet(NamedTuple):
    """A printed page: its height in points, its pieces of text from head to foot, and what they say without spaces."""

    high: float
    texts: list[Text]
    words: str


@pytest.fixture(scope="module", params=["example", "hostile"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    run = EXAMPLE if request.param == "example" else make_run(folder / "run", **BRANCHED)
    path = folder / "report.html"
    path.write_text(render_report(run), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(file.as_uri())
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["A4", pytest.param("Letter", marks=pytest.mark.slow)])
def sheets(browser: Browser, file: Path, request: pytest.FixtureRequest) -> list[Sheet]:
    opened = browser.new_page()
    opened.goto(file.as_uri())
    opened.add_style_tag(content=PAINT)
    read = printed(opened, request.param)
    opened.close()
    return read


def printed(page: Page, size: str = "A4", pages: str = "") -> list[Sheet]:
    return [sheet(one) for one in PdfReader(BytesIO(page.pdf(format=size, page_ranges=pages))).pages]


def sheet(page: PageObject) -> Sheet:
    """What a page of a PDF shows within its margins, read from the operators that draw it."""
    found: list[Text] = []
    colour: tuple[float, ...] = ()

    def see(operator: bytes, operands: Any, matrix: list[float], text: list[float]) -> None:
        nonlocal colour
        if operator == b"rg":
            colour = tuple(float(one) for one in operands)
        elif operator in (b"Tj", b"TJ"):
            height = matrix[1] * text[4] + matrix[3] * text[5] + matrix[5]
            found.append(Text(height, colour, abs(matrix[0])))

    words = re.sub(r"\s+", "", page.extract_text(visitor_operand_before=see))
    within = sorted((one for one in found if one.height > MARGIN), key=lambda one: -one.height)
    return Sheet(float(page.mediabox.height), within, words)


def standing_alone(sheets: list[Sheet]) -> list[str]:
    """What ends a page and belongs to what comes next, or begins one and belongs to what came before."""
    ends = [f"page {at}: a head ends it" for at, one in enumerate(sheets, 1) if one.texts[-1].colour == NO_END]
    return ends + [
        f"page {at}: a caption begins it" for at, one in enumerate(sheets, 1) if one.texts[0].colour == NO_BEGINNING
    ]


def test_no_head_heading_or_caption_stands_alone(sheets: list[Sheet]) -> None:
    assert {one.colour for sheet in sheets for one in sheet.texts} >= {NO_END, NO_BEGINNING}
    assert standing_alone(sheets) == []


def test_what_stands_alone_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    """Broken anywhere, the pages of the example end with some head once they begin a little lower."""
    path = tmp_path / "report.html"
    path.write_text(render_report(EXAMPLE), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.add_style_tag(content=PAINT + ANYWHERE)
    found = []
    for space in range(0, 400, 50):
        page.evaluate("space => { document.body.style.paddingTop = `${space}px`; }", space)
        found += standing_alone(printed(page))
        if found:
            break
    page.close()
    assert found


def test_no_page_but_the_last_is_nearly_empty(sheets: list[Sheet]) -> None:
    assert len(sheets) > 3
    for at, one in enumerate(sheets[:-1], 1):
        filled = (one.high - MARGIN - one.texts[-1].height) / (one.high - 2 * MARGIN)
        assert filled > 0.4, f"page {at} of {len(sheets)} is {filled:.0%} full"


def test_chromium_does_not_shrink_the_pages_to_make_them_fit(sheets: list[Sheet]) -> None:
    assert max(one.scale for sheet in sheets for one in sheet.texts) == pytest.approx(72 / 96, abs=0.001)


def test_answer_series_identities_and_method_are_printed_alone(sheets: list[Sheet], file: Path) -> None:
    words = "".join(one.words for one in sheets)
    for shown in ("Answer", "Series: from", "Identities side by side", "Method and limits", "How to cite"):
        assert shown.replace(" ", "") in words
    for folded in ("Level at each checkpoint", "Items below", "Cells adjusted together", "schema_version"):
        assert folded.replace(" ", "") in words
    page = file.read_text(encoding="utf-8")
    hidden = ("Data as CSV", "Skip to the answer", "Show explicit texts", "Every number behind the verdicts")
    for on_screen in (*hidden, "The explorer of all pairs", "Would the verdict be the same"):
        assert on_screen in page
        assert on_screen.replace(" ", "") not in words


def test_pages_are_numbered(sheets: list[Sheet]) -> None:
    assert all(one.words.startswith(str(at)) or one.words.endswith(str(at)) for at, one in enumerate(sheets, 1))


@pytest.mark.parametrize("size", WIDTHS)
def test_nothing_is_cut_off_at_the_right(page: Page, size: str) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": WIDTHS[size], "height": 1000})
    beyond = page.evaluate(
        """width => [...document.querySelectorAll('body *')].filter(one => one.checkVisibility())
        .map(one => [one.getBoundingClientRect(), one.outerHTML.slice(0, 120)])
        .filter(([box]) => box.left < -0.5 || box.right > width + 0.5)
        .map(([box, html]) => [box.left, box.right, html])""",
        WIDTHS[size],
    )
    assert beyond == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[size]


def test_what_is_folded_on_the_screen_is_open_on_paper(page: Page) -> None:
    inside = "details:not([open]):not(.screen-only *, #items *, #robustness *) > :not(summary)"
    assert page.locator(inside).count() > 3
    assert page.locator(inside).evaluate_all("all => all.some(one => one.checkVisibility())") is False
    page.emulate_media(media="print")
    assert page.locator(inside).evaluate_all("all => all.filter(one => one.offsetHeight < 8).length") == 0
    assert page.locator(inside).evaluate_all("all => all.every(one => one.checkVisibility())")


@pytest.mark.slow
def test_paper_is_never_dark(browser: Browser, tmp_path: Path) -> None:
    asked: tuple[tuple[Literal["light", "dark"], Appearance], ...] = (
        ("light", "auto"),
        ("dark", "auto"),
        ("dark", "dark"),
    )
    found = []
    for scheme, appearance in asked:
        path = tmp_path / f"{appearance}.html"
        path.write_text(render_report(EXAMPLE, appearance), encoding="utf-8")
        page = browser.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        found.append([one.texts for one in printed(page, pages="1-5")])
        page.close()
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 5
    # White on dark stands only on the darkest cells of a heat map, which the example does not reach.
    assert all(min(one.colour) < 0.8 for texts in found[0] for one in texts)
