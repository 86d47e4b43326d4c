"""Twin of auditor.cli.figure_files."""

from __future__ import annotations

from pathlib import Path

from command_line import audit
from run_factory import make_run


def test_report_writes_figures_where_they_are_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",))
    result = audit("report", run, "--figures", tmp_path / "figures")
    assert result.exit_code == 0, result.stderr
    count = len(list((tmp_path / "figures").iterdir()))
    assert f"{count} files" in result.stdout
    assert (tmp_path / "figures" / "small-dpo-b-forest.pdf").is_file()


def test_report_writes_none_unasked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",))
    before = {one.name for one in run.iterdir()}
    assert audit("report", run).exit_code == 0
    assert {one.name for one in run.iterdir()} == before | {"report.html"}


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",))
    (tmp_path / "file").touch()
    result = audit("report", run, "--figures", tmp_path / "file" / "figures")
    assert result.exit_code == 2
    assert "--figures" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (run / "report.html").exists()
