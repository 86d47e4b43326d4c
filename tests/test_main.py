"""The front door: commands, exit codes, completion, and what an error looks like."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, audit, environment

from auditor import __version__
from auditor.cli.main import main


def run_module(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auditor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**env), cwd=ROOT, check=False)


def test_version_of_the_module_and_the_command() -> None:
    assert run_module("version").stdout == audit("version").stdout == f"auditor {__version__}\n"


def test_help_names_the_commands() -> None:
    shown = audit("--help").stdout
    assert all(name in shown for name in ("compare", "score", "report", "version"))
    assert audit().exit_code == 2


def test_unknown_command() -> None:
    result = audit("comapre")
    assert result.exit_code == 2
    assert "compare" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    done = run_module(_AUDIT_COMPLETE=f"source_{shell}")
    assert done.returncode == 0, done.stderr
    assert "_AUDIT_COMPLETE" in done.stdout
    shown = run_module("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert shown.returncode == 0, shown.stderr
    assert "_AUDIT_COMPLETE" in shown.stdout


@pytest.mark.parametrize(
    ("words", "position", "found"), [("audit co", 1, "compare"), ("audit score --batch", 2, "--batch-size")]
)
def test_completion_completes(words: str, position: int, found: str) -> None:
    done = run_module(_AUDIT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(position))
    assert done.stdout.split() == [found]


def test_messages_do_not_steer_the_terminal(tmp_path: Path) -> None:
    result = audit("report", f"{tmp_path}/\x1b[2J")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert "\\x1b[2J" in result.stderr


def test_output_that_knows_no_utf8(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = str(tmp_path / "r\u00e9sultat")
    options = ["--probe", str(pair_file), "--render", "plain", "--limit", "6", "--out", run]
    # As PYTHONIOENCODING=ascii has them.
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, "argv", ["audit", "score", str(llama_series["base"]), *options])
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    for stream in streams.values():
        stream.seek(0)
    assert streams["stdout"].read().endswith("r\\xe9sultat/report.html\n")
    assert "small at base" in streams["stderr"].read()


@pytest.mark.parametrize(
    "command",
    [
        *(
            [one]
            for one in ("compare", "score", "requests", "analyse", "report", "gate", "diff", "plan", "demo", "version")
        ),
        *(["probes", one] for one in ("list", "show", "validate")),
        *(["cache", one] for one in ("info", "prune")),
    ],
)
def test_every_command_has_help_that_can_be_read(command: list[str]) -> None:
    result = audit(*command, "--help")
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.stdout


def test_help_of_the_gate_shows_the_whole_rule() -> None:
    shown = " ".join(audit("gate", "--help").stdout.split())
    assert "PROBE[/THEME]:IDENTITY|any[:MEASURE[/CONTRAST][@CHECKPOINT]]" in shown
