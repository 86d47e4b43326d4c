"""The history in a browser: nothing is asked of anybody, nothing runs, and everybody can read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE, WIDE, Seen, open_details, opened, scroll_width, violations
from history_material import make_project
from playwright.sync_api import Browser, Page
from run_factory import IMAGE

from auditor.adapters.history.history_data import read_history
from auditor.adapters.history.history_page import render_history


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    below = make_project(tmp_path_factory.mktemp("projects") / "project")
    (below / IMAGE.replace("/", "_")).mkdir()
    (below / IMAGE.replace("/", "_") / "manifest.json").write_text("{")
    path = below / "history.html"
    path.write_bytes(render_history(read_history(below), below).encode())
    return path


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def unfolded(browser: Browser, file: Path, seen: Seen) -> Iterator[Page]:
    with opened(browser, file, seen, ready="main") as page:
        open_details(page)
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_everybody_can_read_it(unfolded: Page, file: Path, seen: Seen, size: Any, scheme: Any) -> None:
    unfolded.set_viewport_size(size)
    unfolded.emulate_media(color_scheme=scheme)
    assert seen == Seen(asked=[file.as_uri()])
    assert unfolded.title() == "History of project"
    assert violations(unfolded) == []
    assert scroll_width(unfolded) <= size["width"]


def test_contents_name_every_section(browser: Browser, file: Path) -> None:
    with opened(browser, file, ready="main") as page:
        read = "all => all.map(one => one.hash.slice(1))"
        named = page.locator("nav.contents > ul > li > a").evaluate_all(read)
        assert named == page.locator("main > section").evaluate_all("all => all.map(one => one.id)")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the answer"
