"""Twin of auditor.adapters.hf.loading.peft_adapters."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from model_factory import make_model, save_lora
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.model_loading import quiet
from auditor.adapters.hf.loading.peft_adapters import attach, detach, merge
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.errors import ModelLoadError

IDS = torch.arange(3, 60)[None]
KINDS: dict[str, dict[str, Any]] = {
    "lora": {},
    "dora": {"use_dora": True},
    "head": {"modules_to_save": ["lm_head"]},
    "embeddings": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "tokens": {"trainable_token_indices": [5, 6]},
    "embedding-lora": {"target_modules": ["embed_tokens", "q_proj", "lm_head"]},
    "bias": {"bias": "all"},
    "pissa": {"init_lora_weights": "pissa"},
    "bigger": {"vocab_size": 416},
    "bigger-head": {"vocab_size": 408, "modules_to_save": ["embed_tokens", "lm_head"]},
    "smaller": {"vocab_size": 390},
}
# These write into the base (LoRA on embeddings stores them whole), so the base is not used again.
NOT_SHARED = {"embedding-lora", "bias", "pissa", "bigger", "bigger-head", "smaller"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peft")
    make_model(folder / "base", "llama", seed=0, attention_bias=True)
    make_model(folder / "tied", "llama", seed=0, attention_bias=True, tie_word_embeddings=True)
    for base in ("base", "tied"):
        for seed, (kind, settings) in enumerate(KINDS.items()):
            save_lora(folder / base, folder / f"{base}-{kind}", seed=seed, **settings)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    for name in ("base", "base-lora"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def _files(adapter: Path, base: str) -> CheckpointFiles:
    (spec,) = parse_specs([f"x={adapter.parent / base}+{adapter}"])
    return resolve(spec, LoadPolicy())


def _base(folder: Path, dtype: str = "float32") -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=getattr(torch, dtype))


def _logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def _peft_itself(base: Path, adapter: Path, dtype: str = "float32") -> torch.Tensor:
    """What a user gets who loads the adapter with peft's own from_pretrained."""
    model = _base(base, dtype)
    rows = load_file(adapter / "adapter_model.safetensors").get("base_model.model.model.embed_tokens.weight")
    if rows is not None and len(rows) != model.config.vocab_size:
        model.resize_token_embeddings(len(rows), mean_resizing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _logits(PeftModel.from_pretrained(model, str(adapter)))


@pytest.mark.parametrize("base", ["base", "tied"])
@pytest.mark.parametrize("kind", KINDS)
def test_same_numbers_as_peft_itself_and_the_base_comes_back(made: Path, base: str, kind: str) -> None:
    adapter = made / f"{base}-{kind}"
    model = _base(made / base)
    names = [name for name, _ in model.named_modules()]
    plain = _logits(model)
    attached = attach(model, _files(adapter, base))
    with_adapter = _logits(model)
    assert torch.equal(with_adapter, _peft_itself(made / base, adapter))
    assert with_adapter.shape != plain.shape or (with_adapter - plain).abs().max() > 0.01
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    shared = detach(model, attached)
    assert shared == (kind not in NOT_SHARED)
    if shared:
        assert torch.equal(_logits(model), plain)
        assert [name for name, _ in model.named_modules()] == names
        assert not hasattr(model, "peft_config")


@pytest.mark.parametrize("kind", ["lora", "head", "embeddings"])
def test_half_precision_as_peft_does_it(made: Path, kind: str) -> None:
    adapter = made / f"base-{kind}"
    model = _base(made / "base", "bfloat16")
    attach(model, _files(adapter, "base"))
    assert torch.equal(_logits(model), _peft_itself(made / "base", adapter, "bfloat16"))


def test_a_write_into_the_base_is_noticed(made: Path) -> None:
    model = _base(made / "base")
    attached = attach(model, _files(made / "base-lora", "base"))
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(0)
    assert not detach(model, attached)


def _edit(adapter: Path, drop: str = "", **add: torch.Tensor) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not drop or drop not in name}
    save_file({**kept, **add}, adapter / "adapter_model.safetensors")


def _attach(folder: Path) -> None:
    attach(_base(folder / "base"), _files(folder / "base-lora", "base"))


