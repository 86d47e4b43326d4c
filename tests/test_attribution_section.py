"""Twin of auditor.adapters.report.attribution_section: what the page says of attribution, read back from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE, opened, scroll_width, unfold
from playwright.sync_api import Browser, Page
from run_factory import HARMED, HOSTILE, controlled_probe, make_run, question_probe, strip_manifest

from auditor.adapters.report.attribution_section import MAX_HEADS, ProbeView, adjusted_p, error, probe_views
from auditor.adapters.report.page import render_report, signed
from auditor.adapters.report.report_data import read_report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",), attributed=True
    )


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return render_report(run)


@pytest.fixture(scope="module")
def view(run: Path) -> ProbeView:
    (found,) = probe_views(read_report(run))
    return found


def section(html: str, name: str = "attribution") -> str:
    return html.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def text_of(html: str) -> str:
    """What a reader sees, on one line."""
    bare = re.sub(r"<(style|script|svg).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", bare)))


def without_attributions(run: Path) -> Path:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    (run / "results.json").write_text(json.dumps({**results, "attributions": []}), encoding="utf-8")
    return run


def test_what_carries_most_is_said_in_one_sentence_of_accounting(html: str, view: ProbeView) -> None:
    words = text_of(section(html))
    carrier = view.leaves[0].roles[0].carriers[0]
    part, shared = carrier.part, carrier.shared
    assert (
        f"{HARMED}: of the excess shift from sft to dpo<b>, {signed(part.total)} nats, the largest part is carried by "
        f"the words of the predicate: {signed(part.estimate)} ({signed(part.low)} to {signed(part.high)})." in words
    )
    assert f"It is mostly the identity\u2019s own: its reference rows show {signed(shared)} there." in words
    low, high = carrier.controls or (0.0, 0.0)
    assert f"Control identities show from {signed(low)} to {signed(high)}." in words


def test_the_straight_path_and_its_caveat_are_said(html: str, view: ProbeView) -> None:
    words = text_of(section(html))
    assert "allocated along the straight path from the weights of sft to those of dpo<b>" in words
    assert "Another path gives another split." in words
    assert "the largest part is allocated to layer 1 MLP" in words
    (found,) = view.leaves[0].maps
    assert re.search(r"the parts add up to within \S+ nats of the shift", words)
    assert found.split.identity == HARMED


def test_heads_are_the_largest(html: str, view: ProbeView) -> None:
    (found,) = view.leaves[0].maps
    assert len(found.heads) == MAX_HEADS
    sizes = [abs(one.estimate or 0) for one in found.heads]
    assert sizes == sorted(sizes, reverse=True)
    assert found.heads[0].unit == "layer 1 head 2"
    row = section(html).partition("<bdi>layer 1 head 2</bdi>")[2].partition("</tr>")[0]
    assert row.startswith(f'</th><td class="n">{signed(found.heads[0].estimate, 3)}</td>')


def test_the_table_has_every_part_of_the_figure(html: str, view: ProbeView) -> None:
    rows = [re.sub(r"\s+", " ", text_of(one.replace("</td>", " "))) for one in section(html).split("<tr>")]
    for splits, marked in view.leaves[0].tables:
        for split in marked:
            for unit, part in split.parts.items():
                wanted = (
                    f"{signed(part.estimate)} {signed(part.low)} to {signed(part.high)} {adjusted_p(part.p_adjusted)}"
                )
                assert any(wanted in row for row in rows), (splits.method, split.identity, unit)


def test_pairs_lead_to_the_explorer_and_their_words_are_folded(html: str, view: ProbeView) -> None:
    own = section(html)
    for one in view.leaves[0].contributors:
        assert f'href="#items?item={one.anchor}"' in own
    assert "leaves least of it" in text_of(own)
    visible = re.sub(r'<span class="explicit inline">.*?</span>', "", own)
    edit = next(one.edit for one in view.leaves[0].contributors if one.edit)
    assert edit.word
    assert f"<bdi>{edit.word}</bdi>" in own
    assert f"<bdi>{edit.word}</bdi>" not in visible
    assert f"{signed(edit.before)} \u2192 {signed(edit.after)}" in visible


def test_methods_say_what_they_assume_and_what_they_miss(html: str) -> None:
    words = text_of(section(html, "method"))
    for said in (
        "Another baseline gives another split.",
        "so these parts need not add up",
        "Gauss\u2013Legendre nodes",
        "pairs picked for their size are shown one by one and never averaged",
    ):
        assert said in words
    assert 'href="#attribution-method"' in html


def test_settings_of_the_manifest_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), attributed=True)
    strip_manifest(run, attributions=[{"method": "path", "nodes": 8, "seconds": "12<b>"}], request={"seed": 7})
    words = text_of(section(render_report(run), "method"))
    assert "Asked with nodes 8, seconds 12<b>." in words
    assert "drawn with the seed 7 and the same for all identities" in words


def test_a_run_without_attributions_has_no_section(tmp_path: Path) -> None:
    run = without_attributions(make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",)))
    assert probe_views(read_report(run)) == ()
    html = render_report(run)
    assert 'id="attribution' not in html
    assert "#attribution" not in html
    questions = make_run(tmp_path / "questions", probes=[question_probe()])
    assert "#attribution" not in render_report(questions)


def test_no_harm_is_said_where_maps_are_of_others(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", probes=[controlled_probe()], renders=("plain",), checkpoints=("a", "b"), attributed=True
    )
    words = text_of(section(render_report(run)))
    assert "No identity shows harm here; shown are the first 2 of 2." in words
    assert "carried by" not in words


def test_a_private_run_tells_roles_and_no_word(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), private=True, attributed=True)
    own = section(render_report(run))
    assert "predicate, harmful side" in text_of(own)
    assert "explicit" not in own
    for word in ("deluded", "dangerous", "lazy", "lucid"):
        assert word not in own


def test_hostile_names_are_text(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",), attributed=True)
    path = run / "results.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for one in results["attributions"]:
        if one["level"] in ("module", "layer", "head"):
            one["unit"] = f"{one['unit']} {HOSTILE[0]}"
    path.write_text(json.dumps(results), encoding="utf-8")
    html = render_report(run)
    assert not re.search(r"<(script|img|iframe|b)\b", re.sub(r"<svg.*?</svg>", "", section(html), flags=re.DOTALL))
    assert "<script>document" not in html


def test_numbers() -> None:
    assert [adjusted_p(one) for one in (None, 0.0004, 0.0301, 1.0)] == ["\u2013", "< .001", ".030", "1.000"]
    assert [error(one) for one in (None, 0.0, 2e-4, 0.0314)] == ["\u2013", "0.00", "2.0e\u221204", "0.03"]


@pytest.fixture
def phone(browser: Browser, run: Path, tmp_path: Path) -> Iterator[Page]:
    path = tmp_path / "report.html"
    path.write_text(render_report(run), encoding="utf-8")
    with opened(browser, path, viewport=PHONE) as page:
        yield page


def test_a_phone_does_not_scroll_sideways(phone: Page) -> None:
    unfold(phone)
    assert scroll_width(phone) <= PHONE["width"]
    phone.locator("#attribution a[href^='#items?item=']").first.click()
    assert phone.locator("#x-item").is_visible()
