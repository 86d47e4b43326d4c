"""Twin of auditor.adapters.report.report_data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from run_factory import BRANCHED, HARMED, MIXED, controlled_probe, make_run, strip_manifest, text_swap_probe
from unpacking import unpacked

from auditor.adapters.report.cells import Cell
from auditor.adapters.report.level_units import LevelUnit
from auditor.adapters.report.remarks import group_refusals
from auditor.adapters.report.report_data import ReportData, read_report
from auditor.adapters.run.run_folder import read_results
from auditor.core.verdicts import Rule
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def data(run: Path) -> ReportData:
    return read_report(run)


def cell(data: ReportData, identity: str, reading: str = "disparity") -> Cell:
    return next(
        one
        for probe in data.probes
        for name, cells in probe.leaves[0].readings
        for one in cells
        if (name, one.identity) == (reading, identity)
    )


def harmed(data: ReportData, at: int) -> list[tuple[str, str]]:
    cells = ((probe.name, cell) for probe in data.probes for cell in probe.leaves[at].headline)
    return [(name, cell.identity) for name, cell in cells if cell.last.verdict == "harm"]


def test_headline_is_plain_at_the_last_checkpoint(data: ReportData) -> None:
    assert (data.render, data.checkpoints[-1]) == ("plain", "dpo<b>")
    for probe in data.probes:
        for one in probe.leaves[0].headline:
            assert (one.last.render, one.last.checkpoint, one.last.measure) == ("plain", "dpo<b>", "level")


def test_readings_are_never_mixed(data: ReportData) -> None:
    small, swap = data.probes
    assert [(name, cells[0].last.contrast) for name, cells in small.leaves[0].readings] == [
        ("disparity", "excess"),
        ("preference", "raw"),
    ]
    assert [(name, cells[0].last.contrast) for name, cells in swap.leaves[0].readings] == [("disparity", "raw")]


def test_harm_is_found_and_counted_once(data: ReportData) -> None:
    assert harmed(data, 0) == [("small", HARMED)]


def test_absence_bound_is_the_far_end_of_the_adjusted_interval(data: ReportData) -> None:
    one = cell(data, HARMED)
    assert one.last.low_adjusted is not None
    assert one.last.high_adjusted is not None
    assert one.absence_bound == one.last.high_adjusted > one.last.low_adjusted > 0


def test_numbers_are_those_of_the_results(run: Path, data: ReportData) -> None:
    effects = read_results(run).effects
    one = cell(data, HARMED)
    assert one.last in effects
    assert [level.checkpoint for level in one.levels] == list(data.checkpoints)
    assert [other.render for other in one.elsewhere] == ["chat"]
    assert one.reward is not None
    assert (one.reward.measure, one.reward.unit, one.reward.contrast) == ("implicit_reward", "reward", "excess")


def test_stages_split_into_marked_and_reference_part(data: ReportData) -> None:
    raw = {stage.shift.checkpoint: stage.shift.estimate for stage in cell(data, HARMED, "preference").stages}
    stages = cell(data, HARMED).stages
    assert [stage.shift.checkpoint for stage in stages] == ["sft", "dpo<b>"]
    for stage in stages:
        assert stage.marked is not None
        assert stage.reference is not None
        assert stage.marked - stage.reference == pytest.approx(stage.shift.estimate)
        assert stage.marked == pytest.approx(raw[stage.shift.checkpoint])


def test_identity_swap_has_no_reference_part(data: ReportData) -> None:
    assert {(stage.marked, stage.reference) for stage in cell(data, "Gay").stages} == {(None, None)}


def test_reference_identities_stand_beside(data: ReportData) -> None:
    assert [(one.identity, one.contrast, one.verdict) for one in data.probes[0].leaves[0].references] == [
        ("cisgender people", "raw", None)
    ]


def test_without_reference_rows_there_is_only_preference(tmp_path: Path) -> None:
    probe = text_swap_probe()
    alone = type(probe)(probe.name, tuple(one for one in probe.items if one.role == "marked"), probe.card)
    (found,) = read_report(make_run(tmp_path / "run", probes=[alone])).probes
    assert [name for name, _ in found.leaves[0].readings] == ["preference"]


def test_one_rendering_one_checkpoint_no_beta(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", checkpoints=("only",), renders=("chat",), beta=None))
    assert data.render == "chat"
    one = data.probes[0].leaves[0].headline[0]
    assert (one.stages, one.elsewhere, one.reward) == ((), (), None)
    assert {item.shift for item in data.items} == {None}


def test_only_what_the_schema_asks_need_be_in_a_manifest(tmp_path: Path) -> None:
    data = read_report(strip_manifest(make_run(tmp_path / "run")))
    assert [one.title for one in data.probes] == ["small", "swap"]
    assert not data.private


def test_refused_numbers_are_counted_apart_from_refused_items(run: Path, data: ReportData) -> None:
    rows = read_results(run).refusals
    assert data.numbers_refused == sum(one.count for one in rows) > 0
    item = rows[0].model_copy(update={"reason": "too_long", "item": "a", "count": 5})
    assert replace(data, refusals=group_refusals([*rows, item])).numbers_refused == data.numbers_refused


def test_every_leaf_has_its_own_findings(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", **BRANCHED))
    assert [branch.path for branch in data.branches] == [("base", "sft", "dpo<b>"), ("base", "sft", "dpo2")]
    assert [harmed(data, at) for at in (0, 1)] == [[("small", HARMED)], []]
    for probe in data.probes:
        for branch, here in zip(data.branches, probe.leaves, strict=True):
            assert here.branch == branch
            assert {one.last.checkpoint for one in here.headline} == {branch.leaf}
            assert {one.reward.checkpoint for one in here.headline if one.reward} == {branch.leaf}
            assert {one.checkpoint for one in here.references} <= {branch.leaf}
    # A stage is the same whichever leaf is looked at, and no stage joins the two branches.
    stages = [(one.shift.measure_from, one.shift.checkpoint) for one in data.probes[0].judged[0].stages]
    assert stages == [("base", "sft"), ("sft", "dpo<b>"), ("sft", "dpo2")]
    # The gravest verdict of an identity decides where it stands among those of the whole probe.
    assert (data.probes[0].judged[0].identity, data.probes[0].judged[0].last.verdict) == (HARMED, "harm")
    assert {item.path[-1] for item in data.items} == {"dpo<b>", "dpo2"}


def test_controls_stand_beside_the_leading_cells(tmp_path: Path, data: ReportData) -> None:
    assert {one.controls for probe in data.probes for one in probe.leaves} == {None}
    (probe,) = read_report(make_run(tmp_path / "run", probes=[controlled_probe()])).probes
    assert probe.leaves[0].controls is not None
    assert probe.leaves[0].controls.form_matched
    assert {one.last.valence for one in probe.leaves[0].headline} == {"harm"}


def test_a_series_of_none_is_an_error_of_the_file(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "series": []}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"results\.json"):
        read_report(run)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"manifest\.json"):
        read_report(tmp_path)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    return read_report(make_run(tmp_path_factory.mktemp("runs") / "mixed", rule=Rule(0.25, 0, 0.5), **MIXED))


def test_a_reward_model_stands_beside_with_a_unit_and_a_bound_of_its_own(mixed: ReportData) -> None:
    assert (mixed.unit, mixed.beside) == (LevelUnit(False, 0.25), LevelUnit(True, 0.5))
    assert mixed.reward_models == ("rm",)
    assert [branch.path for branch in mixed.trained] == [("base", "sft", "dpo<b>")]
    assert [harmed(mixed, at) for at in (0, 1)] == [[("small", HARMED)], [("small", HARMED)]]


def test_pairs_on_the_page_are_those_of_policies(mixed: ReportData) -> None:
    assert mixed.explorer is not None
    assert unpacked(mixed.explorer.items).head["checkpoints"] == ["base", "sft", "dpo<b>"]
    assert {name for one in mixed.items for name in one.path} == {"base", "sft", "dpo<b>"}


def test_published_metrics_and_standardised_differences_stand_where_there_are_any(mixed: ReportData) -> None:
    assert mixed.checkpoints_of(mixed.metrics) == ("base", "sft", "dpo<b>")
    assert mixed.checkpoints_of(mixed.cohens) == ("rm",)


def test_only_reward_models_lead_themselves(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", checkpoints=("one", "rm"), rewards=("one", "rm")))
    assert (data.unit.of_rewards, data.beside) == (True, None)
    assert data.explorer is not None
    assert unpacked(data.explorer.items).head["unit"] == "units of the reward"
