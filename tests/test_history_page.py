"""Twin of auditor.adapters.history.history_page."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from history_material import branched_history, edit_manifest, make_project
from run_factory import HARMED, IMAGE, MIXED, SCRIPT, identity_swap_probe, make_run
from test_page import Page, plain

from auditor.adapters.history.history_data import History, read_history
from auditor.adapters.history.history_page import harmed, headline, history_chart, render_history
from auditor.adapters.history.history_rows import change_rows, run_rows


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    below = make_project(tmp_path_factory.mktemp("projects") / SCRIPT.replace("/", "_"))
    for run in ("a-third", "nightly/first", "nightly/second"):
        (below / run / "report.html").write_text("")
    (below / IMAGE.replace("/", "_")).mkdir()
    (below / IMAGE.replace("/", "_") / "manifest.json").write_text("{")
    return below


@pytest.fixture(scope="module")
def history(project: Path) -> History:
    return read_history(project)


@pytest.fixture(scope="module")
def html(project: Path, history: History) -> str:
    return render_history(history, project)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def alone(history: History, at: int) -> History:
    return read_history(history.runs[at].folder)


def said(history: History) -> str:
    return headline(history, change_rows(history))


def test_the_latest_change_stands_on_top_in_a_sentence(page: Page) -> None:
    words = plain(page)
    assert "History of 3 audits below" in words
    assert "Significant changes at run 3, the latest: 1 identity towards less harm" in words
    sentence = re.search(rf"Since run 2: {HARMED} (\S+) nats \((\S+) to (\S+)\), ↓ less harm; the level is now", words)
    assert sentence
    value, low, high = (float(one.replace("\u2212", "-")) for one in sentence.groups())
    assert low < value < high < -0.22


def test_who_is_harmed_at_the_latest_run(page: Page, history: History, tmp_path: Path) -> None:
    counts = run_rows(history, tmp_path)[2].counts
    assert min(counts["inconclusive"], counts["refused"]) > 1
    # No verdict is no absence.
    said = f"({counts['inconclusive']} verdicts are inconclusive, {counts['refused']} verdicts are refused)"
    assert f"At run 3, the latest, no identity shows harm {said}." in plain(page)
    one = Page(render_history(alone(history, 1), tmp_path))
    assert f"At run 1, 1 identity shows harm: {HARMED}." in plain(one)
    assert harmed(history.runs[1]) == (HARMED,)


def test_every_significant_change_is_a_row(html: str, history: History) -> None:
    table = html[html.index('id="changes"') : html.index('id="runs"')]
    assert table.count("<tr") - 1 == len(history.changes) >= 4
    assert table.count("↑</span> more harm") == table.count("↓</span> less harm") == 2


def test_runs_lead_to_their_reports(page: Page) -> None:
    targets = [str(attrs["href"]) for tag, attrs in page.tags if tag == "a"]
    reports = [unquote(one) for one in targets if not one.startswith(("#", "data:"))]
    assert reports == [f"./{one}/report.html" for one in ("nightly/first", "nightly/second", "a-third")]


def test_hostile_texts_are_text(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "b", "object", "embed", "form"}
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert SCRIPT.replace("/", "_") in page.text
    assert IMAGE.replace("/", "_") in page.text


def test_one_file_and_a_strict_policy(html: str, page: Page) -> None:
    policy = next(str(attrs["content"]) for _, attrs in page.tags if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    outside = [
        value
        for _, attrs in page.tags
        for name, value in attrs.items()
        if name in ("src", "href", "xlink:href") and not str(value).startswith(("#", "data:", "./"))
    ]
    assert outside == []
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_anchors_resolve_and_ids_are_unique(page: Page) -> None:
    ids = page.ids()
    assert len(set(ids)) == len(ids)
    targets = {str(attrs["href"])[1:] for tag, attrs in page.tags if tag == "a" and str(attrs["href"]).startswith("#")}
    assert targets <= set(ids)


def test_headings_and_tables_are_accessible(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert {"main", "header", "footer", "nav", "aside"} <= {tag for tag, _ in page.tags}
    assert {attrs["role"] for tag, attrs in page.tags if tag == "svg"} == {"img"}


def test_words(page: Page) -> None:
    assert not re.findall(r"\b(debias\w*|unbiased|normal)\b", page.text.lower())
    assert "never certifies that a model is fair" in plain(page)


def test_texts_of_probes_are_no_part_of_it(html: str) -> None:
    for text in ("Everyone knows", "deluded", "I think", "are odd"):
        assert text not in html


def test_what_was_left_out_is_named_and_counted(page: Page) -> None:
    assert "1 foreign: 1 folder below" in plain(page)


def test_the_same_runs_give_the_same_page(project: Path, html: str) -> None:
    assert render_history(read_history(project), project) == html


def test_a_single_run_has_a_page(history: History, tmp_path: Path) -> None:
    one = alone(history, 1)
    assert said(one) == "One run so far: there is none to compare it with"
    words = plain(Page(render_history(one, tmp_path)))
    assert "nothing before it" in words
    assert "1 harm" in words
    assert 'id="changes"' not in render_history(one, tmp_path)


def test_runs_that_are_not_comparable_say_why(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    edit_manifest(other / "a-third", request={"private": True})
    found = read_history(other)
    assert said(found) == "Run 3, the latest, is comparable with no run before it"
    assert "not comparable: it is private and keeps no tokens" in plain(Page(render_history(found, other)))


def test_nothing_that_changed_is_not_a_change(history: History, tmp_path: Path) -> None:
    for day in (1, 2):
        run = shutil.copytree(history.runs[1].folder, tmp_path / f"run{day}")
        edit_manifest(run, created=f"2026-03-0{day}T00:00:00Z")
    found = read_history(tmp_path)
    assert said(found) == "No significant change at run 2, the latest"
    assert "no meaningful change" in plain(Page(render_history(found, tmp_path)))


def test_a_run_without_levels_is_listed(history: History, tmp_path: Path) -> None:
    found = replace(alone(history, 1), tracks=())
    bare = replace(found, runs=(replace(found.runs[0], sets=()),))
    words = plain(Page(render_history(bare, tmp_path)))
    assert "no levels" in words
    assert "Levels through the runs" not in words


def test_where_all_was_refused_no_empty_figure_stands(tmp_path: Path) -> None:
    probe = identity_swap_probe()
    probe = replace(probe, items=tuple(replace(one, cluster="one") for one in probe.items))
    below = tmp_path / "project"
    make_run(below / "run", probes=[probe], renders=("plain",))
    html = render_history(read_history(below), below)
    assert "every level was refused, for want of an interval" in plain(Page(html))
    assert "<svg" not in html


def test_intervals_without_ends_are_known_from_none(history: History) -> None:
    compared = history.tracks[0]
    point = compared.track.points[-1]
    who, level = next((who, one) for who, one in point.levels.levels.items() if one.verdict != "refused")
    for verdict, unbounded in (("inconclusive", True), (None, False)):
        ends = dict.fromkeys(("low", "high", "low_adjusted", "high_adjusted"))
        changed = level.model_copy(update={"verdict": verdict, **ends})
        levels = replace(point.levels, levels={**point.levels.levels, who: changed})
        points = (*compared.track.points[:-1], replace(point, levels=levels))
        track = replace(compared.track, points=points)
        (line,) = (one for one in history_chart(history, replace(compared, track=track)).lines if one.label == who[0])
        assert line.marks[-1]
        assert line.marks[-1].mark.unbounded == unbounded


def test_steps_stand_below_the_marks_where_all_have_one(tmp_path: Path) -> None:
    probe = identity_swap_probe()
    for day, step in enumerate((20, 3)):
        run = make_run(tmp_path / f"r{day}", checkpoints=(f"checkpoint-{step}",), renders=("plain",), probes=[probe])
        edit_manifest(run, created=f"2026-03-0{day + 1}T00:00:00Z")
    found = read_history(tmp_path)
    (track,) = found.tracks
    assert history_chart(found, track).runs == ["step 3", "step 20"]
    assert "step 20" in plain(Page(render_history(found, tmp_path)))


def test_marks_know_what_they_were_compared_with(history: History) -> None:
    (track,) = (
        one
        for one in history.tracks
        if (one.track.probe, one.track.render, one.track.contrast) == ("small", "plain", "excess")
    )
    chart = history_chart(history, track)
    assert chart.runs == ["1", "2", "3"]
    (line,) = (one for one in chart.lines if one.label == HARMED)
    assert [(one.before, one.change) for one in line.marks if one] == [(None, ""), (0, "more"), (1, "less")]
    assert chart.bound == pytest.approx(0.2231, abs=1e-4)


def test_ends_of_training_are_named_wherever_a_run_has_several(tmp_path: Path) -> None:
    history = branched_history()
    (track,) = history.tracks
    chart = history_chart(history, track)
    assert list(chart.runs) == ["1 left", "1 right", "2 left", "2 right"]
    assert chart.alternative().startswith("1 identity at 2 runs.")
    assert "through 2 runs" in chart.title
    words = plain(Page(render_history(history, tmp_path)))
    assert "Small, plain rendering, at left" in words
    assert "Run 2 beside run 1, at left, in numbers" in words
    assert "Run 2 beside run 1, at right, in numbers" in words


def test_levels_of_policies_and_of_reward_models_are_told_apart(tmp_path: Path) -> None:
    make_run(tmp_path / "one", **MIXED)
    page = Page(render_history(read_history(tmp_path), tmp_path))
    words = plain(page)
    assert "plain rendering, disparity, in units of the reward" in words
    assert words.count("plain rendering, disparity, in units") < words.count("plain rendering, disparity")


def test_times_of_the_runs_are_the_first_and_the_last_whatever_their_order(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    for name, step in (("a-third", 100), ("nightly/second", 200)):
        path = other / name / "results.json"
        results = json.loads(path.read_text(encoding="utf-8"))
        results["series"][-1]["source"] = f"out/checkpoint-{step}"
        path.write_text(json.dumps(results), encoding="utf-8")
    found = read_history(other)
    assert [one.name for one in found.runs] == ["nightly/first", "a-third", "nightly/second"]
    assert "2026-03-01 00:00 to 2026-03-03 00:00 UTC" in plain(Page(render_history(found, other)))


def test_the_bound_of_the_changes_is_said(project: Path, page: Page) -> None:
    assert "unless one was given: here 0.223 nats." in plain(page)
    assert "unless one was given: here 0.5 nats." in plain(Page(render_history(read_history(project, 0.5), project)))


def test_what_could_not_be_compared_is_no_absence_of_change(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    probes = json.loads((other / "a-third" / "manifest.json").read_text(encoding="utf-8"))["probes"]
    changed = [{**one, "sha256": "9" * 64} if one["name"] == "small" else one for one in probes]
    edit_manifest(other / "a-third", probes=changed)
    found = read_history(other)
    assert said(found) == "No significant change at run 3, the latest, on what can be compared"
    # What is not compared is neither counted nor adjusted for.
    (pair,) = {one.comparisons[2].shared for one in found.tracks if one.comparisons[2] is not None}
    assert pair == len([*identity_swap_probe().items])
