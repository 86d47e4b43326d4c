"""Twin of auditor.adapters.report.items.explorer; the second half opens the page in a browser, by keyboard."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
import pyarrow.parquet as pq
import pytest
from browser import READY, WIDE, Seen, violations
from playwright.sync_api import Browser, Page, expect
from run_factory import BRANCHED, HARMED, HOSTILE, IMAGE, SCRIPT, make_run, text_swap_probe, worded_probe
from unpacking import Unpacked, packs_of, unpacked

from auditor.adapters.report.anchors import anchor_of
from auditor.adapters.report.items import explorer
from auditor.adapters.report.items.explorer import (
    BY_MARGIN,
    BY_SHIFT,
    WITH_TEXT,
    WITH_TOKENS,
    Explorer,
    Told,
    explorer_of,
)
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.page import SCRIPTS, render_report
from auditor.adapters.report.page_words import shade, signed
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.run_folder import read_results
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe

SIDES = (HARMFUL, AFFIRMING)
BREAKOUT = "</script><script>document.title='run'</script><svg onload=\"document.title='run'\">"
TEMPLATE = "${7*7} #{7*7} <%= 7*7 %> {{constructor.constructor('document.title=1')()}} javascript:document.title=1"
TEXTS = (*HOSTILE, BREAKOUT, TEMPLATE, "\u0000", "<!--", "__proto__", "constructor", "(none)")


def hostile_probe() -> Probe:
    """Every hostile text in every field that a page shows."""
    items = [
        Item(
            id=f"{text}{at}",
            candidates=(Candidate(HARMFUL, text), Candidate(AFFIRMING, f"not {text}")),
            context=text,
            identity=text,
            axis=text,
            theme=text,
            cluster=text,
        )
        for at, text in enumerate(TEXTS)
    ]
    return Probe(f"hostile {SCRIPT}", tuple(items), Card(f"Hostile {IMAGE}", "hostile.csv", "5" * 64))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run",
        probes=[text_swap_probe(), worded_probe(), hostile_probe()],
        attributed=True,
    )


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return render_report(run)


@pytest.fixture(scope="module")
def table(run: Path) -> dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]]:
    """Rows of marked pairs."""
    marked = ("marked", "harm")
    return {
        name: own
        for name, own in table_of(run).items()
        if all((row["role"], row["valence"]) == marked for row in own.values())
    }


def table_of(run: Path) -> dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]]:
    """Rows in plain rendering by probe and item, then by checkpoint and candidate."""
    found: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {}
    for row in pq.read_table(run / "items.parquet").to_pylist():
        if row["render"] == "plain":
            found.setdefault((row["probe"], row["item"]), {})[row["checkpoint"], row["candidate"]] = row
    return found


def packed(run: Path, told: Told | None = None, *, private: bool = False) -> Explorer:
    branches = branches_of(read_results(run).series)
    checkpoints = list(dict.fromkeys(name for one in branches for name in one.path))
    margins = ItemMargins(run / "items.parquet", "plain", checkpoints)
    told = told or Told({}, {}, "nats")
    found = explorer_of(run, margins, render="plain", branches=branches, private=private, told=told)
    assert found is not None
    return found


def names_of(items: Unpacked) -> list[tuple[str, str]]:
    probes = items.head["names"]["probe"]
    return list(zip((probes[at] for at in items.column("probe")), items.head["ids"], strict=True))


def test_items_are_those_of_the_table(run: Path, table: dict[tuple[str, str], Any]) -> None:
    found = unpacked(packed(run).items)
    names, checkpoints = names_of(found), found.head["checkpoints"]
    assert names == list(table)
    assert checkpoints == ["base", "sft", "dpo<b>"]
    assert (found.head["stages"], found.head["leaf"]) == ([[0, 1], [1, 2]], 2)
    for facet in ("identity", "axis", "theme", "cluster", "design"):
        shown = [found.head["names"][facet][code] for code in found.column(facet)]
        assert shown == [own["base", HARMFUL][facet] for own in table.values()]
    for at, name in enumerate(checkpoints):
        expected = [own[name, HARMFUL]["value"] - own[name, AFFIRMING]["value"] for own in table.values()]
        assert np.abs(found.numbers(f"margin{at}") - expected).max() <= 0.0005 + 1e-9
    anchors = [
        "".join(f"{byte:02x}" for byte in own)
        for own in zip(*(found.column(f"anchor{at}") for at in range(6)), strict=True)
    ]
    assert anchors == [anchor_of(*name) for name in names]


def test_verdicts_are_those_of_the_results(run: Path, html: str) -> None:
    found = packs_of(html)["items"]
    judged = {
        (one.probe, one.identity, one.axis): one.verdict
        for one in read_results(run).effects
        if (one.measure, one.checkpoint, one.render, one.theme) == ("level", "dpo<b>", "plain", None)
        # Without reference rows there is no disparity to read.
        and one.contrast == ("raw" if one.probe.startswith("hostile") else "excess")
        and (one.role, one.valence) == ("marked", "harm")
    }
    codes = (found.column(name) for name in ("probe", "identity", "axis", "verdict"))
    for probe, identity, axis, verdict in {tuple(one) for one in zip(*codes, strict=True)}:
        names = found.head["names"]
        who = (names["probe"][probe], names["identity"][identity], names["axis"][axis])
        assert names["verdict"][verdict] == judged[who]
    assert "harm" in found.head["names"]["verdict"]


def test_marks(run: Path) -> None:
    whole = packed(run)
    items, tokens, sides = (unpacked(pack) for pack in (whole.items, whole.tokens, whole.sides))
    marks = items.column("marks")
    assert {at for at, mark in enumerate(marks) if mark & WITH_TOKENS} == set(tokens.column("row"))
    assert {at for at, mark in enumerate(marks) if mark & WITH_TEXT} == {
        at for at, code in enumerate(sides.column("harmful")) if code
    }
    margins, shifts = items.numbers("margin2"), items.numbers("margin2") - items.numbers("margin1")
    for values, mark in ((margins, BY_MARGIN), (shifts, BY_SHIFT)):
        for probe in set(items.column("probe")):
            own = np.where(np.array(items.column("probe")) == probe, values, -np.inf)
            assert own.max() < 0 or marks[int(np.argmax(own))] & mark
    assert (whole.texts, whole.glossed) == (len(marks), len(marks))


def test_of_too_many_pairs_the_strongest_and_a_share_of_each(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packed(run)
    monkeypatch.setattr(explorer, "STRONGEST", 6)
    monkeypatch.setattr(explorer, "MAX_NUMBERS", 3 * 60)
    some = packed(run)
    assert (some.pairs, some.all_pairs) == (60, whole.pairs)
    names = names_of(unpacked(some.items))
    marks = [mark & (BY_MARGIN | BY_SHIFT) for mark in unpacked(some.items).column("marks")]
    assert 3 <= sum(map(bool, marks)) <= 6
    # Every identity of the probe with the most pairs keeps about its share.
    share = 60 / whole.pairs
    for who in (HARMED, "group 1", "group 2", "group 3"):
        kept = sum(probe == "worded" and item.startswith(f"{who}/") for probe, item in names)
        assert abs(kept - 24 * share) <= 2 + 6
    assert packed(run) == some


def test_no_more_pairs_than_fit(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packed(run)
    monkeypatch.setattr(explorer, "ITEMS_BUDGET", len(whole.items) * 3 // 4)
    some = packed(run)
    assert len(whole.items) // 2 < len(some.items) <= 1.02 * len(whole.items) * 3 / 4
    items, sides, tokens = (unpacked(pack) for pack in (some.items, some.sides, some.tokens))
    assert some.pairs == len(items.head["ids"]) == len(sides.column("harmful")) == some.texts
    assert set(tokens.column("row")) == set(range(some.pairs))


def test_attributions_take_room_from_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attributed = make_run(tmp_path / "run", attributed=True)
    whole = packed(attributed)
    monkeypatch.setattr(explorer, "ITEMS_BUDGET", 2 * len(whole.items))
    monkeypatch.setattr(explorer, "ATTRIBUTIONS_BUDGET", 5 * len(whole.items) // 4)
    page = render_report(attributed)
    assert len(packs_of(page)["items"].head["ids"]) < whole.pairs
    assert f"The page holds {len(packs_of(page)['items'].head['ids'])} of the pairs" in page
    bare = render_report(make_run(tmp_path / "bare"))
    assert len(packs_of(bare)["items"].head["ids"]) == whole.pairs


def test_a_branch_has_its_own_stages(tmp_path: Path) -> None:
    found = unpacked(packed(make_run(tmp_path / "run", **BRANCHED)).items)
    assert found.head["checkpoints"] == ["base", "sft", "dpo<b>", "dpo2"]
    assert found.head["stages"] == [[0, 1], [1, 2], [1, 3]]


def test_private_packs_hold_ids_and_numbers(tmp_path: Path) -> None:
    page = render_report(make_run(tmp_path / "run", private=True))
    packs = packs_of(page)
    assert set(packs) == {"items", "sides"}
    said = json.dumps([one.head for one in packs.values()], ensure_ascii=False)
    assert f"Everyone knows {HARMED}" not in said
    assert "\u0120" not in said
    assert f"{HARMED}/deluded|lucid/" in said
    assert not any(packs["sides"].column("harmful"))


def test_the_policy_names_this_script(html: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    rest = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    assert policy == [f"{rest}; script-src 'sha256-{expected}'"]
    assert html.count("<script") == 5


def test_the_script_is_small_and_makes_no_markup() -> None:
    folder = Path(explorer.__file__).parents[4] / "templates" / "report"
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    for name in SCRIPTS:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count("\n") < 600
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\(", text)
        assert "</script" not in text
        assert "<!--" not in text


# ---- In a browser


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    one = browser.new_page(viewport=WIDE)
    seen.watch(one)
    yield one
    one.close()


def opened(page: Page, file: Path, address: str = "") -> Page:
    page.goto(file.as_uri() + address)
    page.wait_for_selector(READY)
    return page


def count_of(page: Page) -> str:
    return page.locator("#x-count").inner_text()


def rows_of(page: Page) -> list[list[str]]:
    """The table as it is shown: name, numbers, theme, text."""
    read = "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    found: list[list[str]] = page.locator("#x-rows > tr:not(.x-item)").evaluate_all(read)
    return found


def view_of(page: Page) -> tuple[Any, ...]:
    """All that the explorer shows, and where."""
    controls = page.locator("#explorer .x-filters :is(input, select), #x-size")
    return (
        page.evaluate("location.hash"),
        controls.evaluate_all("all => all.map(one => [one.id, one.value])"),
        count_of(page),
        rows_of(page),
        page.locator("th[aria-sort]").evaluate("one => [one.textContent, one.ariaSort]"),
        page.locator(".x-item h3, .x-item .id").all_inner_texts(),
    )


def entries(page: Page) -> int:
    found: int = page.evaluate("history.length")
    return found


def focused(page: Page) -> str:
    """The id of what has the focus, else its text."""
    found: str = page.evaluate("document.activeElement.id || document.activeElement.textContent")
    return found


def anchors_of(page: Page) -> list[str]:
    return [re.findall(r"item ([0-9a-f]{12})$", row[0])[0] for row in rows_of(page)]


def number_of(shown: str) -> float:
    return float(shown.replace("\u2212", "-"))


def test_nothing_is_said_and_nothing_is_asked_for(page: Page, file: Path, seen: Seen) -> None:
    opened(page, file)
    page.locator("#reveal").check()
    page.locator("#x-q").fill("group")
    expect(page.locator("#x-count")).to_contain_text(" of ")
    page.locator("#x-rows button").first.click()
    expect(page.locator(".x-tokens")).to_be_visible()
    page.locator("#x-last").click()
    page.locator("#x-clear").click()
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith("data:")] == [file.as_uri()]


def test_every_margin_shown_is_the_table_s(page: Page, file: Path, table: dict[tuple[str, str], Any]) -> None:
    opened(page, file, "#items?size=100")
    by_anchor = {anchor_of(*name): own for name, own in table.items()}
    shown: dict[str, list[str]] = {}
    while True:
        shown |= dict(zip(anchors_of(page), rows_of(page), strict=True))
        if page.locator("#x-next").get_attribute("aria-disabled") == "true":
            break
        page.locator("#x-next").click()
    assert shown.keys() == by_anchor.keys()
    for anchor, row in shown.items():
        own = by_anchor[anchor]
        margins = [own[name, HARMFUL]["value"] - own[name, AFFIRMING]["value"] for name in ("base", "sft", "dpo<b>")]
        for text, value in zip(row[1:5], [*margins, margins[2] - margins[1]], strict=True):
            # Two digits of a number that was rounded to three, a shift of two of them.
            assert abs(number_of(text) - value) <= 0.0061


def test_an_open_item_shows_the_table_s_numbers(
    page: Page, file: Path, run: Path, table: dict[tuple[str, str], Any]
) -> None:
    tokens = pq.read_table(run / "tokens.parquet").to_pylist()
    chosen = [name for name in table if name[0] == "small" and not name[1].startswith("hostile")][:2]
    for name in [*chosen, ("worded", "group 2/3/1")]:
        opened(page, file, f"#item-{anchor_of(*name)}")
        page.locator("#reveal").check()
        lines = [re.split(r"\t", one.inner_text()) for one in page.locator(".x-numbers tbody tr").all()]
        previous = None
        for line, checkpoint in zip(lines, ("base", "sft", "dpo<b>"), strict=True):
            harmful, affirming = (table[name][checkpoint, side]["value"] for side in SIDES)
            assert line[0] == checkpoint
            assert [line[1], line[3]] == [signed(one, 3) for one in (harmful, harmful - affirming)]
            assert abs(number_of(line[2]) - affirming) <= 0.0011
            if previous is None:
                assert line[4] == "\u2013"
            else:
                assert abs(number_of(line[4]) - (harmful - affirming - previous)) <= 0.0011
            previous = harmful - affirming
            # Beside a pair whose reference rows are known stands what they say.
            other = table_of(run)[name[0], name[1].replace(name[1].split("/")[0], "cisgender people")]
            reference = other[checkpoint, HARMFUL]["value"] - other[checkpoint, AFFIRMING]["value"]
            assert line[5] == signed(reference, 3)
            assert abs(number_of(line[6]) - (previous - reference)) <= 0.0011
        grid = page.locator(".x-tokens tr:not(.x-parts)").evaluate_all(
            "rows => rows.map(row => [...row.children].map(cell => [cell.textContent, cell.className]))"
        )
        assert [row[0][0] for row in grid] == ["Harmful", "base", "sft", "dpo<b>", "Affirming", "base", "sft", "dpo<b>"]
        for at, row in enumerate(grid):
            if at % 4 == 0:
                continue
            side, checkpoint = SIDES[at // 4], row[0][0]
            own = [one for one in tokens if (one["probe"], one["item"], one["render"]) == (*name, "plain")]
            own = [one for one in own if (one["checkpoint"], one["candidate"]) == (checkpoint, side)]
            values = [one["logprob"] for one in sorted(own, key=lambda one: one["position"])]
            cells = [cell for cell in row[1:] if cell[0]]
            assert [number_of(text) for text, _ in cells] == pytest.approx(values, abs=0.0056)
            assert [kind for _, kind in cells] == [f"s{shade(round(value, 3))}" for value in values]
        words = "".join(cell[0] for cell in grid[0][1:] if "named" not in cell[1])
        assert words == table[name]["sft", HARMFUL]["text"]


def test_sides_are_aligned_and_what_differs_is_marked(page: Page, file: Path) -> None:
    opened(page, file, f"#item-{anchor_of('worded', 'group 2/3/1')}")
    page.locator("#reveal").check()
    # " bad1 thing" against " good": nothing is shared but the last byte's name.
    marked = page.locator(".x-sentence mark").all_inner_texts()
    assert [one.strip() for one in marked] == ["bad1 thing", "good"]
    rows = page.locator(".x-tokens .x-side").evaluate_all(
        """rows => rows.map(row => [...row.children].slice(1).map(
            cell => [cell.textContent, cell.classList.contains("x-differs")]))"""
    )
    assert rows[0] == [[" bad1", True], [" thing", True], ["<0x81>", False]]
    assert rows[1] == [[" good", True], ["", False], ["<0x81>", False]]


def test_filters_by_keyboard_alone(page: Page, file: Path) -> None:
    opened(page, file)
    total = int(count_of(page).split()[0])
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "x-q":
        page.keyboard.press("Tab")
    page.keyboard.type("TRANS wom")
    expect(page.locator("#x-count")).to_have_text(re.compile(rf"^34 of {total} items"))
    assert all(row[0].startswith(HARMED) for row in rows_of(page))
    for _ in range("TRANS wom".__len__()):
        page.keyboard.press("Backspace")
    expect(page.locator("#x-count")).to_have_text(re.compile(rf"^{total} items"))
    worded = [anchor_of("worded", f"group 2/{at}/{wording}") for at in range(6) for wording in range(4)]
    for control, key in (("x-probe", "Pairs"), ("x-identity", "group 2")):
        while page.evaluate("document.activeElement.id") != control:
            page.keyboard.press("Tab")
        page.keyboard.type(key)
    assert set(anchors_of(page)) == set(worded)
    assert count_of(page).startswith(f"24 of {total} items")
    assert page.locator("#x-count").get_attribute("aria-live") == "polite"
    while page.evaluate("document.activeElement.id") != "x-clear":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert count_of(page).startswith(f"{total} items")


def test_a_stage_s_shift_by_sign_and_size(page: Page, file: Path, table: dict[tuple[str, str], Any]) -> None:
    def shift(own: dict[tuple[str, str], dict[str, Any]], before: str, after: str) -> float:
        margins = [own[name, HARMFUL]["value"] - own[name, AFFIRMING]["value"] for name in (before, after)]
        return float(margins[1] - margins[0])

    for asked, test in (
        ("stage=dpo%3Cb%3E&shift=up&least=2", lambda own: shift(own, "sft", "dpo<b>") >= 2),
        ("stage=sft&shift=down&least=0.3", lambda own: shift(own, "base", "sft") <= -0.3),
        ("stage=sft&shift=up", lambda own: shift(own, "base", "sft") > 0),
    ):
        opened(page, file, f"#items?size=100&{asked}")
        expected = {anchor_of(*name) for name, own in table.items() if test(own)}
        found: set[str] = set()
        while True:
            found |= set(anchors_of(page))
            if page.locator("#x-next").get_attribute("aria-disabled") == "true":
                break
            page.locator("#x-next").click()
        assert found == expected
        assert found


def test_sorting_by_keyboard_alone(page: Page, file: Path) -> None:
    def name(shown: str) -> str:
        return shown.split(",")[0]

    opened(page, file, "#items?probe=worded")
    values = [number_of(row[3]) for row in rows_of(page)]
    assert values == sorted(values, reverse=True)
    assert page.locator("th[aria-sort]").inner_text().startswith("dpo<b>")
    for label, column, read in (("base", 1, number_of), ("excess at dpo<b>", 5, number_of), ("Identity", 0, name)):
        page.locator("#x-size").focus()
        while not page.evaluate("document.activeElement.textContent").startswith(label):
            page.keyboard.press("Shift+Tab")
        for _ in range(2):
            page.keyboard.press("Enter")
            header = page.locator("th[aria-sort]")
            assert header.inner_text().startswith(label)
            # The button keeps the focus, so that a second press turns the order around.
            assert page.evaluate("document.activeElement.textContent").startswith(label)
            values = [read(row[column]) for row in rows_of(page)]
            assert values == sorted(values, reverse=header.get_attribute("aria-sort") == "descending")
            assert page.locator("th[aria-sort]").count() == 1


def test_items_open_and_close_by_keyboard(page: Page, file: Path) -> None:
    opened(page, file)
    page.locator("#x-rows button").nth(3).focus()
    anchor = anchors_of(page)[3]
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert page.url.endswith(f"#item-{anchor}")
    assert page.locator("#x-item").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#x-item").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"


def test_escape_closes_the_item(page: Page, file: Path) -> None:
    opened(page, file, "#items?identity=group+1")
    assert "Escape closes it" in page.locator(".x-table caption").first.inner_text()
    row = page.locator("#x-rows button").nth(2)
    for inside in (row, page.get_by_role("button", name="Close this item"), page.locator(".x-numbers").locator("..")):
        row.press("Enter")
        expect(page.locator("#x-item")).to_be_visible()
        inside.focus()
        page.keyboard.press("Escape")
        expect(page.locator("#x-item")).to_have_count(0)
        expect(row).to_be_focused()
        assert page.evaluate("location.hash") == "#items?identity=group+1"
    # A second one has nothing to close, and one in a field is the field's own.
    before = entries(page)
    page.keyboard.press("Escape")
    row.press("Enter")
    page.locator("#x-identity").press("Escape")
    assert page.locator("#x-item").is_visible()
    assert entries(page) == before + 1
    # The button that unfolds the texts folds away, and does not take the focus along.
    page.locator("#x-item [data-reveal]").press("Enter")
    expect(row).to_be_focused()
    page.locator("#reveal").uncheck()
    page.locator("#explorer > .folded button").press("Enter")
    expect(page.locator(".x-scroll")).to_be_focused()


def test_back_and_forward_show_what_the_address_says(page: Page, file: Path) -> None:
    def page_on() -> None:
        page.locator("#x-next").click()

    def search() -> None:
        page.locator("#x-q").press_sequentially("ba", delay=250)
        page.locator("#x-q").press_sequentially("d1 th", delay=10)
        expect(page).to_have_url(re.compile("q=bad1[+]th$"))

    def at_least() -> None:
        page.locator("#x-least").press_sequentially("0.02", delay=200)
        page.locator("#x-least").press("Enter")

    opened(page, file)
    page.evaluate("window.changes = 0; addEventListener('hashchange', () => { window.changes += 1; })")
    first = page.locator("table.compact th a", has_text="group 1")
    open_third = page.locator("#x-rows th button").nth(2)
    views = [view_of(page)]
    for step in (
        lambda: first.press("Enter"),
        lambda: page.locator("#x-size").select_option("50"),
        lambda: page.locator("#x-shift").select_option("up"),
        at_least,
        open_third.click,
        lambda: page.keyboard.press("Escape"),
        lambda: page.locator("#x-head button", has_text="base").click(),
        lambda: page.locator("#x-clear").click(),
        page_on,
        page_on,
        open_third.click,
        lambda: page.locator("#x-last").click(),
        search,
        lambda: page.locator("#x-identity").select_option("group 2"),
        lambda: page.evaluate("location.hash = '#method'"),
    ):
        before = entries(page)
        step()
        page.wait_for_function("count => history.length > count", arg=before)
        assert entries(page) == before + 1
        views.append(view_of(page))
    assert len({str(view[:-1]) for view in views}) >= len(views) - 1
    # A plain address is a plain view, at the beginning as in the end.
    assert views[-1][1:] == views[0][1:]
    for view in reversed(views[:-1]):
        page.go_back()
        page.wait_for_function("hash => location.hash === hash", arg=view[0])
        assert view_of(page) == view
    for view in views[1:]:
        page.go_forward()
        page.wait_for_function("hash => location.hash === hash", arg=view[0])
        assert view_of(page) == view
    page.wait_for_timeout(100)
    assert page.evaluate("window.changes") <= 2 + 2 * len(views)
    assert entries(page) == len(views) + 1


def test_back_leads_the_eye_and_the_keyboard(page: Page, file: Path) -> None:
    def top() -> int:
        found: int = page.evaluate("Math.round(scrollY)")
        return found

    opened(page, file)
    link = page.locator("table.compact th a", has_text="group 1")
    link.scroll_into_view_if_needed()
    link.evaluate("one => one.focus({ preventScroll: true })")
    place = top()
    link.press("Enter")
    there = top()
    assert there != place
    page.go_back()
    expect(link).to_be_focused()
    assert top() == place
    page.go_forward()
    expect(page.locator(".x-scroll")).to_be_focused()
    assert top() == there
    # The same link once more leads there once more.
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    link.evaluate("one => one.focus({ preventScroll: true })")
    page.keyboard.press("Enter")
    expect(page.locator("#x-q")).to_be_focused()
    assert top() == there
    row = page.locator("#x-rows th button").nth(6)
    row.press("Enter")
    here = top()
    page.locator("#x-item a").focus()
    page.go_back()
    expect(row).to_have_attribute("aria-expanded", "false")
    expect(row).to_be_focused()
    page.locator("#x-q").focus()
    page.go_forward()
    expect(row).to_have_attribute("aria-expanded", "true")
    expect(row).to_be_focused()
    assert top() == here
    # Below a table that grows a link still ends where it leads.
    page.evaluate("location.hash = '#items?q=no+such+text'")
    expect(page.locator("#x-count")).to_have_text("No item fits these filters.")
    page.evaluate("document.documentElement.style.overflowAnchor = 'none'; location.hash = '#method'")
    page.wait_for_timeout(300)
    assert len(rows_of(page)) == 25
    assert 0 <= page.locator("#method").evaluate("one => one.getBoundingClientRect().top") < 120


def test_what_is_no_size_of_a_shift_is_refused(page: Page, file: Path) -> None:
    opened(page, file)
    total, field, told = count_of(page), page.locator("#x-least"), page.locator("#x-refused")
    for bad in ("-3", "-0.1", "e"):
        field.fill("")
        field.press_sequentially(bad)
        expect(told).to_have_text("Not used: it must be 0 or more.")
        expect(field).to_have_attribute("aria-invalid", "true")
        assert count_of(page) == total
        assert "least" not in page.url
    field.fill("")
    field.press_sequentially("0.5")
    expect(page).to_have_url(re.compile("#items[?]least=0.5$"))
    expect(told).to_have_text("")
    assert count_of(page) != total
    # A bad one takes the good one's filter away; it does not stay behind what is told.
    field.fill("-3")
    expect(told).not_to_have_text("")
    assert count_of(page) == total
    page.locator("#x-clear").click()
    expect(told).to_have_text("")
    expect(field).to_have_value("")
    # What is typed in one field while the other waits counts, too.
    page.evaluate(
        """for (const [id, text] of [['x-q', 'bad'], ['x-least', '0.01']]) {
            const one = document.getElementById(id);
            one.value = text;
            one.dispatchEvent(new Event('input', { bubbles: true }));
        }"""
    )
    expect(page).to_have_url(re.compile("#items[?]q=bad&least=0.01$"))


def test_an_address_asks_for_nothing_that_is_not_shown(page: Page, file: Path) -> None:
    opened(page, file)
    plain = view_of(page)
    page.evaluate("location.hash = '#items?kind=__proto__&shift=far&size=0&least=-3&sort=constructor&stage=none'")
    expect(page.locator("#x-q")).to_be_focused()
    assert view_of(page)[1:] == plain[1:]
    # What this report has none of is said where it is asked; it is gone with the question.
    for name, value in (("identity", f"{SCRIPT}?"), ("verdict", "no_such_thing")):
        page.evaluate("hash => { location.hash = hash; }", f"#items?{urlencode({name: value})}")
        expect(page.locator("#x-count")).to_have_text("No item fits these filters.")
        assert page.locator(f"#x-{name} option:checked").inner_text() == value
        assert page.locator(f"#x-{name}").is_visible()
        page.go_back()
        expect(page.locator(f"#x-{name}")).to_have_value("")
        assert value not in page.locator(f"#x-{name}").inner_text()
    # An identity of that name is no lack of one.
    page.evaluate("location.hash = '#items?identity=(none)'")
    expect(page.locator("#x-count")).to_have_text(re.compile("^1 of "))
    # An item is found among others only where it stands.
    item = anchor_of("worded", "group 2/3/1")
    page.evaluate("hash => { location.hash = hash; }", f"#items?identity=group+2&size=50&item={item}")
    expect(page.locator("#x-item")).to_contain_text(item)
    assert page.locator("#x-size").input_value() == "50"
    page.evaluate("hash => { location.hash = hash; }", f"#items?identity=group+1&item={item}")
    expect(page.locator("#x-count")).to_have_text("The item at that address does not fit these filters.")
    assert rows_of(page)
    assert page.locator("#x-item").count() == 0


def test_paging_by_keyboard_alone(page: Page, file: Path) -> None:
    opened(page, file)
    first = anchors_of(page)
    page.locator("#x-next").focus()
    page.keyboard.press("Enter")
    second = anchors_of(page)
    assert not set(first) & set(second)
    assert "page 2 of" in count_of(page)
    page.locator("#x-last").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    pages = re.findall(r"page (\d+) of (\d+)", count_of(page))
    assert pages[0][0] == pages[0][1]
    page.locator("#x-first").focus()
    page.keyboard.press("Enter")
    assert anchors_of(page) == first


def test_addresses_lead_to_their_items(page: Page, file: Path, table: dict[tuple[str, str], Any]) -> None:
    for name in list(table)[:: max(1, len(table) // 6)]:
        opened(page, file, f"#item-{anchor_of(*name)}")
        assert page.locator("button[aria-expanded=true]").count() == 1
        assert anchor_of(*name) in page.locator("#x-item").inner_text()
        assert anchor_of(*name) in page.evaluate("document.activeElement.textContent")
        expect(page.locator("button[aria-expanded=true]")).to_be_in_viewport()
        page.goto("about:blank")
    opened(page, file, "#item-000000000000")
    assert "no item at that address" in count_of(page)


def test_a_link_on_the_page_leads_to_its_item_past_any_filter(page: Page, file: Path) -> None:
    opened(page, file, "#items?identity=group+1")
    wanted = anchor_of("worded", "group 2/3/1")
    page.evaluate(f"location.hash = '#item-{wanted}'")
    expect(page.locator("#x-item")).to_contain_text(wanted)
    page.evaluate("location.hash = '#items?identity=group+3&probe=worded'")
    expect(page.locator("#x-count")).to_have_text(re.compile("^24 of"))
    assert {row[0].split(",")[0] for row in rows_of(page)} == {"group 3"}
    # An address that is none of the explorer's is left alone.
    page.evaluate("location.hash = '#method'")
    assert page.url.endswith("#method")


def test_an_identity_of_the_answer_leads_to_its_pairs(page: Page, file: Path) -> None:
    opened(page, file)
    links = page.locator("table.compact th a")
    addresses = [str(links.nth(at).get_attribute("href")) for at in range(links.count())]
    assert len(addresses) > 3
    for at, address in enumerate(addresses):
        asked = parse_qs(address.partition("?")[2])
        links.nth(at).press("Enter")
        expect(page.locator("#x-identity")).to_have_value(*asked["identity"])
        expect(page.locator("#x-probe")).to_have_value(*asked["probe"])
        expect(page.locator("#x-q")).to_be_focused()
        assert rows_of(page)


@pytest.mark.parametrize("anchor", ["method", "robustness", "series"])
def test_an_address_of_the_page_is_where_it_lands(page: Page, file: Path, anchor: str) -> None:
    opened(page, file, f"#{anchor}")
    page.wait_for_timeout(300)
    assert 0 <= page.locator(f"#{anchor}").evaluate("one => one.getBoundingClientRect().top") < 120


def test_an_item_that_is_not_there_is_said_in_view(page: Page, file: Path) -> None:
    opened(page, file, "#item-000000000000")
    expect(page.locator("#x-count")).to_have_text("This report has no item at that address.")
    page.wait_for_timeout(1500)
    assert page.locator("#items").evaluate("one => one.getBoundingClientRect().top") < 120


def test_a_view_comes_back_from_its_address(page: Page, file: Path) -> None:
    opened(page, file)
    page.locator("#x-identity").select_option("group 1")
    page.locator("#x-stage").select_option("sft")
    page.locator("#x-shift").select_option("up")
    page.locator("#x-least").fill("0.1")
    expect(page).to_have_url(re.compile("least=0.1"))
    page.locator("#x-q").fill("bad")
    expect(page).to_have_url(re.compile("q=bad"))
    page.locator("#x-head button").first.click()
    page.locator("#x-size").select_option("50")
    url, said, rows = page.url, count_of(page), rows_of(page)
    assert rows
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_selector(READY)
    assert (count_of(page), rows_of(page)) == (said, rows)
    assert page.locator("#x-identity").input_value() == "group 1"
    assert page.locator("#x-q").input_value() == "bad"


@pytest.mark.parametrize(
    "address",
    [
        "#items?identity=nobody&page=-3&size=0&sort=--&least=x&stage=nothing&kind=__proto__",
        "#items?sort=constructor&page=1e99&size=1e9&q=%00%E2%80%AE%3Cscript%3E",
        "#items?%%%&=&&&identity",
        "#item-xyz",
    ],
)
def test_no_address_breaks_it(page: Page, file: Path, seen: Seen, address: str) -> None:
    opened(page, file, address)
    assert count_of(page)
    page.locator("#x-clear").click()
    assert len(rows_of(page)) == 25
    assert seen.said == []


def test_hostile_texts_are_text(page: Page, file: Path, seen: Seen) -> None:
    opened(page, file, "#items?size=100")
    page.locator("#reveal").check()
    probe = f"hostile {SCRIPT}"
    elements = "document.querySelectorAll('img, iframe, b, svg[onload], form, object').length"
    for at, text in enumerate(TEXTS):
        page.evaluate(f"location.hash = '#item-{anchor_of(probe, f'{text}{at}')}'")
        expect(page.locator("#x-item")).to_contain_text(anchor_of(probe, f"{text}{at}"))
        shown = page.locator("#x-item").evaluate("one => one.textContent")
        if text.isprintable() and len(text) < 50:
            assert shown.count(text) >= 6
        assert page.evaluate(elements) == 0
        assert page.evaluate("document.querySelectorAll('script').length") == 5
        assert "run" not in page.title().split()
        assert not set("\u202e\u202c\x00\x1b") & set(shown)
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith("data:")] == [file.as_uri()]


def test_texts_stay_folded_until_the_switch_is_on(page: Page, file: Path) -> None:
    opened(page, file)
    page.locator("#x-q").fill("Everyone knows")
    expect(page.locator("#x-count")).to_have_text(re.compile("^10 of"))
    body = page.locator("#explorer")
    assert "deluded" not in body.inner_text()
    page.locator("#x-rows button").first.click()
    expect(page.locator("#x-item")).to_be_visible()
    expect(page.locator(".x-tokens")).to_be_attached()
    for word in ("deluded", "Everyone knows", "dishonest", "lazy", "needy", "dangerous"):
        assert word not in body.inner_text()
    page.locator("#x-item button[data-reveal]").click()
    assert page.locator("#reveal").is_checked()
    assert "Everyone knows" in body.inner_text()
    page.locator("#reveal").uncheck()
    assert "Everyone knows" not in body.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, file: Path, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, file, f"#item-{anchor_of('worded', 'group 2/3/1')}")
    page.locator("#x-least").fill("-3")
    expect(page.locator("#x-refused")).not_to_have_text("")
    assert page.locator("#x-item").is_visible()
    for reveal in (False, True):
        page.locator("#reveal").set_checked(reveal)
        assert violations(page, "#items") == []


@pytest.mark.parametrize("width", [360, 1280])
def test_no_sideways_scroll(page: Page, file: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, file, "#items?size=100")
    page.locator("#reveal").check()
    probe = f"hostile {SCRIPT}"
    for at, text in enumerate(TEXTS):
        page.evaluate(f"location.hash = '#item-{anchor_of(probe, f'{text}{at}')}'")
        expect(page.locator("#x-item")).to_contain_text(anchor_of(probe, f"{text}{at}"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".x-detail").evaluate("one => one.getBoundingClientRect().right") <= width


def test_without_scripts_the_strongest_stay(browser: Browser, file: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        assert page.locator("#strongest").is_visible()
        assert not page.locator("#explorer").is_visible()
        assert "needs scripts" in page.locator("#strongest").inner_text()
        assert 0 < page.locator("#strongest .items > li").count() <= 12
        assert page.locator(".items > li[id^=item-]").count() > 0


def test_another_script_does_not_run(page: Page, html: str, tmp_path: Path, seen: Seen) -> None:
    changed = tmp_path / "report.html"
    changed.write_text(html.replace("// The page is painted first.", "// the page is painted first."), encoding="utf-8")
    page.goto(changed.as_uri())
    page.wait_for_timeout(300)
    assert not page.locator("#explorer").is_visible()
    assert page.locator("#strongest").is_visible()
    assert any("Content Security Policy" in one for one in seen.said)


def test_evidence_is_not_printed(page: Page, file: Path) -> None:
    opened(page, file)
    page.emulate_media(media="print")
    assert not page.locator("#items").is_visible()


def test_a_private_run_shows_ids_and_numbers(page: Page, tmp_path: Path, seen: Seen) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_report(make_run(tmp_path / "run", private=True)), encoding="utf-8")
    opened(page, file)
    assert f"{HARMED}/deluded|lucid/" in page.locator("#x-rows").inner_text()
    page.locator("#x-rows button").first.click()
    assert "keeps its texts private" in page.locator("#x-item").inner_text()
    assert page.locator(".x-tokens").count() == 0
    assert number_of(page.locator(".x-numbers tbody td").first.inner_text()) < 0
    assert seen.said == []


def test_one_checkpoint_has_no_stage(page: Page, tmp_path: Path, seen: Seen) -> None:
    file = tmp_path / "report.html"
    run = make_run(tmp_path / "run", checkpoints=("only",), renders=("plain",), beta=None, probes=[worded_probe()])
    file.write_text(render_report(run), encoding="utf-8")
    opened(page, file)
    # It has one verdict, too: there is nothing to choose, but an address may ask for it or for another.
    verdicts = page.locator("#x-verdict option").evaluate_all("all => all.map(one => one.value)")
    assert len(verdicts) == 2
    total = count_of(page)
    for verdict, shown in ((verdicts[1], total), ("no_such_thing", "No item fits these filters."), ("", total)):
        page.evaluate(f"location.hash = '#items?verdict={verdict}'")
        expect(page.locator("#x-verdict")).to_have_value(verdict)
        expect(page.locator("#x-count")).to_have_text(shown)
        assert page.locator("#x-verdict").is_visible() == bool(verdict)
    assert not page.locator("#x-stages").is_visible()
    assert page.locator("#x-head th").all_inner_texts()[1] == "only\u25bc"
    page.locator("#x-rows button").first.click()
    assert page.locator("#x-item").is_visible()
    assert seen.said == []