def test_missing_adapter_tensor(copy: Path) -> None:
    _edit(copy / "base-lora", drop="layers.1.self_attn.q_proj.lora_A")
    with pytest.raises(ModelLoadError, match=r"1 tensors are missing .*layers\.1\.self_attn\.q_proj\.lora_A"):
        _attach(copy)


def test_adapter_of_a_deeper_model(copy: Path) -> None:
    name = "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight"
    _edit(copy / "base-lora", **{name: torch.zeros(4, 32)})
    with pytest.raises(ModelLoadError, match=r"have no place in the base, .*layers\.2\.") as caught:
        _attach(copy)
    assert "name=BASE+ADAPTER" in caught.value.fix


def test_adapter_of_a_wider_model(copy: Path) -> None:
    _edit(
        copy / "base-lora",
        **{"base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight": torch.zeros(4, 64)},
    )
    with pytest.raises(ModelLoadError, match="could not be loaded") as caught:
        _attach(copy)
    assert "name=BASE+ADAPTER" in caught.value.fix


def test_adapter_of_another_architecture(copy: Path) -> None:
    path = copy / "base-lora" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "target_modules": ["c_attn"]}))
    with pytest.raises(ModelLoadError, match="c_attn"):
        _attach(copy)


def test_nan_in_an_adapter_is_named(copy: Path) -> None:
    name = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"
    _edit(copy / "base-lora", **{name: torch.full((16, 4), float("nan"))})
    with pytest.raises(ModelLoadError, match=r"v_proj\.lora_B.* holds NaN") as caught:
        _attach(copy)
    assert caught.value.where == str(copy / "base-lora")


def test_new_tokens_without_all_their_embeddings(made: Path, copy: Path) -> None:
    shutil.copy(made / "base-bigger" / "adapter_model.safetensors", copy / "base-lora")
    _edit(copy / "base-lora", drop="lm_head")
    with pytest.raises(ModelLoadError, match="has 416 tokens and its base's 400"):
        _attach(copy)


def test_failed_attachment_leaves_no_wrapper(copy: Path) -> None:
    _edit(copy / "base-lora", drop="layers.1.self_attn.q_proj.lora_A")
    model = _base(copy / "base")
    plain = _logits(model)
    with pytest.raises(ModelLoadError):
        attach(model, _files(copy / "base-lora", "base"))
    assert torch.equal(_logits(model), plain)


LIMIT: dict[int | str, int | str] = {"cpu": 80_000}


def _partly_on_disk(folder: Path, offload: Path) -> PreTrainedModel:
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), device_map="auto", max_memory=LIMIT, offload_folder=str(offload)
        )
    assert "disk" in model.hf_device_map.values()
    return model


def test_adapter_on_a_base_that_is_partly_on_disk_is_refused(made: Path, tmp_path: Path) -> None:
    model = _partly_on_disk(made / "base", tmp_path)
    with pytest.raises(ModelLoadError, match="partly in CPU memory or on disk") as caught:
        attach(model, _files(made / "base-lora", "base"))
    assert "merge_and_unload" in caught.value.fix


@pytest.mark.parametrize("kind", [one for one in KINDS if "bigger" not in one and one != "smaller"])
def test_merged_weights_give_what_the_adapter_gives(made: Path, kind: str) -> None:
    merged = merge(_base(made / "base"), _files(made / f"base-{kind}", "base"))
    expected = _peft_itself(made / "base", made / f"base-{kind}")
    torch.testing.assert_close(_logits(merged), expected, rtol=1e-4, atol=1e-4)
    assert {name for name, _ in merged.named_parameters()} == {
        name for name, _ in _base(made / "base").named_parameters()
    }
    assert not any(one.requires_grad for one in merged.parameters())
    assert not any(one.training for one in merged.modules())


def test_one_use_of_a_tied_tensor_is_not_merged(made: Path) -> None:
    with pytest.raises(ModelLoadError, match="one of two uses of a tied tensor"):
        merge(_base(made / "tied"), _files(made / "tied-embedding-lora", "tied"))


def test_merging_needs_an_adapter(made: Path) -> None:
    with pytest.raises(ValueError, match="has no adapter"):
        merge(_base(made / "base"), resolve(parse_specs([f"x={made / 'base'}"])[0], LoadPolicy()))
