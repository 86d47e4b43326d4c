"""Twin of auditor.adapters.history.run_levels."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from history_material import edit_manifest
from run_factory import BRANCHED, HARMED, make_run

from auditor.adapters.history.found_runs import FoundRun, find_runs
from auditor.adapters.history.run_levels import HistoryRun, read_levels
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.run_folder import read_results
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def read(folder: Path) -> HistoryRun:
    (found,) = find_runs(folder)
    assert isinstance(found, FoundRun)
    return read_levels(found)


def test_levels_where_training_ends_as_the_results_have_them(run: Path) -> None:
    whole = read_results(run)
    found = read(run)
    expected = {
        (one.probe, one.render, one.identity): (one.estimate, one.low_adjusted, one.high_adjusted, one.verdict)
        for one in whole.effects
        if (one.measure, one.checkpoint, one.theme, one.role) == ("level", "dpo<b>", None, "marked")
        and (one.probe, one.contrast) in (("small", "excess"), ("swap", "raw"))
    }
    levels = {
        (own.probe, own.render, who): (one.estimate, one.low_adjusted, one.high_adjusted, one.verdict)
        for own in found.sets
        for (who, _), one in own.levels.items()
    }
    assert levels == expected
    assert (HARMED in {who for _, _, who in levels}) is True


def test_verdicts_are_counted_as_the_report_counts_them(run: Path) -> None:
    report = read_report(run)
    shown = Counter(cell.last.verdict for probe in report.probes for cell in probe.leaves[0].headline)
    assert Counter(level.verdict for own in read(run).headline for level in own.levels.values()) == shown
    assert shown["harm"] == 1


def test_little_is_kept_of_the_file(run: Path) -> None:
    kept = read(run).run.results
    assert {(one.measure, one.theme, one.role, one.valence) for one in kept.effects} == {
        ("level", None, "marked", "harm")
    }
    assert {(one.robustness, one.scales, one.control_checks, one.plausible) for one in kept.effects} == {(None,) * 4}
    assert kept.refusals == kept.specifications == ()
    assert kept.series == read_results(run).series


def test_every_end_of_training_has_levels(tmp_path: Path) -> None:
    found = read(make_run(tmp_path / "run", **BRANCHED))
    assert {own.checkpoint for own in found.sets} == {"dpo<b>", "dpo2"}


def test_a_run_in_chat_alone_leads_with_it(tmp_path: Path) -> None:
    found = read(make_run(tmp_path / "run", renders=("chat",), checkpoints=("checkpoint-40",)))
    assert {own.render for own in found.headline} == {"chat"}
    assert (found.training, found.step) == ("models/checkpoint-*", 40)


@pytest.mark.parametrize(
    ("changes", "gone", "said"),
    [
        ({}, "", ""),
        ({"request": {"private": True}}, "", "it is private and keeps no tokens"),
        ({"tokens": "sample"}, "", "it keeps the tokens of a sample of its items"),
        ({"tokens": "none"}, "", "it keeps no tokens"),
        ({}, "items.parquet", "items.parquet is gone"),
        ({}, "tokens.parquet", "tokens.parquet is gone"),
    ],
)
def test_what_keeps_a_run_from_being_paired(
    run: Path, tmp_path: Path, changes: dict[str, Any], gone: str, said: str
) -> None:
    other = edit_manifest(shutil.copytree(run, tmp_path / "run"), **changes)
    if gone:
        (other / gone).unlink()
    assert read(other).unpaired == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "does not follow the schema"),
        (b"\xff", "does not follow the schema"),
        (b"[1]", "does not follow the schema"),
        (b'{"effects": [3]}', "does not follow the schema"),
        (b'{"effects": [{}]}', "there is no 'measure'"),
        (b'{"effects": []}', "there is no 'schema_version'"),
        (b'{"effects": [], "schema_version": 1, "series": [], "cautions": [], "refusals": []}', "series"),
        (b"[" * 100_000, "does not follow the schema"),
    ],
)
def test_broken_results_are_one_error(run: Path, tmp_path: Path, content: bytes, said: str) -> None:
    other = shutil.copytree(run, tmp_path / "run")
    (other / "results.json").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read(other)


def test_missing_results_are_one_error(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "run")
    (other / "results.json").unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        read(other)


def test_a_run_without_levels_is_a_run(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "run")
    results = json.loads((other / "results.json").read_text(encoding="utf-8"))
    (other / "results.json").write_text(json.dumps({**results, "effects": []}), encoding="utf-8")
    assert (read(other).sets, read(other).headline) == ((), ())


def test_levels_of_a_reward_model_stand_beside_in_their_own_unit(tmp_path: Path) -> None:
    series = {"checkpoints": ("base", "dpo-step-50", "rm"), "rewards": ("rm",)}
    found = read(make_run(tmp_path / "run", **series))
    assert {(one.checkpoint, one.unit) for one in found.sets} == {("dpo-step-50", "nats"), ("rm", "reward")}
    assert found.step == 50
