"""Bad checkpoints and hostile names, each through the real command: one clear message, the documented code."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import assert_refused, audit, cells, manifest, without_scripts, write
from model_factory import make_model, make_tokenizer, save_lora, save_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

WEIGHTS = "model.safetensors"


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def not_a_number(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["lm_head.weight"][3, 5] = float("nan")
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def cut_off(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def garbage(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(os.urandom(1000))


def bad_config(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")


def list_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def bad_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")


BROKEN: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (no_weights, ("holds no model weights",)),
    (pickled, ("pickled", "--allow-pickle")),
    (not_a_number, ("'lm_head.weight'", "NaN")),
    (cut_off, ("cut off or damaged",)),
    (garbage, ("cut off or damaged",)),
    (bad_config, ("config.json", "JSON")),
    (list_config, ("config.json", "JSON object")),
    (no_tokenizer, ("holds no tokenizer",)),
    (bad_tokenizer, ("tokenizer",)),
]


@pytest.mark.parametrize(("damage", "words"), BROKEN, ids=[one.__name__ for one, _ in BROKEN])
def test_broken_checkpoint(
    llama_series: dict[str, Path],
    pair_file: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(llama_series["base"], folder)
    damage(folder)
    result = audit("score", folder, "--probe", pair_file, "--quiet", "--out", tmp_path / "run")
    assert_refused(result, 4, str(folder), *words)


def test_broken_checkpoint_in_the_middle_loses_nothing(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sft"
    shutil.copytree(llama_series["sft"], folder)
    not_a_number(folder)
    command = ["compare", llama_series["base"], folder, "--probe", pair_file, "--quiet", "--out", tmp_path / "run"]
    assert_refused(audit(*command), 4, "NaN")
    shutil.copy(llama_series["sft"] / WEIGHTS, folder / WEIGHTS)
    assert audit(*command).exit_code == 0
    recalled = {name: one["recalled"] / one["texts"] for name, one in manifest(tmp_path / "run")["work"].items()}
    assert recalled == {"base": 1, "sft": 0}


@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [
        ("./missing", ("./missing", "no such folder")),
        ("missing/", ("no such folder",)),
        ("an/id/that/is/none", ("no such folder",)),
        ("org/not-in-the-cache", ("org/not-in-the-cache", "offline")),
        ("org/not-in-the-cache@v1", ("offline",)),
    ],
)
def test_missing_checkpoint(
    pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: str, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(audit("score", checkpoint, "--probe", pair_file, "--offline"), 4, *words)


@pytest.mark.parametrize(
    ("checkpoints", "words"),
    [
        (["{base}", "{base}"], ("two checkpoints are called 'base'", "name=")),
        (["a={base}", "a={sft}"], ("two checkpoints are called 'a'",)),
        (["a\nb={base}"], ("control characters", "a\\nb")),
        (["a\x1b[31m={base}"], ("control characters",)),
        (["={base}"], ("has no name",)),
        (["a="], ("empty",)),
        (["{base}+"], ("empty",)),
        (["{base}@main"], ("a folder has no revisions",)),
        ([""], ("empty",)),
    ],
)
def test_bad_checkpoint_argument(
    llama_series: dict[str, Path], pair_file: Path, checkpoints: list[str], words: tuple[str, ...]
) -> None:
    arguments = [one.format(**llama_series) for one in checkpoints]
    assert_refused(audit("compare", *arguments, "--probe", pair_file), 2, *words)


def test_adapter_whose_base_is_missing(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    adapter = save_lora(llama_series["base"], tmp_path / "lora", seed=0)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = str(tmp_path / "gone")
    write(adapter / "adapter_config.json", json.dumps(config))
    result = audit("score", adapter, "--probe", pair_file)
    assert_refused(result, 4, "adapter's base", "could not be found", "name=BASE+ADAPTER")
    named = f"mine={llama_series['base']}+{adapter}"
    assert audit("score", named, "--probe", pair_file, "--quiet", "--out", tmp_path / "run").exit_code == 0


def results(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "results.json").read_text(encoding="utf-8")))


def test_other_tokenizer_gives_a_caution_and_no_reward(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "dpo"
    make_tokenizer(other, "metaspace")
    make_model(other, "llama", seed=1)
    run = tmp_path / "run"
    result = audit("compare", llama_series["base"], other, "--probe", pair_file, "--out", run)
    assert result.exit_code == 0, result.stderr
    assert "24 of 24 items have other token ids" in result.stderr
    found = results(run)
    assert {one["estimate"] for one in found["effects"] if one["measure"] == "implicit_reward"} <= {None}
    assert any(one["estimate"] is not None for one in found["effects"] if one["measure"] == "shift")
    assert "tokens_differ" in {one["reason"] for one in found["refusals"]}


def test_nothing_left_to_compare(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = write(tmp_path / "long.csv", "id,harmful,affirming\n1," + "bad " * 2000 + ",good\n")
    result = audit("score", llama_series["base"], "--probe", probe, "--render", "plain", "--out", tmp_path / "run")
    assert_refused(result, 3, "no item could be scored", "too_long", "context window")
    assert len(result.stderr) < 4000


def test_long_items_are_refused_and_counted(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    megabyte = "x" * 2**20
    rows = pair_file.read_text(encoding="utf-8") + f'huge,"{megabyte}",a,b,trans women,mind,c9,f,m9,marked\n'
    probe = write(tmp_path / "huge.csv", rows + f"long,c,{'a ' * 300},b,trans women,mind,c9,f,m10,marked\n")
    run = tmp_path / "run"
    result = audit("score", llama_series["base"], "--probe", probe, "--render", "plain", "--quiet", "--out", run)
    assert result.exit_code == 0, result.stderr
    refused = {one["item"]: one["reason"] for one in results(run)["refusals"] if one["item"]}
    assert refused == {"huge": "too_long", "long": "too_long"}
    assert len(cells(run / "items.parquet")) == 24 * 2
    assert (run / "report.html").stat().st_size < 2**20


def test_resized_vocabulary_changes_nothing(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    resized = tmp_path / "resized"
    shutil.copytree(llama_series["base"], resized)
    model = AutoModelForCausalLM.from_pretrained(resized)
    weights = model.lm_head.weight.shape[0]
    model.resize_token_embeddings(weights + 48, mean_resizing=False)
    save_model(model, resized)
    run = tmp_path / "run"
    checkpoints = [f"base={llama_series['base']}", f"dpo={resized}"]
    result = audit("compare", *checkpoints, "--probe", pair_file, "--quiet", "--out", run)
    assert result.exit_code == 0, result.stderr
    rewards = [one for one in results(run)["effects"] if one["measure"] == "implicit_reward"]
    assert rewards
    assert all(one["estimate"] is not None for one in rewards)
    assert not {one["reason"] for one in results(run)["refusals"]} & {"tokens_differ"}
    (note,) = [one for one in results(run)["cautions"] if "embeddings" in one]
    assert note.startswith(f"dpo has {weights + 48} embeddings where base has {weights}")


def test_a_checkpoint_against_itself_is_exactly_zero(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    same = [f"one={llama_series['sft']}", f"two={llama_series['sft']}"]
    run = tmp_path / "run"
    assert audit("compare", *same, "--probe", pair_file, "--quiet", "--out", run).exit_code == 0
    shifts = [one for one in results(run)["effects"] if one["measure"] == "shift"]
    assert shifts
    assert {(one["estimate"], one["low"], one["high"]) for one in shifts} == {(0.0, 0.0, 0.0)}


SCRIPT = "<script>alert(1)</script>"


def test_markup_in_texts_and_names_is_text(llama_series: dict[str, Path], tmp_path: Path) -> None:
    who = f"{SCRIPT} [bold]x[/bold]"
    rows = [f'{SCRIPT} context,"{SCRIPT}{at}","<img src=x onerror=alert(1)>{at}","{who}",c{at}' for at in range(3)]
    probe = write(tmp_path / "p.csv", "context,harmful,affirming,identity,cluster\n" + "\n".join(rows))
    run = tmp_path / "run"
    names = [f"{SCRIPT}={llama_series['base']}", f"../../[red]dpo={llama_series['dpo']}"]
    result = audit("compare", *names, "--probe", probe, "--out", run)
    assert result.exit_code == 0, result.stderr
    assert who in result.stderr
    html = without_scripts((run / "report.html").read_text(encoding="utf-8"))
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert {one["checkpoint"] for one in cells(run / "items.parquet")} == {SCRIPT, "../../[red]dpo"}


def test_nothing_from_a_probe_steers_the_terminal(llama_series: dict[str, Path], tmp_path: Path) -> None:
    row = {"context": "\x1b[2J\x07\u202e", "harmful": "\x1b]0;owned\x07", "affirming": "b", "identity": "\x1b[31mred"}
    probe = write(tmp_path / "p.jsonl", "\n".join(json.dumps({**row, "cluster": str(at)}) for at in range(3)))
    result = audit("score", llama_series["base"], "--probe", probe, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    assert "\\x1b[31mred" in result.stderr
    assert not {"\x1b", "\x07", "\u202e"} & set(result.stderr + result.stdout)
