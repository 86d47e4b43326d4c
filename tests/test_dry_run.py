"""``--dry-run``: what an audit would cost, and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub.constants
import pytest
from command_line import audit
from test_hub import COMMIT, FakeHub, fake_hub

from auditor.adapters.hf.loading.hub import fetch

__all__ = ["fake_hub"]


def test_counts_and_writes_nothing(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--probe", pair_file, "--render", "plain", "--dry-run"]
    result = audit("compare", *llama_series.values(), *options)
    assert result.exit_code == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if " MiB" in line]
    assert [row[0] for row in rows] == ["base", "sft", "dpo"]
    # 24 items, none refused, two texts each.
    assert {tuple(row[1:4]) for row in rows} == {("24", "0", "48")}
    for tokens, distinct in [[int(one.replace(",", "")) for one in row[4:6]] for row in rows]:
        # Texts that begin alike share that, and a last token is never read.
        assert 48 * 5 < distinct < tokens - 48
    by_itself = audit("compare", *llama_series.values(), *options, "--batch-size", 4).stdout
    rows = [line.split() for line in by_itself.splitlines() if " MiB" in line]
    assert all(row[4] == row[5] for row in rows)
    assert list(tmp_path.iterdir()) == []


def test_limit_and_refusals_show(llama_series: dict[str, Path], tmp_path: Path) -> None:
    rows = "\n".join(f"{'word ' * (400 if at == 1 else 1)}{at},b,c{at}" for at in range(4))
    probe = tmp_path / "p.csv"
    probe.write_text(f"harmful,affirming,cluster\n{rows}\n", encoding="utf-8")
    result = audit("score", llama_series["base"], "--probe", probe, "--dry-run")
    assert re.search(r"base\W+3\W+1\W+6\W", result.stdout), result.stdout
    limited = audit("score", llama_series["base"], "--probe", probe, "--limit", 1, "--dry-run")
    assert re.search(r"base\W+(1\W+0\W+2|0\W+1\W+0)\W", limited.stdout), limited.stdout


def test_missing_checkpoint_is_found_before_anything_is_estimated(pair_file: Path, tmp_path: Path) -> None:
    result = audit("score", f"{tmp_path}/missing/", "--probe", pair_file, "--dry-run")
    assert (result.exit_code, result.stdout) == (4, "")


def test_is_printed_under_quiet_too(llama_series: dict[str, Path], pair_file: Path) -> None:
    result = audit("score", llama_series["base"], "--probe", pair_file, "--dry-run", "--quiet")
    assert re.search(r"base\W+24\W+0\W+48\W", result.stdout), result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("name", ["a-name-of-14ch", "Some-Longer-Model-Name-8B-Instruct-v0.3"])
def test_names_and_numbers_stay_whole_in_80_columns(llama_series: dict[str, Path], pair_file: Path, name: str) -> None:
    result = audit("score", f"{name}={llama_series['base']}", "--probe", pair_file, "--dry-run", env={"COLUMNS": "80"})
    (row,) = (line for line in result.stdout.splitlines() if name in line)
    assert re.fullmatch(r"\S+( +[\d,]+){5}( +[\d,.]+ (MiB|GiB|s)){3}", row.strip()), row
    assert len(row) <= 80 or len(name) > 15


@pytest.fixture
def on_the_hub(fake_hub: FakeHub, llama_series: dict[str, Path]) -> FakeHub:
    fake_hub.files = {one.name: one.read_bytes() for one in llama_series["base"].iterdir()}
    return fake_hub


def costs(pair_file: Path, *options: str) -> list[str]:
    """Weights, memory and time of a dry run, which must not have fetched a weight."""
    result = audit("score", "org/model", "--probe", pair_file, "--dry-run", *options)
    assert result.exit_code == 0, result.stderr
    cache = Path(huggingface_hub.constants.HF_HUB_CACHE)
    assert [*cache.rglob("tokenizer.json")]
    assert [*cache.rglob("*.safetensors"), *cache.rglob("*.bin")] == []
    (row,) = (line for line in result.stdout.splitlines() if re.search(r" 24 +0 +48 ", line))
    return re.split(r" {2,}", row.strip())[-3:] if "unknown" not in row else row.split()[-3:]


def test_hub_model_is_described_without_its_weights(on_the_hub: FakeHub, pair_file: Path) -> None:
    assert "unknown" not in costs(pair_file)
    assert f"/org/model/resolve/{COMMIT}/model.safetensors" in on_the_hub.asked


@pytest.mark.parametrize("problem", ["pickled", "damaged", "offline"])
def test_size_that_cannot_be_known_is_said(on_the_hub: FakeHub, pair_file: Path, problem: str) -> None:
    if problem == "offline":
        costs(pair_file)
    elif problem == "damaged":
        on_the_hub.files["model.safetensors"] = b"weights"
    else:
        on_the_hub.files["pytorch_model.bin"] = on_the_hub.files.pop("model.safetensors")
    options = ["--offline"] if problem == "offline" else []
    assert costs(pair_file, *options) == ["unknown"] * 3


def test_weights_in_the_cache_are_read_there(on_the_hub: FakeHub, pair_file: Path) -> None:
    fetch("org/model")
    on_the_hub.asked.clear()
    result = audit("score", "org/model", "--probe", pair_file, "--dry-run", "--offline")
    assert result.exit_code == 0, result.stderr
    assert "unknown" not in result.stdout
    assert on_the_hub.asked == []
