"""A folder with a tokenizer alone is enough where nothing but that is needed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from auditor.adapters.hf.loading.checkpoints import LoadPolicy, resolve
from auditor.adapters.hf.loading.models import load_tokenizer
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.loading.tokenizer_sources import resolve_tokenizer
from auditor.errors import ModelLoadError

POLICY = LoadPolicy(offline=True, allow_pickle=True, describe_only=True)


def without_weights(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors")))


def test_tokenizer_without_weights(llama_series: dict[str, Path], tmp_path: Path) -> None:
    folder = without_weights(llama_series["dpo"], tmp_path / "tokenizer")
    (spec,) = parse_specs([f"mine={folder}"])
    found = resolve_tokenizer(spec, POLICY)
    assert (found.name, found.weight_bytes) == ("mine", 0)
    assert found.context_window == resolve(parse_specs([str(llama_series["dpo"])])[0], POLICY).context_window
    assert len(load_tokenizer(found, POLICY)) > 300
    (folder / "config.json").unlink()
    (folder / "README.md").write_text("---\ntags: [dpo]\n---\n", encoding="utf-8")
    found = resolve_tokenizer(spec, POLICY)
    assert (found.context_window, found.tags) == (None, ("dpo",))


def test_whole_checkpoints_are_as_always(llama_series: dict[str, Path]) -> None:
    (spec,) = parse_specs([str(llama_series["base"])])
    assert resolve_tokenizer(spec, POLICY) == resolve(spec, POLICY)


def test_neither_weights_nor_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}), encoding="utf-8")
    with pytest.raises(ModelLoadError, match=r"holds no tokenizer\nGive a folder with tokenizer_config\.json"):
        resolve_tokenizer(parse_specs([str(tmp_path)])[0], POLICY)
