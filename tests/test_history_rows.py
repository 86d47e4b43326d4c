"""Twin of auditor.adapters.history.history_rows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from history_material import branched_history, edit_manifest, make_project
from run_factory import BRANCHED, HARMED, HOSTILE, make_run

from auditor.adapters.history.history_data import History, read_history
from auditor.adapters.history.history_rows import address, beside_tables, change_rows, run_rows


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def history(project: Path) -> History:
    return read_history(project)


def test_runs_are_numbered_with_their_time_in_utc(project: Path, history: History) -> None:
    rows = run_rows(history, project)
    assert [(one.number, one.time) for one in rows] == [
        (1, "2026-03-01 00:00"),
        (2, "2026-03-01 23:30"),
        (3, "2026-03-03 00:00"),
    ]
    assert rows[1].branches[0].path == ("base", "sft", "dpo<b>")
    assert rows[1].counts["harm"] == 1
    assert rows[0].counts["harm"] == 0


def test_what_a_run_was_compared_with_is_said_once(project: Path, history: History) -> None:
    first, second, third = (one.neighbours for one in run_rows(history, project))
    assert first == ()
    assert [(one.before, one.apart) for one in second] == [(1, "")]
    assert [(one.before, one.apart) for one in third] == [(2, "")]
    assert second[0].shared > 0 == second[0].unpaired


def test_why_a_run_was_not_compared_is_said(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    edit_manifest(other / "a-third", request={"private": True})
    found = run_rows(read_history(other), other)[2].neighbours
    assert [(one.before, one.apart) for one in found] == [(None, "it is private and keeps no tokens")]


def test_reports_are_linked_from_where_the_page_lies(project: Path, history: History, tmp_path: Path) -> None:
    assert {one.href for one in run_rows(history, project)} == {""}
    other = shutil.copytree(project, tmp_path / "pro ject")
    (other / "nightly" / "first" / "report.html").write_text("")
    found = read_history(other)
    assert run_rows(found, other)[0].href == "./nightly/first/report.html"
    assert run_rows(found, tmp_path)[0].href == "./pro%20ject/nightly/first/report.html"
    assert run_rows(found, other / "nightly")[0].href == "./first/report.html"
    assert run_rows(found, tmp_path / "pages")[0].href == "./../pro%20ject/nightly/first/report.html"


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "//evil.example", "a?b#c", "%2e%2e", "\udcff", *(one[:60] for one in HOSTILE)]
)
def test_an_address_is_a_path_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    name = name.replace("/", "_").replace("\0", "_")
    found = address(tmp_path / name / "report.html", tmp_path)
    parts = urlsplit(found)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    assert unquote_to_bytes(found) == b"./" + os.fsencode(name) + b"/report.html"
    assert not set(found) & set("<>\"' ")


def test_a_change_has_the_levels_of_both_runs(history: History) -> None:
    latest, *_ = (one for one in change_rows(history) if one.change.who[0] == HARMED)
    assert (latest.before, latest.after) == (2, 3)
    assert latest.was is not None
    assert latest.was.verdict == "harm"
    assert latest.was.estimate is not None
    assert latest.now.estimate is not None
    moved = latest.now.estimate - latest.was.estimate
    assert latest.change.difference.value == pytest.approx(moved, abs=1e-9)


def test_the_latest_run_beside_the_one_before(history: History) -> None:
    (track,) = (
        one
        for one in history.tracks
        if (one.track.probe, one.track.render, one.track.contrast) == ("small", "plain", "excess")
    )
    (table,) = beside_tables(history, track)
    assert (table.before, table.after, table.end) == (2, 3, "")
    rows = {row.who[0]: row for row in table.rows}
    # Hostile identities have a cluster each: refused, so not among them.
    assert set(rows) == {HARMED, "nonbinary people"}
    assert rows[HARMED].difference is not None
    assert rows[HARMED].difference.verdict == "lower_than_reference"
    alone = read_history(history.runs[0].folder)
    assert beside_tables(alone, alone.tracks[0]) == ()


def test_each_end_of_a_training_has_levels_and_changes_of_its_own() -> None:
    history = branched_history()
    found = {(one.end, one.was and one.was.estimate, one.now.estimate) for one in change_rows(history)}
    assert found == {("left", 1.0, 2.0), ("right", -1.0, -2.0)}
    tables = beside_tables(history, history.tracks[0])
    assert [(one.end, one.rows[0].now.estimate) for one in tables] == [("left", 2.0), ("right", -2.0)]


def test_ends_of_training_are_told_apart(tmp_path: Path) -> None:
    (row,) = run_rows(read_history(make_run(tmp_path / "run", **BRANCHED)), tmp_path)
    assert [one.leaf for one in row.branches] == ["dpo<b>", "dpo2"]
