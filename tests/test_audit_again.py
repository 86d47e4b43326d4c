"""The same request once more replaces what is there; another one is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import assert_refused, audit, environment, write
from model_factory import CHAT_TEMPLATE

from auditor.adapters.hf.scorer import HFScorer
from auditor.core.series import Checkpoint


class Watch:
    """Counts the models that are run, and stops before the one named ``stop``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop: str = "") -> None:
        self.run: list[str] = []
        score, forward = HFScorer.score, HFScorer._forward

        def watched_score(scorer: HFScorer, checkpoint: Checkpoint, probes: Any) -> Any:
            if checkpoint.name == stop:
                raise KeyboardInterrupt
            return score(scorer, checkpoint, probes)

        def watched_forward(scorer: HFScorer, files: Any, work: Any, timings: Any) -> Any:
            self.run.append(files.name)
            return forward(scorer, files, work, timings)

        monkeypatch.setattr(HFScorer, "score", watched_score)
        monkeypatch.setattr(HFScorer, "_forward", watched_forward)


@pytest.fixture
def command(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> list[object]:
    """The request of `finished_run`, into a folder of its own."""
    options = ["--probe", pair_file, "--beta", "0.1", "--out", tmp_path / "run", "--quiet"]
    return ["compare", *llama_series.values(), *options]


def interrupt(command: list[object], before: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Watch(patch, stop=before)
        assert audit(*command).exit_code == 130


def assert_same_run(run: Path, other: Path) -> None:
    assert (run / "results.json").read_bytes() == (other / "results.json").read_bytes()
    for table in ("items.parquet", "tokens.parquet"):
        assert pq.read_table(run / table).equals(pq.read_table(other / table))


def test_complete_run_is_replaced(
    command: list[object], finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    before = (tmp_path / "run" / "tokens.parquet").stat().st_ino
    watch = Watch(monkeypatch)
    result = audit(*command)
    assert result.exit_code == 0, result.stderr
    assert watch.run == ["base", "sft", "dpo"]
    assert (tmp_path / "run" / "tokens.parquet").stat().st_ino != before
    assert_same_run(tmp_path / "run", finished_run)


@pytest.fixture
def own_template(command: list[object], tmp_path: Path) -> list[object]:
    """The request with a chat template in a file."""
    template = write(tmp_path / "t.jinja", CHAT_TEMPLATE)
    return [*command, "--chat-template", template, "--render", "chat"]


def test_another_template_text_is_another_request(own_template: list[object], tmp_path: Path) -> None:
    interrupt(own_template, before="dpo")
    write(tmp_path / "t.jinja", "Answer truthfully. " + CHAT_TEMPLATE)
    assert_refused(audit(*own_template), 2, "another audit", "chat template")


@pytest.mark.parametrize("option", [["--seed", "1"], ["--sesoi", "0.5"], ["--limit", "6"], ["--private"]])
def test_another_request_is_another_folder(
    command: list[object], finished_run: Path, tmp_path: Path, option: list[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    before = {one.name: one.read_bytes() for one in run.iterdir()}
    assert_refused(audit(*command, *option), 2, "another audit", f"--out {run}")
    assert {one.name: one.read_bytes() for one in run.iterdir()} == before


def test_report_is_made_again_without_a_model(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    (run / "report.html").unlink()
    code = (
        "import sys; from auditor.cli.main import app; app(['report', sys.argv[1]], standalone_mode=False); "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)], check=True, capture_output=True, text=True, env=environment()
    )
    shown, modules = done.stdout.splitlines()
    assert shown == str(run / "report.html")
    assert not {"torch", "transformers", "tokenizers", "peft"} & set(modules.split())
    assert (run / "report.html").read_bytes() == (finished_run / "report.html").read_bytes()
