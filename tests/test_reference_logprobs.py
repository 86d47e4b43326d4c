"""`audit export trl`: what it writes, what it keeps, what it refuses; parity with TRL is in tests/oracles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import assert_refused, audit, write
from model_factory import save_lora
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import auditor.adapters.hf.scorer as scorer_module
from auditor.adapters.hf.engine import Scored

ROWS = (
    {"prompt": "They are", "chosen": " kind and honest.", "rejected": " rude", "source": 7},
    {"prompt": "We met", "chosen": " a teacher at school.", "rejected": " nobody", "source": 8},
)


def data(folder: Path, *rows: Any) -> Path:
    return write(folder / "in.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def by_hand(folder: Path, prompt: str, answer: str, adapter: Path | None = None) -> float:
    """The sum over the answer's tokens and EOS from one plain forward pass."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    ids = tokenizer(prompt + answer)["input_ids"] + [tokenizer.eos_token_id]
    start = len(tokenizer(prompt)["input_ids"])
    with torch.no_grad():
        logprobs = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), dim=-1)
    return sum(float(logprobs[at - 1, ids[at]]) for at in range(start, len(ids)))


def test_sums_stand_beside_the_untouched_columns(llama_series: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = audit("export", "trl", llama_series["sft"], "--data", data(tmp_path, *ROWS), "--out", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(out)
    for row, given in zip(written(out), ROWS, strict=True):
        assert {name: row[name] for name in given} == given
        for side in ("chosen", "rejected"):
            expected = by_hand(llama_series["sft"], str(given["prompt"]), str(given[side]))
            assert row[f"ref_{side}_logps"] == pytest.approx(expected, abs=1e-4)


# PEFT 0.21, which makes the other number, still reads the name that transformers 5.23 gave up.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_is_a_reference_too(llama_series: dict[str, Path], tmp_path: Path) -> None:
    adapter = save_lora(llama_series["sft"], tmp_path / "adapter", seed=3)
    out, model = tmp_path / "out.jsonl", f"{llama_series['sft']}+{adapter}"
    result = audit("export", "trl", model, "--data", data(tmp_path, ROWS[0]), "--out", out)
    assert result.exit_code == 0, result.stderr
    expected = by_hand(llama_series["sft"], str(ROWS[0]["prompt"]), str(ROWS[0]["chosen"]), adapter)
    assert written(out)[0]["ref_chosen_logps"] == pytest.approx(expected, abs=1e-4)
    without = by_hand(llama_series["sft"], str(ROWS[0]["prompt"]), str(ROWS[0]["chosen"]))
    assert abs(expected - without) > 0.01


def test_scores_are_kept_and_found_again(llama_series: dict[str, Path], tmp_path: Path) -> None:
    file, outs = data(tmp_path, *ROWS), [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    results = [audit("export", "trl", llama_series["sft"], "--data", file, "--out", out) for out in outs]
    assert [one.exit_code for one in results] == [0, 0]
    assert ["score sft" in one.stderr for one in results] == [True, False]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    uncached = audit("export", "trl", llama_series["sft"], "--data", file, "--out", tmp_path / "3.jsonl", "--no-cache")
    assert "score sft" in uncached.stderr


@pytest.mark.parametrize("cached", [True, False])
def test_what_was_scored_before_an_interruption_is_kept_and_said_so(
    cached: bool, llama_series: dict[str, Path], tmp_path: Path
) -> None:
    plain = scorer_module.score_sequences
    passes: list[int] = []

    def stopping_after(most: int) -> Any:
        def watched(*arguments: Any, **options: Any) -> Iterator[Scored]:
            for found in plain(*arguments, **options):
                if len(passes) == most:
                    raise KeyboardInterrupt
                passes.append(len(found.positions))
                yield found

        return watched

    asked = ["export", "trl", llama_series["sft"], "--data", data(tmp_path, *ROWS), "--batch-size", 1]
    asked += ["--out", tmp_path / "out.jsonl", *([] if cached else ["--no-cache"])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer_module, "score_sequences", stopping_after(2))
        said = "every score that was finished is kept" if cached else "before anything was kept"
        assert_refused(audit(*asked), 130, said, "same command again")
        assert not (tmp_path / "out.jsonl").exists()
        patch.setattr(scorer_module, "score_sequences", stopping_after(100))
        assert audit(*asked).exit_code == 0
    # Four texts, one a pass.
    assert passes == [1] * (4 if cached else 6)


def test_rows_that_trl_drops_are_left_out_and_counted(llama_series: dict[str, Path], tmp_path: Path) -> None:
    file = data(tmp_path, ROWS[0], {**ROWS[1], "prompt": "They are kind. " * 9}, ROWS[1])
    options = ["--data", file, "--out", tmp_path / "out.jsonl", "--max-length", 20]
    result = audit("export", "trl", llama_series["sft"], *options)
    assert result.exit_code == 0, result.stderr
    assert "1 rows left out" in result.stderr
    assert [row["source"] for row in written(tmp_path / "out.jsonl")] == [7, 8]


def test_what_cannot_be_scored_is_refused(llama_series: dict[str, Path], tmp_path: Path) -> None:
    def refused(code: int, row: Any, *words: str, model: str = "sft", options: Any = ()) -> None:
        out = tmp_path / "out.jsonl"
        result = audit("export", "trl", llama_series[model], "--data", data(tmp_path, row), "--out", out, *options)
        assert_refused(result, code, *words)
        assert not out.exists()

    chat = {side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    chat["prompt"] = [{"role": "user", "content": "Hi"}]
    refused(2, chat, "no chat template", model="base")
    refused(2, {**ROWS[0], "chosen": " kind" * 300}, "row 1 has", "Give --max-length 256")
    refused(2, {**ROWS[0], "prompt": "They are " * 9}, "every prompt alone", options=["--max-length", 4])
    refused(2, {"chosen": "x"}, "has no rejected")


def test_a_file_is_replaced_only_if_told_to(llama_series: dict[str, Path], tmp_path: Path) -> None:
    out, file = write(tmp_path / "out.jsonl", "kept"), data(tmp_path, *ROWS)
    arguments = ["export", "trl", llama_series["sft"], "--data", file, "--out", out]
    assert_refused(audit(*arguments), 2, "is there already", "--force")
    assert out.read_text(encoding="utf-8") == "kept"
    assert audit(*arguments, "--force", "--quiet").stdout == ""
    assert len(written(out)) == 2
