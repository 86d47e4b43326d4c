"""The page for people who use it otherwise: by keyboard, with a screen reader, in the dark, on a phone, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from browser import PHONE, WIDE, opened, scroll_width, see_as_first, unfold, violations
from playwright.sync_api import Browser, Locator, Page
from run_factory import BRANCHED, controlled_probe, make_run, responsive_probe, worded_probe

from auditor.adapters.report.page import Appearance, render_report

TARGET = 24  # CSS pixels, WCAG 2.2, 2.5.8
# Axe takes seconds a page: the others are for CI.
LOOKS = [
    pytest.param(WIDE, "light", id="wide-light"),
    *(
        pytest.param(size, scheme, id=f"{name}-{scheme}", marks=pytest.mark.slow)
        for name, size, scheme in (("wide", WIDE, "dark"), ("phone", PHONE, "light"), ("phone", PHONE, "dark"))
    ),
]

RUNS: dict[str, dict[str, Any]] = {
    "hostile": BRANCHED,
    "controls": {"probes": [controlled_probe(), worded_probe(), responsive_probe()]},
    "attributed": {"attributed": True},
}


@pytest.fixture(scope="module", params=RUNS, ids=list(RUNS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", **RUNS[request.param])


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    path = run / "report.html"
    path.write_text(render_report(run), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """A page of its own, for whoever moves about in it or spoils it."""
    with opened(browser, file) as one:
        yield one


@pytest.fixture(scope="module")
def opened_once(browser: Browser, file: Path) -> Iterator[Page]:
    with opened(browser, file) as one:
        yield one


@pytest.fixture
def folded(opened_once: Page) -> Page:
    """The page as it opens, for whoever only looks at it."""
    return see_as_first(opened_once)


@pytest.fixture(scope="module")
def unfolded(browser: Browser, file: Path) -> Iterator[Page]:
    """All of the page, for whoever only looks at it."""
    with opened(browser, file) as one:
        unfold(one)
        yield one


def corner(element: Locator) -> tuple[float, float]:
    """Where the upper left corner of an element lies in the window."""
    box = element.bounding_box()
    assert box is not None
    return box["x"], box["y"]


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_axe_finds_nothing(folded: Page, unfolded: Page, size: Any, scheme: Any) -> None:
    for page in (folded, unfolded):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []


def test_axe_would_find_something(page: Page) -> None:
    page.evaluate("document.querySelector('main').style.color = '#ccc'; document.documentElement.lang = ''")
    found = " ".join(violations(page))
    assert "color-contrast" in found
    assert "html-has-lang" in found


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_sideways_scroll(unfolded: Page, size: Any) -> None:
    unfolded.set_viewport_size(size)
    assert scroll_width(unfolded) <= size["width"]


def test_headings_are_in_order(folded: Page) -> None:
    levels = folded.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_table_has_a_caption_and_its_heads_a_scope(folded: Page) -> None:
    tables = folded.evaluate(
        "[...document.querySelectorAll('table')].map(one => [one.caption && one.caption.textContent.trim().length,"
        " [...one.querySelectorAll('th')].every(head => head.scope)])"
    )
    assert tables
    assert all(caption and scoped for caption, scoped in tables)


def test_keyboard_reaches_the_answer_at_once(page: Page) -> None:
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text() == "Skip to the answer"
    assert corner(focused)[0] >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#main').contains(document.activeElement)")


def test_whatever_has_the_focus_shows_it(page: Page) -> None:
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle + ' ' + document.activeElement.tagName"
            )
        )
    assert len(seen) > 20
    assert "none" not in seen


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_targets_are_large_enough(folded: Page, size: Any) -> None:
    """Links within a sentence are exempt; everything else that is pressed is 24 by 24 or has the room."""
    folded.set_viewport_size(size)
    small = folded.evaluate(
        """size => [...document.querySelectorAll('summary, input, nav a')].filter(one => one.offsetParent !== null)
        .map(one => [one.getBoundingClientRect(), one.outerHTML.slice(0, 80)])
        .filter(([box]) => box.height < size || box.width < size)
        .map(([box, html]) => [box.height, box.width, html])""",
        TARGET,
    )
    assert small == []


def test_contents_name_every_section(folded: Page) -> None:
    named = folded.evaluate(
        "[...document.querySelectorAll('nav.contents > ul > li > a')].map(one => one.hash.slice(1))"
    )
    assert named == folded.evaluate("[...document.querySelectorAll('main > section')].map(one => one.id)")
    folded.evaluate("window.scrollTo({top: 3000, behavior: 'instant'})")
    assert corner(folded.locator("nav.contents"))[1] == 0


def test_appearance_is_the_systems_or_the_one_asked_for(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",))
    appearances: tuple[Appearance, ...] = ("auto", "light", "dark")
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    dark = {}
    for appearance in appearances:
        path = tmp_path / f"{appearance}.html"
        path.write_text(render_report(run, appearance), encoding="utf-8")
        with opened(browser, path) as page:
            for scheme in schemes:
                page.emulate_media(color_scheme=scheme)
                colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
                dark[appearance, scheme] = int(re.findall(r"\d+", colour)[0]) < 128
    assert dark == {(one, scheme): (scheme if one == "auto" else one) == "dark" for one, scheme in dark}


def test_on_paper_stand_all_but_metrics_evidence_and_robustness(folded: Page) -> None:
    folded.emulate_media(media="print", color_scheme="dark")
    shown = folded.evaluate(
        "[...document.querySelectorAll('main > section')].filter(one => one.offsetParent !== null).map(one => one.id)"
    )
    assert shown == ["answer", "series", "identities", "agreement", "attribution", "method"]
    assert folded.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    hidden = folded.locator("nav.contents, .switch, .skip")
    assert not any(one.is_visible() for one in hidden.all())
    assert folded.pdf()[:5] == b"%PDF-"
