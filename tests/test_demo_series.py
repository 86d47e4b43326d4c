"""Two series in one folder: what lies where, what is made again, and that a seed decides every byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from auditor.adapters.demo.demo_series import DemoSeries, make_series
from auditor.adapters.demo.tiny_llama import Size
from auditor.adapters.demo.training import Recipe, Stage
from auditor.adapters.hf.loading.checkpoints import read_tags
from auditor.adapters.probe_files.probes import open_probe

SEED = 1000
STEP = Stage(epochs=1, batch=4, rate=1e-3, max_steps=2)
TINY = Recipe(size=Size(width=16, layers=1, heads=2), base=STEP, sft=STEP, dpo=replace(STEP, batch=16))


def silent(_: str) -> None:
    """Progress nobody reads."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DemoSeries:
    return make_series(tmp_path_factory.mktemp("demo"), SEED, silent, TINY)


def weights(series: DemoSeries) -> list[bytes]:
    folders = (series.base, series.sft, series.planted_dpo, series.twin_dpo)
    return [(folder / "model.safetensors").read_bytes() for folder in folders]


def test_layout(made: DemoSeries) -> None:
    for folder, tags in (
        (made.base, set()),
        (made.sft, {"sft", "trl"}),
        (made.planted_dpo, {"dpo", "trl"}),
        (made.twin_dpo, {"dpo", "trl"}),
    ):
        names = {path.name for path in folder.iterdir()}
        assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
        assert tags <= set(read_tags(folder / "README.md"))
    assert open_probe(str(made.probe)).items
    # Both series look alike from outside.
    assert (made.planted_dpo / "README.md").read_text() == (made.twin_dpo / "README.md").read_text()


def test_truth(made: DemoSeries) -> None:
    truth = json.loads((made.folder / "series.json").read_text(encoding="utf-8"))
    assert (truth["seed"], truth["planted"], truth["beta"]) == (SEED, made.planted, TINY.beta)
    assert set(truth["seconds"]) == {"base", "sft", "planted", "twin"}
    assert made.planted in {item.identity for item in open_probe(str(made.probe)).items if item.role == "marked"}


def test_every_stage_trains(made: DemoSeries) -> None:
    assert len(set(weights(made))) == 4


def test_finished_series_is_found_again(made: DemoSeries) -> None:
    said: list[str] = []
    again = make_series(made.folder, SEED, said.append, TINY)
    assert again == replace(made, reused=True)
    assert said == []


def test_same_seed_same_bytes_and_another_seed_others(made: DemoSeries, tmp_path: Path) -> None:
    assert weights(make_series(tmp_path / "a", SEED, silent, TINY)) == weights(made)
    other = make_series(tmp_path / "b", SEED + 1, silent, TINY)
    assert other.planted != made.planted
    # Weights, not bytes: the vocabularies differ too.
    norm = "model.norm.weight"
    assert not load_file(other.base / "model.safetensors")[norm].equal(load_file(made.base / "model.safetensors")[norm])


def _unfinished(folder: Path) -> None:
    (folder / "series.json").unlink()


def _cut_truth(folder: Path) -> None:
    (folder / "series.json").write_text("{", encoding="utf-8")


def _damaged(folder: Path) -> None:
    (folder / "sft" / "model.safetensors").write_bytes(b"")


def _gone(folder: Path) -> None:
    (folder / "twin" / "dpo" / "model.safetensors").unlink()


@pytest.mark.parametrize("harm", [_unfinished, _cut_truth, _damaged, _gone])
def test_unfinished_or_damaged_series_is_made_again(
    made: DemoSeries, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    harm(folder)
    said: list[str] = []
    again = make_series(folder, SEED, said.append, TINY)
    assert not again.reused
    assert len(said) == 4
    assert weights(again) == weights(made)


def test_copied_series_is_found_again(made: DemoSeries, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "copy")
    assert make_series(tmp_path / "copy", SEED, silent, TINY).reused


def test_other_recipe_is_made_again_and_an_interrupted_run_leaves_no_truth(made: DemoSeries, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)

    def stop(line: str) -> None:
        if line.startswith("sft"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_series(folder, SEED, stop, replace(TINY, beta=0.2))
    assert not (folder / "series.json").exists()
    assert not make_series(folder, SEED, silent, TINY).reused


@pytest.mark.slow
def test_same_seed_same_bytes_at_full_length(tmp_path: Path) -> None:
    one, other = (make_series(tmp_path / name, SEED, silent) for name in "ab")
    assert weights(one) == weights(other)
