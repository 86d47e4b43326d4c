"""Parts of tokens and words in an item that is open in the explorer (templates/report/explorer_parts.js)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE, WIDE, Seen, opened, scroll_width, violations
from playwright.sync_api import Browser, Page
from run_factory import HOSTILE, make_run, text_swap_probe

from auditor.adapters.report.anchors import anchor_of
from auditor.adapters.report.page import render_report
from auditor.adapters.run.attribution_tables import read_attributions

ITEM = "trans women/deluded|lucid/I think {} are"
LEAF, BEFORE = "dpo<b>", "sft"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[text_swap_probe()], renders=("plain",), attributed=True
    )


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    path = run / "report.html"
    path.write_text(render_report(run), encoding="utf-8")
    return path


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, file: Path, seen: Seen) -> Iterator[Page]:
    with opened(browser, file, seen) as one:
        yield one


def open_item(page: Page, item: str = ITEM) -> Page:
    """Show one item's texts and parts."""
    page.locator("#reveal").check()
    page.evaluate("anchor => { location.hash = `#items?item=${anchor}`; }", anchor_of("small", item))
    page.wait_for_selector("#x-item .x-parts")
    page.wait_for_selector("#x-item h4")
    return page


def parts_of(run: Path, method: str, level: str, reference: str | None, item: str = ITEM) -> list[dict[str, Any]]:
    wanted = ("small", item, method, level, LEAF, reference)
    names = ("probe", "item", "method", "level", "checkpoint", "reference")
    return [row for row in read_attributions(run).to_pylist() if tuple(row[name] for name in names) == wanted]


def number_of(shown: str) -> float:
    return float(shown.replace("\u2212", "-"))


def lines_of(page: Page) -> list[tuple[str, list[float]]]:
    """What the lines of parts say, the harmful side's first."""
    read = "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    rows: list[list[str]] = page.locator("#x-item .x-parts").evaluate_all(read)
    return [(name, [number_of(one) for one in cells if one]) for name, *cells in rows]


def test_tokens_parts_are_those_of_the_table_and_add_up(page: Page, run: Path) -> None:
    lines = lines_of(open_item(page))
    assert [name for name, _ in lines] == [f"part of margin, {LEAF}", f"part of shift, {BEFORE} \u2192 {LEAF}"] * 2
    for at, reference in enumerate((None, BEFORE)):
        rows = parts_of(run, "tokens", "token", reference)
        for side, label in enumerate(("harmful", "affirming")):
            expected = [row["value"] for row in rows if row["candidate"] == label]
            assert lines[2 * side + at][1] == pytest.approx(expected, abs=0.006)
        shown = sum(sum(values) for _, values in (lines[at], lines[2 + at]))
        assert shown == pytest.approx(rows[0]["total"], abs=0.03)


def test_shades_follow_side_and_size_and_numbers_say_the_same(page: Page) -> None:
    open_item(page)
    cells = page.locator("#x-item .x-parts").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => [cell.className, cell.textContent]))"
    )
    for one, other in zip(cells[:2], cells[2:], strict=True):
        both = [(kind, number_of(text)) for kind, text in (*one, *other) if text]
        largest = max(abs(value) for _, value in both)
        for kind, value in both:
            step = sum(abs(value) / largest >= share for share in (0.125, 0.25, 0.5))
            assert kind == (f"{'p' if value > 0 else 'q'}{step}" if step else "")


def test_words_are_those_of_the_table(page: Page, run: Path) -> None:
    open_item(page)
    rows = [row for row in parts_of(run, "ig", "word", BEFORE) if row["name"] != "(baseline)"]
    first = "all.slice(0, 3).flatMap(one => [...one.children])"
    shown = page.locator("#x-item .gloss").evaluate_all(
        f"all => {first}.map(one => [...one.children].map(part => part.textContent))"
    )
    assert [(word, role) for word, _, role in shown] == [(row["name"], row["role"]) for row in rows]
    assert [number_of(value) for _, value, _ in shown] == pytest.approx([row["value"] for row in rows], abs=0.006)
    said = page.locator("#x-item").inner_text()
    total, sum_of = rows[0]["total"], sum(row["value"] for row in parts_of(run, "ig", "word", BEFORE))
    assert f"of {total:+.3f}".replace("-", "\u2212") in said
    assert f"the parts add up to {sum_of:+.3f}".replace("-", "\u2212") in said


def test_edits_say_what_the_number_becomes(page: Page, run: Path) -> None:
    open_item(page)
    rows = [row for row in parts_of(run, "ablation", "word", BEFORE) if row["name"] != "(baseline)"]
    rows.sort(key=lambda row: -abs(row["value"]))
    shown = page.locator("#x-item .x-edits").first.locator("tbody tr").all_inner_texts()
    assert len(shown) == len(rows)
    for text, row in zip(shown, rows, strict=True):
        change, becomes, by, _ = text.split("\t")
        instead = row["replacement"]
        name = row["name"]
        assert change == (
            f"replace \u201c{name}\u201d by \u201c{instead}\u201d" if instead else f"leave out \u201c{name}\u201d"
        )
        assert number_of(becomes) == pytest.approx(row["total"] - row["value"], abs=0.011)
        assert number_of(by) == pytest.approx(-row["value"], abs=0.006)
    cells = page.locator("#x-item .x-edits").first.locator("tbody td:nth-child(3)")
    # A change that takes harm away has the colour of what is shown with a minus.
    kinds = cells.evaluate_all("all => all.map(one => [one.className.split(' ')[1] || '', one.textContent])")
    assert any(kind for kind, _ in kinds)
    assert all(kind[0] == ("p" if number_of(by) > 0 else "q") for kind, by in kinds if kind)


def test_the_margin_stands_folded_below_the_shift(page: Page) -> None:
    open_item(page)
    folded = page.locator("#x-item details summary").all_inner_texts()
    assert folded == [
        f"{method}, margin at {LEAF}" for method in ("Integrated gradients", "One change at a time", "Shapley values")
    ]


def test_items_with_words_can_be_asked_for(page: Page, run: Path) -> None:
    page.locator("#x-kind").select_option("words")
    marked = {row["item"] for row in read_attributions(run).to_pylist() if row["level"] == "word"}
    count = int(re.findall(r"\d+", page.locator("#x-count").inner_text())[0])
    assert 0 < count <= len(marked)


def test_parts_stay_folded_with_the_texts(page: Page) -> None:
    open_item(page)
    page.locator("#reveal").uncheck()
    assert not page.locator("#x-item .x-parts").first.is_visible()
    assert not page.locator("#x-item .x-edits").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page: Page, scheme: Any, size: Any) -> None:
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    open_item(page)
    page.locator("#x-item details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert violations(page, "#x-item") == []
    assert scroll_width(page) <= size["width"]


def test_hostile_words_are_text(page: Page, seen: Seen, run: Path) -> None:
    tables = {row["item"] for row in read_attributions(run).to_pylist() if row["level"] == "word"}
    hostile = [item for item in tables if item.startswith("hostile") and any(text[:40] in item for text in HOSTILE[:4])]
    assert hostile
    for item in hostile:
        open_item(page, item)
        assert page.locator("#x-item :is(img, iframe, b, script)").count() == 0
    assert page.title().startswith("Audit of")
    assert seen.said == []
