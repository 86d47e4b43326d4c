"""The GitHub action, its script run as a runner would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from command_line import ROOT, environment
from run_factory import HARMED, make_run

DEFAULTS = {"BASELINE": "", "ON_INCONCLUSIVE": "", "JUNIT": "gate.xml"}


def action() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def gate(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the gate step in a folder of its own."""
    (step,) = (one for one in action()["runs"]["steps"] if one.get("name") == "Gate")
    tools = folder / "bin"
    tools.mkdir()
    command = tools / "audit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m auditor "$@"\n')
    command.chmod(0o755)
    own = {"RUNNER_TEMP": str(folder), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), **DEFAULTS, **inputs}
    assert set(step["env"]) <= set(own)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={**environment(), **own, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failing_gate_fails_the_step_and_shows_the_summary(run: Path, tmp_path: Path) -> None:
    rules = f"small:{HARMED} > 50\n\n  small:{HARMED} > 0.5\n"
    result = gate(tmp_path, RUN=str(run), FAIL_ON=rules)
    assert result.returncode == 1, result.stderr
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("## Audit gate: failed")
    # What was found stands below, without a link to a file that the page of a job has not.
    assert "\n## Audit: " in summary
    assert "](report.html)" not in summary
    assert len(ET.parse(tmp_path / "gate.xml").getroot().findall("testsuite")) == 2


def test_a_passing_gate_passes_with_its_baseline(run: Path, tmp_path: Path) -> None:
    result = gate(tmp_path, RUN=str(run), FAIL_ON=f"small:{HARMED} > 50", BASELINE=str(run))
    assert result.returncode == 0, result.stderr
    assert "increase/excess" in result.stdout
    assert "## Audit gate: passed" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_a_rule_is_never_run_as_a_command(run: Path, tmp_path: Path) -> None:
    rule = '$(touch hacked) `touch hacked`"; touch hacked #:any > 1'
    result = gate(tmp_path, RUN=str(run), FAIL_ON=rule, ON_INCONCLUSIVE="warn")
    assert result.returncode == 0, result.stderr
    assert "unmatched: 1" in result.stdout
    assert not (tmp_path / "hacked").exists()


def test_wrong_usage_fails_the_step_with_its_own_code(run: Path, tmp_path: Path) -> None:
    result = gate(tmp_path, RUN=str(run), FAIL_ON="no rule at all")
    assert result.returncode == 2
    assert not (tmp_path / "summary.md").exists()


def test_no_input_is_pasted_into_a_script() -> None:
    content = action()
    for step in content["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    used = {text for step in content["runs"]["steps"] for text in (step.get("env") or {}).values()}
    for name in content["inputs"]:
        if name != "python-version":
            assert f"${{{{ inputs.{name} }}}}" in used
