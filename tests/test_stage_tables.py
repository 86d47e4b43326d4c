"""Twin of auditor.adapters.report.stage_tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import BRANCHED, CONTROL_PEOPLE, HARMED, controlled_probe, make_run

from auditor.adapters.report.page import render_report
from auditor.adapters.report.probe_findings import ProbeFindings
from auditor.adapters.report.report_data import read_report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], **BRANCHED)


@pytest.fixture(scope="module")
def probe(run: Path) -> ProbeFindings:
    (found,) = read_report(run).probes
    return found


def test_contributions_follow_each_path_and_the_verdict_table(probe: ProbeFindings) -> None:
    assert [leaf.branch.leaf for leaf in probe.leaves] == ["dpo<b>", "dpo2"]
    for leaf in probe.leaves:
        rows = leaf.stages.contributions
        assert [row[0].identity for row in rows] == [cell.identity for cell in leaf.headline]
        for row, cell in zip(rows, leaf.headline, strict=True):
            assert [one.checkpoint for one in row] == ["base", "sft", leaf.branch.leaf]
            assert sum(one.estimate or 0.0 for one in row) == pytest.approx(cell.last.estimate)


def test_items_of_marked_identities_come_before_those_of_controls(probe: ProbeFindings) -> None:
    rows = probe.leaves[0].stages.transitions
    assert {one.checkpoint for one in rows} == {"sft", "dpo<b>"}
    identities = list(dict.fromkeys(one.identity for one in rows))
    assert identities[:2] == [cell.identity for cell in probe.leaves[0].headline]
    assert sorted(identities[2:]) == sorted(CONTROL_PEOPLE)
    assert {sum(map(sum, one.counts)) for one in rows} == {5}


def test_the_page_shows_origins_contributions_and_transitions(run: Path) -> None:
    page = render_report(run)
    assert "Contributions of each stage to <bdi>dpo&lt;b&gt;</bdi>" in page
    assert "Items that crossed the bound on the way to" in page
    assert "On other scales, and beyond these word forms" in page
    assert HARMED in page


def test_persistence_stands_beside_that_of_all_controls(run: Path, probe: ProbeFindings) -> None:
    for leaf in probe.leaves:
        rows = leaf.stages.persistences
        assert [one.identity for one in rows] == [*(cell.identity for cell in leaf.headline), None]
        assert {(one.measure_from, one.checkpoint) for one in rows} == {("base", leaf.branch.leaf)}
    assert "is still there at <bdi>dpo&lt;b&gt;</bdi>" in render_report(run)
    assert "all controls" in render_report(run)
