"""Twin of auditor.adapters.hf.loading.checkpoints."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from model_factory import CHAT_TEMPLATE, make_model, make_reward_model, make_tokenizer, save_lora
from transformers import AutoModelForSequenceClassification, BertConfig

from auditor.adapters.hf.loading import checkpoints, hub
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, fingerprint, resolve
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.errors import ModelLoadError, StorageError


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    make_tokenizer(folder / "base")
    make_model(folder / "base", "llama", seed=0, dtype="bfloat16")
    save_lora(folder / "base", folder / "lora", seed=1)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``base`` and ``lora`` side by side, the adapter's config naming a base that is not there."""
    folder = Path(shutil.copytree(made, tmp_path / "copy"))
    _rewrite(folder / "lora" / "adapter_config.json", base_model_name_or_path="gone/base")
    monkeypatch.chdir(folder)
    return folder


def _rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _resolve(text: str, **policy: Any) -> CheckpointFiles:
    (spec,) = parse_specs([text])
    return resolve(spec, LoadPolicy(**{"offline": True, **policy}))


def test_whole_model(made: Path) -> None:
    files = _resolve(f"sft={made / 'base'}")
    assert (files.name, files.base, files.adapter, files.base_commit) == ("sft", made / "base", None, None)
    assert (files.model_type, files.dtype, files.context_window) == ("llama", "bfloat16", 256)
    assert files.n_parameters == 44192
    assert 2 * 44192 < files.weight_bytes < 2 * 44192 + 10_000
    assert files.quantization is None


def test_adapter_finds_its_base_in_its_config(made: Path) -> None:
    files = _resolve(str(made / "lora"))
    assert (files.name, files.base, files.adapter) == ("lora", made / "base", made / "lora")
    adapter = 2 * 2 * 4 * (32 + 32) - 2 * 4 * (32 - 16)  # q and v of two layers, rank 4; v is 16 wide
    assert files.n_parameters == 44192 + adapter
    assert files.weight_bytes > _resolve(str(made / "base")).weight_bytes


