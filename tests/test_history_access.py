"""The history in a browser: nothing is asked of anybody, nothing runs, and everybody can read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from history_material import make_project
from playwright.sync_api import Browser, Page, sync_playwright
from run_factory import IMAGE
from test_page_access import CHROMIUM, FLAGS, PHONE, WIDE, violations

from auditor.adapters.history.history_data import read_history
from auditor.adapters.history.history_page import render_history


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    below = make_project(tmp_path_factory.mktemp("projects") / "project")
    (below / IMAGE.replace("/", "_")).mkdir()
    (below / IMAGE.replace("/", "_") / "manifest.json").write_text("{")
    path = below / "history.html"
    path.write_bytes(render_history(read_history(below), below).encode())
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_everybody_can_read_it(browser: Browser, file: Path, size: Any, scheme: Any) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text))
    page.on("request", lambda one: said.append(one.url))
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert said == [file.as_uri()]
    assert page.title() == "History of project"
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.close()


def test_contents_name_every_section(browser: Browser, file: Path) -> None:
    page: Page = browser.new_page(viewport=WIDE)
    page.goto(file.as_uri())
    named = page.evaluate("[...document.querySelectorAll('nav.contents > ul > li > a')].map(one => one.hash.slice(1))")
    assert named == page.evaluate("[...document.querySelectorAll('main > section')].map(one => one.id)")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the answer"
    page.close()
