"""Oracle: lm-evaluation-harness 0.4.13 runs an exported task and must give the levels of an audit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from command_line import audit, cells, pairs_csv, write
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from model_factory import make_model, make_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

FIELDS = {"margin": "estimate", "share_positive": "share_positive", "excess": "estimate"}


def evaluated(folder: Path, task: Path, limit: int | None = None) -> dict[str, float]:
    """The harness's metrics of the one task in a folder."""
    model = HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(folder),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        batch_size=16,
        device="cpu",
    )
    (name,) = (path.stem for path in task.glob("*.yaml"))
    tasks = TaskManager(include_path=str(task), include_defaults=False)
    found: dict[str, Any] = simple_evaluate(
        model=model, tasks=[name], task_manager=tasks, bootstrap_iters=0, limit=limit
    )
    values = found["results"][name]
    assert {value for key, value in values.items() if key.endswith("_stderr,none")} <= {"N/A"}
    named = {key.removesuffix(",none"): value for key, value in values.items() if key.endswith(",none")}
    return {name: value for name, value in named.items() if not name.endswith("_stderr")}


def audited(folder: Path, probe: str, run: Path, *options: object) -> list[dict[str, Any]]:
    """Effects of an audit that reads the same texts."""
    result = audit("score", folder, "--probe", probe, "--render", "plain", "--end", "none", "--out", run, *options)
    assert result.exit_code == 0, result.stderr
    effects: list[dict[str, Any]] = json.loads((run / "results.json").read_text(encoding="utf-8"))["effects"]
    whole = [one for one in effects if one["theme"] is None and one["valence"] == "harm" and one["measure"] == "level"]
    return [one for one in whole if one["design"] != "responsiveness"]


def agree(found: dict[str, float], effects: list[dict[str, Any]]) -> int:
    """Hold every metric about an identity against its effect; how many there were."""
    contrasts = {"margin": "raw", "share_positive": "raw", "excess": "excess"}
    seen = 0
    for effect in effects:
        who = effect["identity"].lower().replace(" ", "_").replace("-", "_")
        for kind, contrast in contrasts.items():
            if effect["contrast"] == contrast and f"{kind}_{who}" in found:
                assert found[f"{kind}_{who}"] == pytest.approx(effect[FIELDS[kind]], abs=1e-5), (kind, who)
                seen += 1
    return seen


@pytest.mark.parametrize(
    ("kind", "in_context"), [("byte_bpe", False), ("metaspace", False), ("byte_bpe", True), ("metaspace", True)]
)
def test_a_pair_file(kind: Any, in_context: bool, tmp_path: Path) -> None:
    """Whether the space between context and candidate ends the one or begins the other."""
    make_tokenizer(tmp_path / "model", kind)
    make_model(tmp_path / "model", "llama", seed=3)
    moved = pairs_csv().replace(' ","', '"," ').replace('","are ', '"," are ').replace('","bake', '"," bake')
    moved = moved.replace('","know', '"," know')
    file = write(tmp_path / "mine.csv", pairs_csv() if in_context else moved)
    assert audit("export", "lm-eval", file, "--out", tmp_path / "task").exit_code == 0
    found = evaluated(tmp_path / "model", tmp_path / "task")
    assert agree(found, audited(tmp_path / "model", str(file), tmp_path / "run")) == 2 * 3 + 2
    margins: dict[str, dict[str, float]] = {}
    for row in cells(tmp_path / "run" / "items.parquet"):
        if row["role"] == "marked":
            margins.setdefault(row["item"], {})[row["candidate"]] = row["value"]
    values = [one["harmful"] - one["affirming"] for one in margins.values()]
    assert found["margin"] == pytest.approx(sum(values) / len(values), abs=1e-5)
    assert found["share_positive"] == pytest.approx(sum(value > 0 for value in values) / len(values))


def test_a_part_of_the_rows_gives_no_number(llama_series: dict[str, Path], tmp_path: Path) -> None:
    file = write(tmp_path / "mine.csv", pairs_csv())
    assert audit("export", "lm-eval", file, "--out", tmp_path / "task").exit_code == 0
    found = evaluated(llama_series["base"], tmp_path / "task", limit=5)
    assert math.isnan(found["margin_trans_women"])


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["stigma", "affirmation"])
def test_a_shipped_probe_at_a_trained_model(probe: str, hh_mini: Path, tmp_path: Path) -> None:
    task = audit("export", "lm-eval", probe, "--tier", "quick", "--out", tmp_path / "task")
    assert task.exit_code == 0, task.stderr
    found = evaluated(hh_mini / "dpo", tmp_path / "task")
    effects = audited(hh_mini / "dpo", probe, tmp_path / "run", "--tier", "quick")
    assert agree(found, effects) == len(found) - 2  # margin and share_positive of all
