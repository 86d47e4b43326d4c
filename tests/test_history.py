"""``audit history`` at the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, assert_one_message, audit, environment
from history_material import edit_manifest, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


def test_a_page_is_written_and_said(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = audit("history", project, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out)
    assert "3 runs." in result.stderr
    assert "Significant changes at run 3, the latest: 1 identity towards less harm." in result.stderr
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_it_lies_in_the_folder_unless_said_otherwise_and_beside_a_run(project: Path) -> None:
    result = audit("history", project)
    assert result.exit_code == 0, result.output
    assert (project / "history.html").is_file()
    run = project / "nightly" / "first"
    names = {path.name for path in run.iterdir()}
    # A run folder that holds anything else would be refused by the next audit.
    assert audit("history", run).exit_code == 0
    assert {path.name for path in run.iterdir()} == names
    assert (project / "nightly" / "history.html").is_file()


def test_json(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "history.json"
    result = audit("history", project, "--format", "json", "--out", out, "--sesoi", "10")
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text(encoding="utf-8"))
    assert len(content["runs"]) == 3
    assert {point["sesoi"] for one in content["tracks"] for point in one["points"]} == {None, 10.0}
    assert "No significant change at run 3" in result.stderr


def test_runs_in_progress_are_counted(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    edit_manifest(other / "a-third", status="interrupted")
    result = audit("history", other)
    assert result.exit_code == 0, result.output
    assert "2 runs; left out: 1 unfinished." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "cannot be read as a folder"),
        (["empty"], "holds no run"),
        (["project", "--sesoi", "0"], "must be a positive number of nats"),
        (["project", "--out", "nowhere/x.html"], "lies in a folder that does not exist"),
        (["project", "--out", "empty"], "is a folder"),
    ],
)
def test_misuse_is_one_message(project: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"project": str(project)}
    given = [places.get(one, one if one.startswith("-") or one == "0" else str(tmp_path / one)) for one in arguments]
    result = audit("history", *given)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert_one_message(result.stderr)


def test_a_form_that_is_none_is_misuse(project: Path) -> None:
    assert audit("history", project, "--format", "pdf").exit_code == 2


def test_no_model_library_is_imported(project: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from auditor.cli.history import run_history
from auditor.cli.options import HistoryFormat
run_history(Path({str(project)!r}), Path({str(tmp_path / "x.html")!r}), HistoryFormat.html, None)
print(sorted({{"torch", "transformers", "trl", "datasets", "peft"}} & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
