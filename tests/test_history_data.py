"""Twin of auditor.adapters.history.history_data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from history_material import edit_manifest, make_project
from run_factory import make_run

from auditor.adapters.history.history_data import read_history
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


def test_runs_stand_by_the_time_they_were_begun(project: Path) -> None:
    found = read_history(project)
    assert [one.name for one in found.runs] == ["nightly/first", "nightly/second", "a-third"]
    assert found.title == project.name
    assert (found.left_out, dict(found.reasons)) == ((), {})


def test_changes_come_with_the_latest_first(project: Path) -> None:
    found = [(one.now.run, one.more) for one in read_history(project).changes]
    assert found == sorted(found, key=lambda one: (-one[0], not one[1]))
    assert {after for after, _ in found} == {1, 2}


def test_steps_of_one_training_stand_by_step(tmp_path: Path) -> None:
    for day, step in enumerate((1000, 200, 30)):
        run = make_run(tmp_path / f"run{day}", checkpoints=(f"checkpoint-{step}",), renders=("plain",))
        edit_manifest(run, created=f"2026-03-0{day + 1}T00:00:00Z")
    found = read_history(tmp_path)
    assert [one.step for one in found.runs] == [30, 200, 1000]
    assert {point.before for one in found.tracks for point in one.track.points} == {None, 0, 1}


def test_what_cannot_be_read_is_left_out_and_counted(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    (other / "a-third" / "results.json").write_text("{")
    edit_manifest(other / "nightly" / "second", status="interrupted")
    found = read_history(other)
    assert [one.name for one in found.runs] == ["nightly/first"]
    assert dict(found.reasons) == {"broken": 1, "unfinished": 1}
    assert found.changes == ()


def test_no_finished_run_is_an_error_that_says_what_there_is(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        read_history(tmp_path)
    shutil.copytree(project / "a-third", tmp_path / "run")
    edit_manifest(tmp_path / "run", status="interrupted")
    with pytest.raises(UsageError, match="no finished run; 1 left out, such as run: it was interrupted"):
        read_history(tmp_path)
