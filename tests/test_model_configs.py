"""Twin of auditor.adapters.hf.loading.model_configs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from auditor.adapters.hf.loading import model_configs
from auditor.adapters.hf.loading.model_configs import (
    context_window,
    packing_obstacle,
    read_adapter_config,
    read_model_config,
    read_tags,
    saved_dtype,
)
from auditor.errors import ModelLoadError


def _read(folder: Path, trust_remote_code: bool = False, **config: Any) -> dict[str, Any]:
    (folder / "config.json").write_text(json.dumps(config))
    return read_model_config(folder, allow_pickle=False, trust_remote_code=trust_remote_code)


@pytest.mark.parametrize(
    "name", ["LlamaForCausalLM", "GPT2LMHeadModel", "Gemma3ForConditionalGeneration", "LlamaModel"]
)
def test_causal_models_pass(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, model_type="llama", architectures=[name])["model_type"] == "llama"


@pytest.mark.parametrize(
    "config",
    [
        {"architectures": ["BertForMaskedLM"]},
        {"architectures": ["LlamaForTokenClassification"]},
        {"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True},
    ],
)
def test_other_tasks_are_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(ModelLoadError, match="no causal language model"):
        _read(tmp_path, **config)


def test_remote_code_is_refused_unless_trusted(tmp_path: Path) -> None:
    config = {"model_type": "my-own", "auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}
    with pytest.raises(ModelLoadError, match="Python code of its own") as caught:
        _read(tmp_path, **config)
    assert "--trust-remote-code" in caught.value.fix
    assert _read(tmp_path, trust_remote_code=True, **config)["model_type"] == "my-own"


def test_remote_code_that_is_not_needed_is_no_obstacle(tmp_path: Path) -> None:
    assert _read(tmp_path, model_type="llama", auto_map={"AutoModelForCausalLM": "modeling_own.Own"})


@pytest.mark.parametrize(
    "config",
    [
        {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 8},
        {"peft_type": "LORA", "alora_invocation_tokens": [1, 2]},
        {"peft_type": "XLORA"},
    ],
)
def test_adapters_that_need_more_than_weights_are_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="changes the prompt or depends on it"):
        read_adapter_config(tmp_path)


def test_dtype_and_window_also_one_level_down() -> None:
    assert saved_dtype({"torch_dtype": "torch.bfloat16"}) == "bfloat16"
    assert saved_dtype({"text_config": {"dtype": "float16"}}) == "float16"
    assert saved_dtype({"dtype": None}) is None
    assert context_window({"n_positions": 1024}) == 1024
    assert context_window({"text_config": {"max_position_embeddings": 8192}}) == 8192
    assert context_window({"max_position_embeddings": -1}) is None
    assert context_window({}) is None


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("---\ntags:\n- trl\n- dpo\n---\n# Model\n", ("trl", "dpo")),
        ("---\ntags: dpo\n---\n", ("dpo",)),
        ("---\ntags: [dpo, 7, null]\n---\n", ("dpo",)),
        ("---\nlicense: mit\n---\n", ()),
        ("---\ntags: [\n---\n", ()),
        ("---\n- dpo\n---\n", ()),
        ("# Model\n---\ntags: [dpo]\n---\n", ()),
        ("---\ntags: [dpo]\n", ()),
        ("---\ntags: !!python/object/apply:os.system [exit]\n---\n", ()),
        ("", ()),
    ],
)
def test_tags(tmp_path: Path, text: str, tags: tuple[str, ...]) -> None:
    (tmp_path / "README.md").write_text(text)
    assert read_tags(tmp_path / "README.md") == tags


def test_no_card_no_tags(tmp_path: Path) -> None:
    assert read_tags(tmp_path / "README.md") == ()


class TestPackingObstacle:
    @pytest.mark.parametrize(
        ("config", "said"),
        [
            ({"model_type": "bloom"}, "bloom takes distances"),
            ({"model_type": "falcon", "alibi": True}, "falcon takes distances"),
            ({"model_type": "mamba2"}, "mamba2 has layers that carry a state"),
            ({"model_type": "gpt_neo", "attention_layers": ["global", "local"]}, "window is counted along the row"),
            ({"model_type": "gpt_neo", "attention_types": [[["global", "local"], 12]]}, "counted along the row"),
            ({"model_type": "new", "layer_types": ["full_attention", "linear_attention"]}, "carry a state"),
            ({"model_type": "llama4", "text_config": {"layer_types": ["chunked_attention"]}}, "chunked_attention"),
        ],
    )
    def test_known(self, config: dict[str, Any], said: str) -> None:
        assert said in packing_obstacle(config)

    @pytest.mark.parametrize(
        "config",
        [
            {"model_type": "llama"},
            {"model_type": "falcon", "alibi": False},
            {"model_type": "gpt_neo", "attention_layers": ["global", "global"]},
            {"model_type": "gemma3", "text_config": {"layer_types": ["full_attention", "sliding_attention"]}},
            {},
        ],
    )
    def test_none(self, config: dict[str, Any]) -> None:
        assert packing_obstacle(config) == ""

    def test_every_stateful_architecture_of_the_installed_transformers_is_known(self) -> None:
        modelling = Path(transformers.__file__).parent / "models"
        files = list(modelling.glob("*/modeling_*.py"))
        stateful = {one.parent.name for one in files if "_is_stateful = True" in one.read_text(encoding="utf-8")}
        assert len(stateful) > 10
        assert stateful <= model_configs._STATEFUL
