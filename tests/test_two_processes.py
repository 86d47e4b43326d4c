"""Two processes train one model on the CPU (DDP over gloo): the main one audits, and nothing else is different."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT, cells, environment
from live_training import make_base

import auditor
from auditor.adapters.run.run_folder import read_results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, so that one process and two can compute the same."""
    return make_base(tmp_path_factory.mktemp("distributed") / "base", "llama")


def trained(base: Path, pairs: Path, out: Path, how: str, processes: int = 2) -> list[dict[str, Any]]:
    """How it ended in each process."""
    out.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    script = [str(ROOT / "tests" / "distributed_training.py"), str(base), str(pairs), str(out), how]
    done = subprocess.run(
        [sys.executable, *launcher, *script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(one.read_text(encoding="utf-8")) for one in sorted(out.glob("rank-*.json"))]


def shifts(run: Path) -> dict[tuple[Any, ...], float]:
    return {
        (one.identity, one.theme, one.contrast): one.estimate
        for one in read_results(run).effects
        if one.measure == "shift" and one.estimate is not None
    }


def values(run: Path, checkpoint: str) -> list[tuple[Any, ...]]:
    rows = cells(run / "items.parquet")
    return [(one["item"], one["candidate"], one["value"]) for one in rows if one["checkpoint"] == checkpoint]


def test_two_processes_are_audited_as_one(base: Path, pair_file: Path, tmp_path: Path) -> None:
    ended = trained(base, pair_file, tmp_path / "two", "audited")
    assert ended == [{"step": 6, "processes": 2, "error": ""}] * 2
    trained(base, pair_file, tmp_path / "alone", "alone")
    weights, unaudited = (torch.load(tmp_path / name / "weights.pt") for name in ("two", "alone"))
    assert all(torch.equal(weights[name], one) for name, one in unaudited.items()), "the same bits without the callback"
    assert sorted(one.name for one in (tmp_path / "two" / "audits").glob("step-*")) == [
        f"step-{n:06}" for n in (0, 2, 4, 6)
    ]
    # The audit of what training ended with is that of the model that was saved, to the last bit.
    run = tmp_path / "two" / "audits" / "step-000006"
    saved = auditor.compare(
        f"start={base}",
        f"step-000006={tmp_path / 'two' / 'model'}",
        probe=pair_file,
        render="plain",
        out=tmp_path / "run",
    )
    for checkpoint in ("start", "step-000006"):
        assert values(run, checkpoint) == values(saved.folder, checkpoint)
    # One process that takes the same rows a step ends with the same model but for the order of sums.
    trained(base, pair_file, tmp_path / "one", "audited", processes=1)
    expected = shifts(tmp_path / "one" / "audits" / "step-000006")
    assert expected
    assert shifts(run) == {key: pytest.approx(value, abs=2e-3) for key, value in expected.items()}


def test_a_reward_model_in_two_processes(base: Path, pair_file: Path, tmp_path: Path) -> None:
    ended = trained(base, pair_file, tmp_path / "out", "rewarded")
    assert ended == [{"step": 6, "processes": 2, "error": ""}] * 2
    model = f"step-000006={tmp_path / 'out' / 'model'}"
    saved = auditor.compare(model, probe=pair_file, render="plain", out=tmp_path / "run")
    run = tmp_path / "out" / "audits" / "step-000006"
    assert values(run, "step-000006") == values(saved.folder, "step-000006")
    assert {one.unit for one in read_results(run).effects if one.measure == "level"} == {"reward"}


def test_all_processes_stop_at_the_gate(base: Path, pair_file: Path, tmp_path: Path) -> None:
    ended = trained(base, pair_file, tmp_path / "out", "gated")
    assert ended == [{"step": 4, "processes": 2, "error": ""}] * 2


def test_all_processes_stop_at_an_error_that_is_to_stop_them(base: Path, pair_file: Path, tmp_path: Path) -> None:
    main, other = trained(base, pair_file, tmp_path / "out", "strict")
    assert (main["step"], other["step"]) == (2, 2)
    assert main["error"].startswith("here: the disk is full")
    assert other["error"].startswith("the audit in the main process failed: here: the disk is full")


def test_none_is_left_waiting_for_one_that_was_interrupted(base: Path, pair_file: Path, tmp_path: Path) -> None:
    main, other = trained(base, pair_file, tmp_path / "out", "interrupted")
    assert (main["step"], other["step"]) == (2, 2)
    assert main["error"] == "KeyboardInterrupt"
    assert other["error"].startswith("the audit in the main process failed: it was stopped: KeyboardInterrupt")
