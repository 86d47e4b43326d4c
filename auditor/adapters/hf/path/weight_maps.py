"""The tensors of a loaded model, described, and whether two models have the same ones."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from auditor.adapters.hf.path.weight_units import Fused, Heads, Weight, WeightMap
from auditor.errors import NotComparableError

# How one tensor for queries, keys and values is laid out, by model_type; of no other is it known.
_BLOCKS = frozenset({"gpt2", "mpt", "phi3"})
_GROUPS = frozenset({"bloom", "gpt_neox", "persimmon"})


def weight_map(model: PreTrainedModel) -> WeightMap:
    """The tensors of a model without adapters, in its order; tied ones once, under the embedding's name."""
    whole: Any = model
    modules = dict(model.named_modules())
    ends = (model.get_input_embeddings(), whole.get_output_embeddings())
    embedding, head = (next((name for name, one in modules.items() if one is end), "") for end in ends)
    transposed = {id(one.weight) for one in modules.values() if isinstance(one, Conv1D)}
    names: dict[int, list[str]] = {}
    found: dict[int, torch.nn.Parameter] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found[id(parameter)] = parameter
        names.setdefault(id(parameter), []).append(name)
    weights = []
    for key, parameter in found.items():
        first, *others = sorted(names[key], key=lambda name: not name.startswith(f"{embedding}."))
        weights.append(Weight(first, tuple(parameter.shape), key in transposed, tuple(others)))
    return WeightMap(tuple(weights), _heads(model.config.get_text_config()), embedding, head)


def _heads(config: Any) -> Heads | None:
    """None where the config does not say it in plain numbers, as where layers differ."""
    kind, queries = config.model_type, getattr(config, "num_attention_heads", None)
    keys = getattr(config, "num_key_value_heads", None) or queries
    fused: Fused | None = "blocks" if kind in _BLOCKS else "groups" if kind in _GROUPS else None
    if kind == "falcon":
        newer, one_key = config.new_decoder_architecture, config.multi_query
        keys = config.num_kv_heads if newer else 1 if one_key else queries
        fused = "blocks" if one_key and not newer else "groups"
    if kind == "gpt_bigcode" and config.multi_query:
        keys, fused = 1, "blocks"
    hidden = getattr(config, "hidden_size", None)
    if not (isinstance(queries, int) and isinstance(keys, int) and isinstance(hidden, int)) or queries % keys:
        return None
    width = getattr(config, "head_dim", None) or hidden // queries
    return Heads(queries, keys, width, fused) if isinstance(width, int) else None


def check_same(before: WeightMap, after: WeightMap, where: str) -> None:
    """Refuse two models that do not have the same tensors.

    Raises:
        NotComparableError: names the first that differs.
    """
    shapes = [{name: one.shape for one in each.weights for name in (one.name, *one.tied)} for each in (before, after)]
    fix = "The reference is the checkpoint that training started from: name it with --reference."
    for name in dict.fromkeys([*shapes[0], *shapes[1]]):
        one, other = shapes[0].get(name), shapes[1].get(name)
        if one == other:
            continue
        problem = f"{name} has shape {one} in one and {other} in the other"
        if one is None or other is None:
            problem = f"only one of them has a tensor {name}"
        elif name.rpartition(".")[0] in (before.embedding, before.head) and one[1:] == other[1:]:
            problem = f"the vocabulary was resized from {one[0]} to {other[0]} rows, and new rows began nowhere"
        raise NotComparableError(f"there is no straight line between their weights: {problem}", where=where, fix=fix)
    groups = [{one.name, *one.tied} for one in before.weights]
    for weight in after.weights:
        if not any({weight.name, *weight.tied} <= group for group in groups):
            raise NotComparableError(
                f"there is no straight line between their weights: {weight.name} and {', '.join(weight.tied)} "
                "are one tensor at the end and several at the beginning",
                where=where,
                fix=fix,
            )
