"""Twin of auditor.adapters.report.probe_findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import BRANCHED, MIXED, controlled_probe, make_run

from auditor.adapters.report.page import render_report
from auditor.adapters.report.probe_findings import ProbeFindings
from auditor.adapters.report.report_data import read_report


def test_two_ends_of_training_are_set_against_each_other(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", **BRANCHED)
    small = read_report(run).probes[0]
    assert [row[0].identity for row in small.differences] == [one.identity for one in small.leaves[0].judged]
    levels = [{one.identity: one.last.estimate for one in leaf.headline} for leaf in small.leaves]
    for (one,) in small.differences:
        assert (one.measure, one.measure_from, one.checkpoint, one.reference) == ("difference", "dpo<b>", "dpo2", None)
        before, after = (level[one.identity or ""] for level in levels)
        assert one.estimate == pytest.approx((after or 0) - (before or 0))
        assert one.verdict is not None
    assert "<bdi>dpo2</bdi> minus <bdi>dpo&lt;b&gt;</bdi>" in render_report(run)


def test_one_end_of_training_has_nothing_to_be_set_against(tmp_path: Path) -> None:
    assert all(probe.differences == () for probe in read_report(make_run(tmp_path / "run")).probes)


def test_neutral_pairs_are_not_among_the_differences(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], **BRANCHED)
    rows = read_report(run).probes[0].differences
    assert [[one.valence for one in row] for row in rows] == [["harm"], ["harm"]]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> ProbeFindings:
    series = {"checkpoints": (*MIXED["checkpoints"], "rm2"), "rewards": ("rm", "rm2")}
    return read_report(make_run(tmp_path_factory.mktemp("runs") / "run", **series)).probes[0]


def test_policies_and_reward_models_are_parts_of_their_own(mixed: ProbeFindings) -> None:
    policies, rewards = mixed.parts
    assert (policies.checkpoints, rewards.checkpoints) == (("base", "sft", "dpo<b>"), ("rm", "rm2"))
    assert (policies.unit.word, rewards.unit.word) == ("nats", "reward")
    assert policies.staged
    assert rewards.staged
    assert [len(part.parts) for part in (policies, rewards)] == [1, 1]


def test_a_cell_holds_levels_and_stages_of_its_own_kind(mixed: ProbeFindings) -> None:
    for part in mixed.parts:
        for cell in part.judged:
            assert {one.checkpoint for one in cell.levels} == set(part.checkpoints)
            assert {one.shift.unit for one in cell.stages} == {part.unit.word}


def test_no_difference_lies_between_a_policy_and_a_reward_model(mixed: ProbeFindings) -> None:
    assert [part.differences for part in mixed.parts] == [(), ()]
