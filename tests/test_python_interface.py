"""The package in Python: the same audit as the command's, and a page whose every block runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, audit, environment, pairs_csv, write
from history_material import edit_manifest
from run_factory import make_run

import auditor
from auditor.cli.options import AuditOptions
from auditor.errors import UsageError
from auditor.python_interface import CompareOptions

SLOW = {"torch", "transformers", "matplotlib", "pyarrow", "jinja2", "numpy", "typer", "pydantic"}


def content(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text(encoding="utf-8"))


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, auditor; before = set(sys.modules); auditor.load; print(*before); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    before, after = (set(line.split()) for line in result.stdout.splitlines())
    assert before & SLOW == set()
    # Nor does reading a run need a model.
    assert "auditor.python_interface" in after
    assert after & {"torch", "transformers"} == set()


def test_what_the_package_offers() -> None:
    assert dir(auditor) == ["AuditRun", "__version__", "compare", "load"]
    assert auditor.load is auditor.load
    with pytest.raises(AttributeError, match="no attribute 'audit'"):
        _ = auditor.audit


def test_loading_an_interrupted_run_warns(tmp_path: Path) -> None:
    run = edit_manifest(make_run(tmp_path / "run", renders=("plain",)), status="interrupted")
    with pytest.warns(UserWarning, match="was interrupted") as caught:
        assert auditor.load(run).interrupted
    assert caught[0].filename == __file__


def test_arguments_are_the_options_of_the_command() -> None:
    options = {one.name for one in fields(AuditOptions)}
    # A file of options, a look ahead and a traceback are of the command line alone.
    assert set(CompareOptions.__annotations__) == options - {"config", "dry_run", "debug"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'dry_run'"):
        auditor.compare("base", dry_run=True)


def test_the_same_audit_as_the_commands(
    llama_series: dict[str, Path], pair_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    run = auditor.compare(*llama_series.values(), probe=pair_file, beta=0.1, out=tmp_path / "run")
    assert run.folder == tmp_path / "run"
    assert content(run.folder, "results.json") == content(finished_run, "results.json")
    assert run.manifest["request_id"] == content(finished_run, "manifest.json")["request_id"]
    assert (run.folder / "report.html").is_file()


def test_the_command_in_the_manifest_asks_for_the_same(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = auditor.compare(
        f"my base={llama_series['base']}",
        f"dpo={llama_series['dpo']}",
        probe=[pair_file],
        out=tmp_path / "a run",
        render="plain",
        sesoi=0.4,
        objective={"dpo": "dpo"},
        beta={"dpo": 0.2},
        reference={"dpo": "my base"},
        template_arg={"thinking": False},
        batch_size=3,
        private=True,
    )
    assert capsys.readouterr() == ("", "")
    words = shlex.split(run.manifest["command"])
    assert words[:2] == ["audit", "compare"]
    written = (tmp_path / "a run" / "manifest.json").stat().st_mtime_ns
    # The very same request, so there is nothing to do.
    result = audit(*words[1:])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "a run" / "manifest.json").stat().st_mtime_ns == written
    assert content(run.folder, "manifest.json")["request"]["template_arg"] == ["thinking=false"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"render": "loud"}, "'loud' is none of its values"),
        ({"device_map": "mine"}, "'mine' is none of its values"),
        ({"limit": 0}, "must be at least 1, got 0"),
        ({"seed": -1}, "must be at least 0, got -1"),
        ({"limit": 2.5}, "must be a whole number, got 2.5"),
        ({"seed": "1"}, "must be a whole number, got '1'"),
        ({"sesoi": "much"}, "must be a number of nats, got 'much'"),
        ({"sesoi": 0.0}, "must be a positive number of nats"),
        ({"reward_sesoi": "much"}, "must be a number of units of the reward, got 'much'"),
        ({"batch_size": "many"}, "expected auto or a positive number"),
        ({"reference": {"nobody": ["base", "sft"]}}, "no checkpoint 'nobody'"),
        ({"objective": {"base": "ppo"}}, "unknown objective 'ppo'"),
    ],
)
def test_wrong_arguments_are_usage_errors(
    llama_series: dict[str, Path], pair_file: Path, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        auditor.compare(f"base={llama_series['base']}", probe=pair_file, **arguments)
    assert error.value.fix


def test_none_is_what_leaving_an_option_out_is(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    wanted = {"probe": pair_file, "limit": 6, "out": "~/run"}
    left_out = {name: None for name in CompareOptions.__annotations__ if name not in wanted}
    run = auditor.compare(f"base={llama_series['base']}", **{**left_out, **wanted})
    assert run.folder == tmp_path / "run", "~ is the home of who asks"
    # The very same request, so there is nothing to do.
    again = auditor.compare(f"base={llama_series['base']}", **wanted)
    assert again.manifest == run.manifest == auditor.load("~/run").manifest


def test_no_checkpoint_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no checkpoint is given"):
        auditor.compare()


def test_every_block_of_the_page_runs(
    llama_series: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "pairs.csv", pairs_csv())
    for name, folder in llama_series.items():
        (tmp_path / "path" / "to").mkdir(parents=True, exist_ok=True)
        (tmp_path / "path" / "to" / name).symlink_to(folder)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert f"AuditRun({str(tmp_path / 'reports' / 'mine')!r})" in said
    assert "trans women" in said
    assert "sft to dpo" in said
    assert "no run folder" in said
    assert (tmp_path / "forest.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_page_names_what_there_is() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    public = [name for name in vars(auditor.AuditRun) if not name.startswith("_") and name != "read"]
    for name in [*public, *(one.name for one in fields(auditor.AuditRun))]:
        assert re.search(rf"`{name}\b", page), name


def test_the_example_runs(finished_run: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "load_a_run.py"), str(finished_run)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "small: trans women: " in result.stdout
    assert "never certifies that a model is fair" in result.stdout
