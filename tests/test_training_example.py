"""examples/train_and_audit.py, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, audit, environment

import auditor
from auditor.adapters.demo.world_texts import planted_identity


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_example_finds_what_was_planted_while_it_trains(tmp_path: Path) -> None:
    script = ROOT / "examples" / "train_and_audit.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "out")],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    planted = planted_identity(0).name
    assert f"Harm was planted towards {planted}" in done.stdout
    audits = tmp_path / "out" / "audits"
    harmed = {}
    for stage, step in (("sft", 25), ("dpo", 60)):
        run = auditor.load(audits / stage / f"step-{step:06}")
        harmed[stage] = [one.identity for one in run.verdicts() if one.verdict == "harm"]
    assert harmed == {"sft": [], "dpo": [planted]}
    rewarded = auditor.load(audits / "rm" / "step-000060")
    levels = [one for one in rewarded.effects if (one.measure, one.contrast, one.theme) == ("level", "excess", None)]
    trained = [one for one in levels if one.checkpoint == "step-000060"]
    assert [one.identity for one in trained if one.verdict == "harm"] == [planted]
    rewards = [
        one for one in run.effects if (one.measure, one.contrast, one.theme) == ("implicit_reward", "excess", None)
    ]
    assert [one.identity for one in rewards if one.verdict == "harm"] == [planted]
    # Of three trainings in one folder, each is a line of steps.
    assert audit("history", audits, "--format", "json", "--out", tmp_path / "history.json").exit_code == 0
    history = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    assert [(one["folder"].split("/")[0], one["step"]) for one in history["runs"]] == [
        *(("sft", step) for step in (0, 20, 25)),
        *(("dpo", step) for step in (0, 20, 40, 60)),
        *(("rm", step) for step in (0, 20, 40, 60)),
    ]
    assert history["left_out"] == []
