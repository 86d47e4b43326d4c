"""Twin of auditor.adapters.report.metric_rows."""

from __future__ import annotations

from pathlib import Path

from run_factory import make_run, question_probe

from auditor.adapters.report.report_data import read_report


def test_metrics_by_checkpoint(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run"))
    whole = [one for one in data.metrics if one.identity is None]
    assert [(one.metric, one.render) for one in whole] == [("winoqueer_score", "plain"), ("winoqueer_score", "chat")]
    assert [point.checkpoint for point in whole[0].points] == list(data.checkpoints)
    assert {one.render for one in data.metrics if one.identity is not None} == {"plain"}


def test_metrics_of_an_axis_are_apart_from_those_of_all_rows(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", probes=[question_probe()]))
    rows = [(one.axis, one.over_all, len(one.points)) for one in data.metrics if one.metric == "bbq_accuracy_ambiguous"]
    # Over all rows in both renderings, by axis in that of the headline.
    assert rows == [("", True, 3), ("age", False, 3), ("class", False, 3), ("", True, 3)]
