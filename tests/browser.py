"""The system's Chromium for the tests, and what they ask of a page that is open in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)
# The explorer answers.
READY = "#explorer[aria-busy=false]"


@contextmanager
def started() -> Iterator[Browser]:
    """Chromium, headless. Where there is none tests are skipped, or fail if BROWSER_TESTS says so."""
    if CHROMIUM is None:
        missing = "no Chromium: looked for chromium, chromium-browser and google-chrome on the PATH"
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Seen:
    """What a page did beside showing itself: messages and errors, and addresses it asked for."""

    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note what a page does from now on."""
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@contextmanager
def opened(
    browser: Browser, file: Path, seen: Seen | None = None, ready: str = READY, **settings: Any
) -> Iterator[Page]:
    """A file in a context of its own, of which nothing is left afterwards.

    Args:
        seen: to be told what the page does, from the first byte on.
        ready: what is waited for.
        settings: of the context, such as ``viewport``; else it is wide.
    """
    with browser.new_context(**{"viewport": WIDE, **settings}) as context:
        page = context.new_page()
        if seen is not None:
            seen.watch(page)
        page.goto(file.as_uri())
        page.wait_for_selector(ready)
        yield page


def unfold(page: Page) -> None:
    """Show everything a report folds, its texts included."""
    page.locator("#reveal").check()
    open_details(page)


def open_details(page: Page) -> None:
    """Show what is folded by no switch."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")


def see_as_first(page: Page, size: ViewportSize = WIDE) -> Page:
    """The top of a page that others have looked at, in light colours on a screen."""
    page.set_viewport_size(size)
    page.emulate_media(media="screen", color_scheme="light")
    page.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")
    return page


def violations(page: Page, context: str | None = None) -> list[str]:
    """What axe finds, in the whole page or below a selector."""
    # What passes is left out of the answer, which else takes longer to write than to find.
    found = Axe().run(page, context=context, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"][:3]]


def scroll_width(page: Page) -> int:
    """Of the whole document, in CSS pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth"))