@pytest.mark.parametrize("name", ["base", "../copy/base", "./base"])
def test_base_is_found_beside_the_adapter_wherever_the_run_starts(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _rewrite(copy / "lora" / "adapter_config.json", base_model_name_or_path=name)
    monkeypatch.chdir(tmp_path)
    assert _resolve("copy/lora").base == copy / "base"


def test_base_is_found_from_the_current_directory(copy: Path, tmp_path: Path) -> None:
    shutil.move(copy / "lora", tmp_path / "lora")
    _rewrite(tmp_path / "lora" / "adapter_config.json", base_model_name_or_path="base")
    assert _resolve(str(tmp_path / "lora")).base == copy / "base"


def test_named_base_wins_over_the_config(copy: Path) -> None:
    files = _resolve("dpo=base+lora")
    assert (files.name, files.base, files.adapter) == ("dpo", copy / "base", copy / "lora")


@pytest.mark.parametrize("name", ["gone/base", "/gone/far/base", "", None])
def test_missing_base_names_the_form_that_helps(copy: Path, name: str | None) -> None:
    _rewrite(copy / "lora" / "adapter_config.json", base_model_name_or_path=name)
    with pytest.raises(ModelLoadError, match="base") as caught:
        _resolve("lora")
    assert "name=BASE+ADAPTER" in caught.value.fix
    assert caught.value.where.endswith("adapter_config.json")


def test_base_from_the_hub_at_the_revision_of_the_config(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def fetch(repo_id: str, revision: str | None, **_: object) -> hub.Snapshot:
        asked.append((repo_id, revision))
        return hub.Snapshot(copy / "base", "c0ffee", repo_id)

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    _rewrite(copy / "lora" / "adapter_config.json", base_model_name_or_path="org/base", revision="v2")
    files = _resolve("lora")
    assert asked == [("org/base", "v2")]
    assert (files.base_commit, files.adapter_commit) == ("c0ffee", None)


@pytest.mark.usefixtures("copy")
def test_order_of_base_and_adapter() -> None:
    with pytest.raises(ModelLoadError, match=r"no adapter_config\.json") as caught:
        _resolve("dpo=lora+base")
    assert "BASE+ADAPTER" in caught.value.fix


def test_adapter_on_an_adapter(copy: Path) -> None:
    shutil.copytree(copy / "lora", copy / "second")
    with pytest.raises(ModelLoadError, match="itself an adapter"):
        _resolve("dpo=lora+second")


def test_model_and_adapter_in_one_folder(copy: Path) -> None:
    shutil.copy(copy / "lora" / "adapter_config.json", copy / "base")
    with pytest.raises(ModelLoadError, match="both a whole model and an adapter"):
        _resolve("base")


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_config, "config.json is missing"),
        (_no_weights, "no model weights"),
        (_nothing, "no model weights .* but nothing"),
    ],
)
def test_incomplete_folders(copy: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(copy / "base")
    with pytest.raises(ModelLoadError, match=message) as caught:
        _resolve("base")
    assert str(copy / "base") in caught.value.where
    assert caught.value.exit_code == 4


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize("text", ["./gone", "/gone/away", "a/b/c", "gone/"])
def test_missing_folder(text: str) -> None:
    with pytest.raises(ModelLoadError, match="there is no such folder"):
        _resolve(text)


def test_single_file(copy: Path) -> None:
    with pytest.raises(ModelLoadError, match="this is a file"):
        _resolve(str(copy / "base" / "model.safetensors"))


class TestRewardModels:
    def test_one_output_is_the_reward(self, tmp_path: Path) -> None:
        make_reward_model(tmp_path / "rm")
        files = _resolve(str(tmp_path / "rm"))
        assert (files.quantity, files.heads, files.head, files.output, files.pad_id) == (
            "reward",
            ("LABEL_0",),
            "LABEL_0",
            0,
            2,
        )

    def test_of_several_none_is_chosen(self, tmp_path: Path) -> None:
        make_reward_model(tmp_path / "rm", outputs=("helpful", "harmless"))
        files = _resolve(str(tmp_path / "rm"))
        assert (files.heads, files.head, files.output) == (("helpful", "harmless"), None, None)

    def test_the_output_decides_a_score_and_so_the_fingerprint(self, tmp_path: Path) -> None:
        make_reward_model(tmp_path / "rm", outputs=("helpful", "harmless"))
        files = _resolve(str(tmp_path / "rm"))
        assert len({fingerprint(replace(files, head=head)) for head in files.heads}) == 2

    def test_a_language_model_has_none(self, made: Path) -> None:
        files = _resolve(str(made / "base"))
        assert (files.quantity, files.heads, files.head, files.output, files.pad_id) == (
            "logprob",
            (),
            None,
            None,
            None,
        )

    def test_an_encoder_is_refused(self, tmp_path: Path) -> None:
        config = BertConfig(
            vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
        )
        AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
        with pytest.raises(ModelLoadError, match=r"BertForSequenceClassification\) is no decoder"):
            _resolve(str(tmp_path))


def test_tags_are_the_adapters_own(copy: Path) -> None:
    (copy / "base" / "README.md").write_text("---\ntags: [pretrained]\n---\n")
    assert _resolve("base").tags == ("pretrained",)
    (copy / "lora" / "README.md").write_text("---\ntags: [dpo]\n---\n")
    assert _resolve("x=base+lora").tags == ("dpo",)
    (copy / "lora" / "README.md").unlink()
    assert _resolve("x=base+lora").tags == ()


def test_quantised_models_have_no_parameter_count(copy: Path) -> None:
    _rewrite(copy / "base" / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    files = _resolve("base")
    assert files.quantization == {"quant_method": "gptq", "bits": 4}
    assert files.n_parameters is None


def test_tokenizer_folder(copy: Path) -> None:
    assert _resolve("x=base+lora").tokenizer == copy / "base"
    make_tokenizer(copy / "lora", chat_template=CHAT_TEMPLATE)
    assert _resolve("x=base+lora").tokenizer == copy / "lora"


def test_pickled_adapter_only_by_name(copy: Path) -> None:
    (copy / "lora" / "adapter_model.safetensors").unlink()
    torch.save({}, copy / "lora" / "adapter_model.bin")
    with pytest.raises(ModelLoadError, match="pickled"):
        _resolve("x=base+lora")
    assert _resolve("x=base+lora", allow_pickle=True).n_parameters is None


def test_fingerprint_is_of_contents_not_of_places(copy: Path, tmp_path: Path) -> None:
    first = fingerprint(_resolve("x=base+lora"))
    shutil.copytree(copy / "base", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "README.md").write_text("a card")
    (tmp_path / "elsewhere" / "generation_config.json").unlink()
    assert fingerprint(_resolve(f"y={tmp_path / 'elsewhere'}+lora")) == first


def test_fingerprint_of_a_hub_cache_of_links(copy: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    for position, path in enumerate(sorted((copy / "base").iterdir())):
        shutil.copy(path, blobs / str(position))
        (snapshot / path.name).symlink_to(blobs / str(position))
    assert fingerprint(_resolve(str(snapshot))) == fingerprint(_resolve("base"))


@pytest.mark.parametrize(
    "name",
    [
        "base/model.safetensors",
        "base/config.json",
        "base/tokenizer.json",
        "base/tokenizer_config.json",
        "lora/adapter_model.safetensors",
        "lora/adapter_config.json",
    ],
)
def test_fingerprint_sees_one_changed_byte(copy: Path, name: str) -> None:
    files = _resolve("x=base+lora")
    before = fingerprint(files)
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    assert fingerprint(files) != before


def test_fingerprint_sees_new_templates_and_code(copy: Path) -> None:
    files = _resolve("base")
    seen = {fingerprint(files)}
    for name in ("chat_template.jinja", "modeling.py"):
        (copy / "base" / name).write_text("x")
        seen.add(fingerprint(files))
    assert len(seen) == 3


def test_fingerprint_of_a_vanished_file(copy: Path) -> None:
    files = _resolve("base")
    (copy / "base" / "model.safetensors").unlink()
    with pytest.raises(StorageError, match="can't be read"):
        fingerprint(files)


def test_everything_up_to_here_needs_no_torch() -> None:
    code = (
        "import sys, auditor.adapters.hf.loading.checkpoints; "
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
