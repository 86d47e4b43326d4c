"""Twin of auditor.adapters.report.theme_cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import HARMED, make_run

from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.run_folder import read_results


def test_themes_are_those_of_the_leading_cells_at_the_leaf(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    leaf = read_report(run).probes[0].leaves[0]
    assert {(one.measure, one.contrast, one.checkpoint, one.render, one.role, one.valence) for one in leaf.themes} == {
        ("level", "excess", "dpo<b>", "plain", "marked", "harm")
    }
    own = {one.theme: one.estimate for one in leaf.themes if one.identity == HARMED}
    assert set(own) == {"mind", "conduct"}
    wanted = next(
        one.estimate
        for one in read_results(run).effects
        if (one.probe, one.identity, one.theme, one.measure) == ("small", HARMED, "mind", "level")
        and (one.contrast, one.checkpoint, one.render, one.valence) == ("excess", "dpo<b>", "plain", "harm")
    )
    assert own["mind"] == pytest.approx(wanted, abs=0)


def test_a_probe_without_themes_has_none(tmp_path: Path) -> None:
    swap = read_report(make_run(tmp_path / "run")).probes[1]
    assert swap.leaves[0].themes == ()
