"""Twin of auditor.adapters.hf.loading.model_loading."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from model_factory import ARCHITECTURES, make_model, make_tokenizer, new_model, save_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from auditor.adapters.hf.loading import model_loading
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.model_loading import explained, load_base
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.errors import ModelLoadError, StorageError, UsageError

IDS = torch.arange(3, 60)[None]


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loading") / "llama"
    make_tokenizer(folder)
    make_model(folder, "llama", seed=0)
    return folder


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "model"))


def _files(folder: Path, **policy: Any) -> CheckpointFiles:
    return resolve(parse_specs([f"x={folder}"])[0], LoadPolicy(**policy))


def _load(folder: Path, **policy: Any) -> PreTrainedModel:
    settings = {"offline": True, **policy}
    return load_base(_files(folder, **settings), LoadPolicy(**settings), folder / "offload")[0]


def _logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def _edit(folder: Path, drop: str = "", **add: torch.Tensor) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not drop or drop not in name}
    save_file({**kept, **add}, folder / "model.safetensors", metadata={"format": "pt"})


def _config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_loads_to_the_bit(tmp_path: Path, arch: str) -> None:
    made = make_model(tmp_path, arch, seed=3)
    model = _load(tmp_path)
    assert torch.equal(_logits(model), _logits(made))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_soft_capping_gets_the_attention_that_applies_it(tmp_path: Path) -> None:
    make_model(tmp_path, "gemma2", seed=0)
    assert _load(tmp_path).config._attn_implementation == "eager"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_of_the_policy_wins_over_the_saved_one(llama: Path, dtype: str) -> None:
    assert {parameter.dtype for parameter in _load(llama, dtype=dtype).parameters()} == {getattr(torch, dtype)}


def test_nothing_is_printed_and_progress_is_told(llama: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, int, int]] = []
    policy = LoadPolicy()
    load_base(_files(llama), policy, llama, progress=lambda *step: seen.append(step))
    assert capfd.readouterr() == ("", "")
    assert seen[-1] == ("loading x", 21, 21)


def test_missing_tensors_are_no_random_ones(copy: Path) -> None:
    _edit(copy, drop="layers.1.mlp")
    with pytest.raises(ModelLoadError, match=r"3 tensors are not in the weight files .*layers\.1\.mlp\.down_proj"):
        _load(copy)


def test_tied_head_is_not_missing(tmp_path: Path) -> None:
    make_model(tmp_path, "qwen2", seed=0)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    model = _load(tmp_path)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_untied_head_is_missing(copy: Path) -> None:
    _edit(copy, drop="lm_head")
    with pytest.raises(ModelLoadError, match=r"lm_head\.weight"):
        _load(copy)


def test_other_shapes_are_named(copy: Path) -> None:
    _config(copy, intermediate_size=48)
    with pytest.raises(ModelLoadError, match=r"6 tensors have another shape .*\(32, 64\) in the file, \(32, 48\) by"):
        _load(copy)


def test_adapter_tensors_in_a_whole_model_are_not_dropped_in_silence(copy: Path) -> None:
    _edit(copy, **{"model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(4, 32)})
    with pytest.raises(ModelLoadError, match="adapter tensors that a whole model does not use"):
        _load(copy)


def test_unused_tensors_are_noted(copy: Path) -> None:
    _edit(copy, **{"v_head.summary.weight": torch.zeros(1, 32)})
    model, notes = load_base(_files(copy), LoadPolicy(), copy)
    assert isinstance(model, PreTrainedModel)
    assert notes == ("1 tensors of the weight files are not used by LlamaForCausalLM: v_head.summary.weight",)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_first_tensor_that_is_not_finite_is_named(copy: Path, value: str) -> None:
    bad = load_file(copy / "model.safetensors")["model.layers.1.mlp.up_proj.weight"].clone()
    bad[3, 5] = float(value)
    _edit(copy, **{"model.layers.1.mlp.up_proj.weight": bad})
    with pytest.raises(ModelLoadError, match=r"'model\.layers\.1\.mlp\.up_proj\.weight' holds NaN or infinity"):
        _load(copy)
    with pytest.raises(ModelLoadError, match=r"up_proj\.weight' holds NaN"):
        _load(copy, device_map="auto", max_memory={"cpu": 80_000})


def test_overflow_in_half_precision(copy: Path) -> None:
    _edit(copy, **{"model.norm.weight": torch.full((32,), 1e5)})
    assert _load(copy, dtype="bfloat16").dtype == torch.bfloat16
    with pytest.raises(ModelLoadError, match=r"model\.norm\.weight"):
        _load(copy, dtype="float16")


def test_unknown_architecture(copy: Path) -> None:
    _config(copy, model_type="llama-of-the-future", architectures=["LlamaOfTheFutureForCausalLM"])
    with pytest.raises(ModelLoadError, match="does not know this architecture") as caught:
        _load(copy)
    assert "pip install --upgrade transformers" in caught.value.fix


def test_broken_config_is_an_error_of_the_checkpoint(copy: Path) -> None:
    _config(copy, num_attention_heads="four")
    with pytest.raises(ModelLoadError, match="could not be loaded"):
        _load(copy)


def test_pickled_weights(copy: Path) -> None:
    expected = _logits(_load(copy))
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    assert torch.equal(_logits(_load(copy, allow_pickle=True)), expected)


def test_disk_and_memory_together(tmp_path: Path) -> None:
    make_model(tmp_path, "llama", seed=0, num_hidden_layers=4)
    model = _load(tmp_path, device_map="auto", max_memory={"cpu": 120_000})
    places = set(model.hf_device_map.values())
    assert places == {"cpu", "disk"}
    assert torch.equal(_logits(model), _logits(_load(tmp_path)))


def test_missing_quantisation_library(copy: Path) -> None:
    _config(copy, quantization_config={"quant_method": "eetq", "weights": "int8"})
    with pytest.raises(ModelLoadError, match=r"quantised \(eetq\) and the library") as caught:
        _load(copy)
    assert caught.value.fix == "pip install eetq"


def test_quantisation_config_reaches_transformers_untouched(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def from_pretrained(folder: str, **settings: Any) -> Any:
        asked.update(settings, config=json.loads((Path(folder) / "config.json").read_text()))
        model = new_model("llama", seed=0)
        model.is_quantized = False
        return model, {"missing_keys": set(), "mismatched_keys": set(), "unexpected_keys": set()}

    quantization = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    _config(copy, quantization_config=quantization)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
    _, notes = load_base(_files(copy), LoadPolicy(), copy)
    assert asked["config"]["quantization_config"] == quantization
    assert "quantization_config" not in asked
    assert notes == ("the quantised weights were unpacked, torch.float32 is scored",)


@pytest.mark.filterwarnings("ignore")
def test_int8_weights_load_as_they_are(tmp_path: Path) -> None:
    """With torchao, where it is installed: the test environment doesn't hold it."""
    quantization = pytest.importorskip("torchao.quantization")
    from transformers import TorchAoConfig

    make_model(tmp_path / "plain", "llama", seed=0)
    config = TorchAoConfig(quantization.Int8WeightOnlyConfig())
    made = AutoModelForCausalLM.from_pretrained(
        str(tmp_path / "plain"), quantization_config=config, dtype=torch.float32
    )
    save_model(made, tmp_path / "int8")
    model = _load(tmp_path / "int8")
    assert model.is_quantized
    assert torch.equal(_logits(model), _logits(made))
    assert not torch.equal(_logits(model), _logits(_load(tmp_path / "plain")))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to"),
            ModelLoadError,
            "does not fit in memory",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), ModelLoadError, "does not fit in memory"),
        (MemoryError(), ModelLoadError, "does not fit in memory"),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError, "the disk is full"),
        (KeyError("strange\nlines"), ModelLoadError, "KeyError: 'strange"),
        (UsageError("of our own"), UsageError, "of our own"),
    ],
)
def test_errors_of_libraries_are_explained(error: Exception, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught, explained("here"):
        raise error
    assert type(caught.value) is kind


def test_quiet_puts_everything_back() -> None:
    before = [logging.getLogger(name).level for name in model_loading._LOGGERS]
    with pytest.raises(ZeroDivisionError), model_loading.quiet():
        raise ZeroDivisionError
    assert [logging.getLogger(name).level for name in model_loading._LOGGERS] == before


def test_code_of_the_checkpoint_runs_only_when_trusted(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])
    (copy / "own.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    expected = _logits(_load(copy))
    classes = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
    _config(copy, model_type="own", auto_map=classes, architectures=["OwnForCausalLM"])
    with pytest.raises(ModelLoadError, match="Python code of its own"):
        _load(copy)
    model = _load(copy, trust_remote_code=True)
    assert type(model).__name__ == "OwnForCausalLM"
    assert torch.equal(_logits(model), expected)
