"""What a checkpoint's config.json, adapter_config.json and model card say about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from auditor.adapters.hf.loading.reward_configs import is_reward_model
from auditor.adapters.hf.loading.weight_files import find_weights, read_json
from auditor.errors import ModelLoadError

# A model card larger than this is no model card, bytes.
_LARGEST_CARD = 1_000_000
# Adapters that change the prompt or need more than the weights to run: their plain forward is not theirs.
_NOT_WEIGHTS_ONLY = frozenset({"XLORA", "POLY", "ADAPTION_PROMPT", "CPT", "CARTRIDGE"})
# Measured: their numbers in a row of many texts are not those of the texts alone.
_ALIBI = frozenset({"bloom", "mpt"})
# Measured likewise: each of its local layers has a mask of its own that no other replaces.
_WINDOW_OF_THE_ROW = frozenset({"gpt_neo"})
# Recurrences and convolutions run along the row, whatever a mask says.
_STATEFUL = frozenset(
    {
        "bailing_hybrid",
        "bamba",
        "deepseek_v4",
        "falcon_h1",
        "falcon_mamba",
        "glm5_next",
        "granitemoehybrid",
        "jamba",
        "kimi_linear",
        "lfm2",
        "lfm2_moe",
        "lfm3",
        "mamba",
        "mamba2",
        "minicpm_ocr",
        "minicpmv4_6",
        "minicpmv4_7",
        "minimax",
        "nemotron3_5_transcribe",
        "nemotron_h",
        "nemotron_h_omni",
        "olmo_hybrid",
        "qwen3_5",
        "qwen3_5_moe",
        "qwen3_next",
        "qwen4_exp",
        "recurrent_gemma",
        "rwkv",
        "xlstm",
        "zamba",
        "zamba2",
        "zaya",
    }
)
_STATEFUL_LAYERS = frozenset({"conv", "hybrid", "linear_attention", "mamba", "recurrent"})
_MASKED_LAYERS = frozenset({"full_attention", "sliding_attention"})


def read_model_config(folder: Path, *, allow_pickle: bool, trust_remote_code: bool) -> dict[str, Any]:
    """Read config.json of a whole model's folder.

    Raises:
        ModelLoadError: it is missing or broken, it asks for code that isn't trusted, or it describes no
            causal language model.
    """
    path = folder / "config.json"
    if not path.is_file():
        # A folder without weights either is explained by what it does hold.
        find_weights(folder, adapter=False, allow_pickle=allow_pickle)
        raise ModelLoadError(
            "config.json is missing",
            where=str(folder),
            fix="Copy it from the model this checkpoint was trained from, or save with save_pretrained.",
        )
    config = read_json(path)
    if "auto_map" in config and not trust_remote_code and not _is_native(config):
        raise ModelLoadError(
            f"the model runs Python code of its own ({config.get('model_type', 'no model_type')})",
            where=str(path),
            fix="Read that code; if you trust it, allow it with --trust-remote-code.",
        )
    if not is_reward_model(config):
        check_predicts_next(folder, config)
    return config


def _is_native(config: Mapping[str, Any]) -> bool:
    from transformers import CONFIG_MAPPING

    return config.get("model_type") in CONFIG_MAPPING


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Read adapter_config.json.

    Raises:
        ModelLoadError: it is broken, or the adapter does more than change weights.
    """
    path = folder / "adapter_config.json"
    config = read_json(path)
    check_changes_weights(path, config)
    return config


def check_changes_weights(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse an adapter that does more than change weights.

    Raises:
        ModelLoadError: its config names such a kind.
    """
    kind = str(config.get("peft_type", "")).upper()
    if config.get("num_virtual_tokens") or config.get("alora_invocation_tokens") or kind in _NOT_WEIGHTS_ONLY:
        raise ModelLoadError(
            f"this kind of adapter ({kind}) changes the prompt or depends on it, and can't be audited",
            where=str(path),
            fix="Adapters that only change weights work, such as LoRA, DoRA, IA3, LoHa and LoKr.",
        )


def check_predicts_next(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse what has no next-token probabilities.

    Raises:
        ModelLoadError: the config names a model of another kind.
    """
    names = [str(name) for name in config.get("architectures") or ()]
    causal = ("ForCausalLM", "LMHead", "ForConditionalGeneration")
    other = names and all("For" in name and not any(head in name for head in causal) for name in names)
    if other or config.get("is_encoder_decoder"):
        raise ModelLoadError(
            f"this is no causal language model ({', '.join(names) or 'an encoder-decoder'})",
            where=str(folder),
            fix="Give a model that predicts the next token, such as a ...ForCausalLM.",
        )


def saved_dtype(config: Mapping[str, Any]) -> str | None:
    """The dtype the weights were saved in, such as ``bfloat16``; None where config.json doesn't say."""
    value = _first(config, ("dtype", "torch_dtype"), str)
    return None if value is None else str(value).removeprefix("torch.")


def context_window(config: Mapping[str, Any]) -> int | None:
    """How many positions the model was made for; None where config.json doesn't say, or has no limit."""
    value = _first(config, ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"), int)
    return value if isinstance(value, int) and value > 0 else None


def packing_obstacle(config: Mapping[str, Any]) -> str:
    """Why many texts cannot share one row in this architecture; "" where nothing is known to stand in the way.

    In a row of many texts the model must be told the position of each token and what it may look at.
    """
    kind = str(_first(config, ("model_type",), str) or "")
    inner = config.get("text_config")
    parts = (config, inner if isinstance(inner, Mapping) else {})
    if kind in _ALIBI or any(part.get("alibi") is True for part in parts):
        return f"{kind} takes distances from the place in the row (ALiBi), not from a position it is given"
    if kind in _WINDOW_OF_THE_ROW and "local" in str(config.get("attention_layers") or config.get("attention_types")):
        return f"{kind} has layers whose window is counted along the row"
    layers = {str(layer) for part in parts for layer in part.get("layer_types") or ()}
    if kind in _STATEFUL or layers & _STATEFUL_LAYERS:
        return f"{kind} has layers that carry a state along the row"
    if other := layers - _MASKED_LAYERS:
        return f"{kind} has layers of a kind that no mask is known for ({', '.join(sorted(other))})"
    return ""


def _first(config: Mapping[str, Any], keys: tuple[str, ...], kind: type) -> object:
    """The first of several names for a setting; models of text and images keep it one level down."""
    inner = config.get("text_config")
    for source in (config, inner if isinstance(inner, Mapping) else {}):
        for key in keys:
            if isinstance(source.get(key), kind):
                return source[key]
    return None


def read_tags(card: Path) -> tuple[str, ...]:
    """Tags of a model card's YAML front matter; none where there is no card, or a broken one."""
    try:
        with card.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_LARGEST_CARD)
        parts = text.split("---\n", 2)
        matter = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return ()
    tags = matter.get("tags") if isinstance(matter, dict) else None
    listed = tags if isinstance(tags, list) else [tags]
    return tuple(tag for tag in listed if isinstance(tag, str))
