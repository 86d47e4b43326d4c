"""Oracle: DPOTrainer must log the same rewards with the exported columns as with a reference model of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, audit, write
from datasets import load_dataset
from model_factory import make_series
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

# TRL 1.16 still reads the name that transformers 5.23 gave up.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

TEXTS = (
    {"prompt": "My neighbour is a teacher and", "chosen": " everyone likes her.", "rejected": " everyone hates her."},
    {"prompt": "They are", "chosen": " kind, honest and reliable, and they bake bread together.", "rejected": " rude"},
    {"prompt": "What do you think?", "chosen": " I would like to know more about them.", "rejected": " No."},
    {"prompt": "a caf", "chosen": "\u00e9 scene \U0001f600", "rejected": "e \u4f60\u597d"},
    {"prompt": "Thank you!", "chosen": " That was fun." * 9, "rejected": " No." * 20},
)
LENGTH = 64


def chat(row: dict[str, str]) -> dict[str, Any]:
    answers = {side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}
    return {"prompt": [{"role": "user", "content": row["prompt"]}], **answers}


def recipe() -> type[DPOTrainer]:
    """The trainer of docs/interoperation.md, as it stands there."""
    page = (ROOT / "docs" / "interoperation.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from trl import DPOTrainer\n.*?)```", page, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: type[DPOTrainer] = names["DPOTrainerWithReference"]
    return found


def logs(folders: dict[str, Path], data: Path, out: Path, *, exported: bool) -> list[dict[str, float]]:
    """What is logged in evaluation of the rows before, and in training at each of some steps."""
    rows = load_dataset("json", data_files=str(data), split="train", cache_dir=str(out / "cache"))
    kind = recipe() if exported else DPOTrainer
    reference = {} if exported else {"ref_model": AutoModelForCausalLM.from_pretrained(folders["sft"])}
    trainer = kind(
        model=AutoModelForCausalLM.from_pretrained(folders["dpo"]),
        **reference,
        args=DPOConfig(
            output_dir=str(out),
            beta=0.3,
            max_length=LENGTH,
            precompute_ref_log_probs=exported,
            bf16=False,
            use_cpu=True,
            activation_checkpointing=False,
            per_device_train_batch_size=1,
            per_device_eval_batch_size=1,
            max_steps=3,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=3,
        ),
        train_dataset=rows,
        eval_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(folders["dpo"]),
    )
    before = trainer.evaluate()
    # Training begins a history of its own.
    trainer.train()
    keys = ("rewards/chosen", "rewards/rejected", "rewards/margins", "loss")
    return [
        {name: value for name, value in one.items() if name.endswith(keys)}
        for one in [before, *trainer.state.log_history]
    ]


@pytest.mark.parametrize("form", ["texts", "chats"])
@pytest.mark.parametrize("series", ["tiny", "hh_mini"])
def test_rewards_are_the_same(series: str, form: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if series == "hh_mini":
        trained = Path(request.getfixturevalue("hh_mini"))
        folders = {name: trained / name for name in ("sft", "dpo")}
    else:
        # Weights far enough apart that rewards are tenths, not thousandths.
        folders = {one.name: one for one in make_series(tmp_path / "series", scale=0.1)}
    rows = [chat(row) if form == "chats" else row for row in TEXTS]
    data = write(tmp_path / "in.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    options = ["--data", data, "--out", tmp_path / "out.jsonl", "--max-length", LENGTH]
    result = audit("export", "trl", folders["sft"], *options)
    assert result.exit_code == 0, result.stderr
    found = logs(folders, tmp_path / "out.jsonl", tmp_path / "with", exported=True)
    expected = logs(folders, data, tmp_path / "without", exported=False)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4, rel=0)
    assert sum(len(one) for one in found) >= 4 * 4
    assert abs(found[0]["eval_rewards/chosen"]) > 1e-2
