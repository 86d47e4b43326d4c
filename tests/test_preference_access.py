"""The page about a preference set in a browser: nothing is asked of anybody, and everybody can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from browser import PHONE, Seen, open_details, opened, scroll_width, violations
from playwright.sync_api import Browser
from preference_material import SEARCHED, found_in

from auditor.adapters.preference_data.preference_page import render_preferences


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "report.html"
    page = render_preferences(found_in("sft", "dpo"), SEARCHED.finder, top=5, private=False)
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out_and_nobody_is_asked(browser: Browser, file: Path, scheme: Literal["light", "dark"]) -> None:
    seen = Seen()
    with opened(browser, file, seen, ready="main", color_scheme=scheme) as page:
        open_details(page)
        assert seen == Seen(asked=[file.as_uri()])
        assert violations(page) == []


def test_contents_name_every_section(browser: Browser, file: Path) -> None:
    with opened(browser, file, ready="main") as page:
        read = "all => all.map(one => one.hash.slice(1))"
        named = page.locator("nav.contents > ul > li > a").evaluate_all(read)
        assert named == page.locator("main > section").evaluate_all("all => all.map(one => one.id)")


def test_it_fits_a_phone(browser: Browser, file: Path) -> None:
    with opened(browser, file, ready="main", viewport=PHONE) as page:
        open_details(page)
        assert scroll_width(page) <= PHONE["width"]
