"""Twin of auditor.adapters.report.attribution.attribution_section: what the page says, read back."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from browser import PHONE, opened, scroll_width, unfold
from playwright.sync_api import Browser, Page
from run_factory import (
    HARMED,
    HOSTILE,
    controlled_probe,
    identity_swap_probe,
    make_run,
    question_probe,
    strip_manifest,
)

from auditor.adapters.report.attribution.attribution_section import (
    MAX_HEADS,
    ProbeView,
    adjusted_p,
    counted,
    error,
    probe_views,
    side_words,
)
from auditor.adapters.report.attribution.role_plot import MAX_PARTED
from auditor.adapters.report.page import render_report
from auditor.adapters.report.page_words import signed
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.attribution_tables import read_attributions


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


def completeness(html: str) -> dict[str, list[str]]:
    """The cells of the table of methods, by method."""
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', html, flags=re.DOTALL)
    return {name: re.findall(r'<td class="n">(.*?)</td>', row) for name, row in rows}


def without_attributions(run: Path) -> Path:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    (run / "results.json").write_text(json.dumps({**results, "attributions": []}), encoding="utf-8")
    return run


def test_what_carries_most_is_said_in_one_sentence_of_accounting(html: str, view: ProbeView) -> None:
    words = text_of(section(html))
    carrier = view.leaves[0].roles[0].carriers[0]
    part, shared = carrier.part, carrier.shared
    assert (
        f"{HARMED}: of the excess shift from sft to dpo<b>, {signed(part.total)} nats over {part.clusters} clusters, "
        f"the largest part is carried by the words of the predicate: {signed(part.estimate)} "
        f"({signed(part.low)} to {signed(part.high)})." in words
    )
    assert f"It is mostly the identity\u2019s own: its reference rows show {signed(shared)} there." in words
    low, high = carrier.controls or (0.0, 0.0)
    assert f"Control identities show from {signed(low)} to {signed(high)}." in words


def test_the_straight_path_and_its_caveat_are_said(html: str, view: ProbeView) -> None:
    words = text_of(section(html))
    assert "allocated along the straight path from the weights of sft to those of dpo<b>" in words
    assert "Another path gives another split." in words
    assert "of single modules the largest part is allocated to layer 1 MLP" in words
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
    assert "leaves least of the excess" in text_of(own)
    visible = re.sub(r'<span class="explicit inline">.*?</span>', "", own)
    edit = next(one.edit for one in view.leaves[0].contributors if one.edit)
    assert edit.word
    assert f"<bdi>{edit.word}</bdi>" in own
    assert f"<bdi>{edit.word}</bdi>" not in visible
    shared = next(one.shared for one in view.leaves[0].contributors if one.edit)
    change = f"{signed(edit.before)} \u2192 {signed(edit.after)}</span>"
    assert f'{change} <span class="dim">(reference rows {signed(shared)})' in visible


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
    assert "Asked with nodes 8." in words
    assert "seconds 12<b>" not in words
    strip_manifest(run, attributions=[{"method": "path", "kind<b>": "8<b>", "passes": 1280, "seconds": 12.25}])
    html = section(render_report(run), "method")
    assert "Asked with kind<b> 8<b>." in text_of(html)
    assert completeness(html)["Parameter path"][-2:] == ["1,280", "12.2"]
    assert completeness(html)["Integrated gradients"][-2:] == ["\u2013", "\u2013"]
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
    assert "No identity shows harm here; shown is the first of 2." in words
    assert "carried by" not in words


def test_a_private_run_tells_roles_and_no_word(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), private=True, attributed=True)
    own = section(render_report(run))
    assert "predicate, harmful text" in text_of(own)
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


def changed(run: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = run / "results.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for one in results["attributions"]:
        change(one)
    path.write_text(json.dumps(results), encoding="utf-8")
    return run


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "own")


def test_from_one_cluster_there_is_no_interval(own: Path) -> None:
    def alone(one: dict[str, Any]) -> None:
        one |= {"low": None, "high": None, "p": None, "p_adjusted": None, "clusters": 1}

    words = text_of(section(render_report(changed(own, alone))))
    assert "nats over 1 cluster, the largest part" in words
    assert "; no interval can be given." in words
    assert "\u2013 to \u2013" not in words
    assert "mostly the identity" not in words


def test_whose_a_part_is_is_said_only_of_what_is_told_from_0(own: Path) -> None:
    def unsure(one: dict[str, Any]) -> None:
        one["p_adjusted"] = 0.31

    words = text_of(section(render_report(changed(own, unsure))))
    assert "; among all parts not told apart from 0 (adjusted p .310). Its reference rows show" in words
    assert "mostly the identity" not in words
    assert "Intervals are 95% for each part alone" in words


def test_a_part_against_the_sum_says_so(own: Path) -> None:
    assert "against the sum" not in text_of(section(render_report(own)))

    def turned(one: dict[str, Any]) -> None:
        one["total"] = -one["total"]

    assert "against the sum." in text_of(section(render_report(changed(own, turned))))


def test_a_mean_without_a_number_is_no_crash(own: Path) -> None:
    def none(one: dict[str, Any]) -> None:
        one |= dict.fromkeys(("estimate", "low", "high", "p", "p_adjusted", "total", "completeness_error"))

    assert "up to within \u2013 nats" in text_of(section(render_report(changed(own, none))))


def test_nobody_calls_a_sentence_about_a_group_affirming(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[identity_swap_probe()], renders=("plain",), attributed=True)
    html = render_report(run)
    words = text_of(section(html))
    assert "towards the sentence about the marked group" in words
    assert re.search(r"(predicate|identity|frame), sentence about the (marked|other) group", words)
    assert "affirming" not in words
    assert "harmful text" not in words


def test_items_are_counted_where_there_are_any(own: Path) -> None:
    table = read_attributions(own)
    picked = [{**one, "sampled": False} for one in table.to_pylist() if one["method"] == "path"]
    pq.write_table(table.from_pylist(picked, schema=table.schema), own / "attributions.parquet")
    html = section(render_report(own), "method")
    cells = completeness(html)
    assert cells["Output tokens"][3:5] == ["all", "\u2013"]
    assert cells["Parameter path"][3] == "0"
    assert int(cells["Parameter path"][4]) > 0
    assert cells["Integrated gradients"][3:5] == ["\u2013", "\u2013"]


def test_many_identities_are_cut_and_those_who_show_harm_come_first(tmp_path: Path) -> None:
    named = (HARMED, *(f"group {at}" for at in range(29)))
    one_axis = controlled_probe()
    items = [
        replace(item, id=f"{who}/{item.cluster}", identity=who, surface=who, axis=f"axis {at % 2}",
                context=item.context.replace("nonbinary people", who))
        for item in one_axis.items for at, who in enumerate(named)
        if item.identity == "nonbinary people"
    ]  # fmt: skip
    items += [
        replace(item, id=f"{item.id} {axis}", axis=axis)
        for item in one_axis.items
        for axis in ("axis 0", "axis 1")
        if item.role == "reference"
    ]
    run = make_run(
        tmp_path / "run", probes=[replace(one_axis, items=tuple(items))], renders=("plain",), attributed=True
    )
    (found,) = probe_views(read_report(run))
    html = section(render_report(run))
    assert len(found.leaves[0].roles[0].splits.marked) == len(named)
    table = html.partition('<table class="short">')[2].partition("</table>")[0]
    for method in ("Output tokens", "Shapley values of words"):
        own = [
            part for part in table.split("<tbody>") if f">{method}</td>" in part and ">excess shift from sft" in part
        ]
        assert len(own) == MAX_PARTED
        assert f"<bdi>{HARMED}</bdi>" in own[0]
    words = text_of(html)
    assert f"The first {MAX_PARTED} of {len(named)} identities, in the order of every table; results.json" in words
    assert (
        f"Of each number the first {MAX_PARTED} of at most {len(named)} identities; all stand in results.json" in words
    )
    data = base64.b64decode(found.leaves[0].roles[0].drawn.href.partition("base64,")[2]).decode()
    assert data.count("\n") == 1 + sum(len(one.parts) for one in found.leaves[0].roles[0].splits.marked[:MAX_PARTED])
    assert len(html) < 400_000


def test_numbers() -> None:
    assert [adjusted_p(one) for one in (None, 0.0004, 0.0301, 1.0)] == ["\u2013", "< .001", ".030", "1.000"]
    assert [error(one) for one in (None, 0.0, 2e-4, -0.0314)] == ["\u2013", "0.00", "2.0e\u221204", "0.03"]
    assert [counted(one, "cluster") for one in (0, 1, 1200)] == ["0 clusters", "1 cluster", "1,200 clusters"]
    assert side_words("affirming", "text_swap") == "affirming text"
    assert side_words("affirming", "identity_swap") == "sentence about the other group"


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
