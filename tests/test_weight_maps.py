"""Twin of auditor.adapters.hf.path.weight_maps: heads are where a model's own arithmetic says they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from engine_cases import model_of
from model_factory import VOCAB_SIZE, new_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from auditor.adapters.hf.path.weight_maps import check_same, weight_map
from auditor.adapters.hf.path.weight_units import Heads, TensorUnits, units_of
from auditor.errors import NotComparableError

_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
# In OLMo 2 a norm over all heads mixes them, so its heads cannot be told apart in this way.
KNOWN = ("llama", "gpt2", "gpt_neox", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "opt", "bloom", "mpt")
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "phi": ("phi", {**_SMALL, "intermediate_size": 64, "num_key_value_heads": 2}),
    "gptj": ("gptj", {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4}),
    "persimmon": ("persimmon", {**_SMALL, "intermediate_size": 64, "qk_layernorm": False}),
    "falcon, one key": ("falcon", {**_SMALL, "multi_query": True, "new_decoder_architecture": False}),
    "falcon, keys each": ("falcon", {**_SMALL, "multi_query": False, "new_decoder_architecture": False}),
    "falcon, groups": ("falcon", {**_SMALL, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "gpt_bigcode, one key": ("gpt_bigcode", {"n_embd": 32, "n_layer": 2, "n_head": 4, "multi_query": True}),
}


def model(variant: str) -> PreTrainedModel:
    if variant in KNOWN:
        return model_of(variant)
    architecture, settings = OTHERS[variant]
    config = AutoConfig.for_model(architecture, vocab_size=VOCAB_SIZE, initializer_range=0.2, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return AutoModelForCausalLM.from_config(config).eval()


def stretch(tensor: TensorUnits, values: torch.Tensor, at: int) -> torch.Tensor:
    """One unit's share of its tensor."""
    width = tensor.weight.shape[tensor.axis] // len(tensor.units)
    return values.narrow(tensor.axis, at * width, width)


@pytest.mark.parametrize("variant", [*KNOWN, *OTHERS])
def test_a_head_that_is_not_read_has_no_gradient_and_all_others_have_one(variant: str) -> None:
    whole = model(variant)
    heads = weight_map(whole).heads
    assert heads is not None
    layer = [one for one in units_of(weight_map(whole)) if one.axis is not None and one.units[0].layer == 1]
    by_kind = {unit.projection for one in layer for unit in one.units}
    assert by_kind == {"query", "key", "value", "output"}
    # All queries of one group of keys, the second where there are two.
    group = heads.keys - 1
    each = heads.queries // heads.keys
    silenced = range(group * each, (group + 1) * each)
    (output,) = (one for one in layer if one.units[0].projection == "output")
    parameters = dict(whole.named_parameters())
    kept = parameters[output.weight.name].detach().clone()
    with torch.no_grad():
        for head in silenced:
            stretch(output, parameters[output.weight.name], head).zero_()
    whole.requires_grad_(True)
    try:
        whole(input_ids=torch.arange(3, 20)[None]).logits[0, :, ::7].sin().sum().backward()
        for tensor in layer:
            gradient = parameters[tensor.weight.name].grad
            for at, unit in enumerate(tensor.units):
                group_of = unit.head if unit.shared or heads.keys == heads.queries else unit.head // each
                quiet = group_of == group and unit.projection != "output"
                largest = float(stretch(tensor, gradient, at).abs().max())
                # A constant added to all keys changes no attention without rotations: such a bias has no gradient.
                assert (largest == 0) == quiet or (unit.projection == "key" and gradient.dim() == 1), unit
    finally:
        whole.zero_grad()
        whole.requires_grad_(False)
        with torch.no_grad():
            parameters[output.weight.name].copy_(kept)


def test_each_tensor_once_under_the_embeddings_name() -> None:
    tied = weight_map(new_model("gpt2", 0))
    (embedding,) = (one for one in tied.weights if one.tied)
    assert (embedding.name, embedding.tied) == ("transformer.wte.weight", ("lm_head.weight",))
    assert (tied.embedding, tied.head) == ("transformer.wte", "lm_head")
    assert sum(one.name == "lm_head.weight" for one in tied.weights) == 0
    apart = weight_map(new_model("llama", 0))
    assert [one.name for one in apart.weights if one.tied] == []
    assert apart.weights[-1].name == "lm_head.weight"
    total = sum(torch.Size(one.shape).numel() for one in apart.weights)
    assert total == sum(one.numel() for one in new_model("llama", 0).parameters())


def test_what_goes_in_first() -> None:
    assert {one.name for one in weight_map(new_model("gpt2", 0)).weights if one.input_first and ".0." in one.name} == {
        f"transformer.h.0.{name}.weight" for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }
    assert not any(one.input_first for one in weight_map(new_model("llama", 0)).weights)


def test_heads_of_a_config() -> None:
    assert weight_map(new_model("llama", 0)).heads == Heads(4, 2, 8)
    assert weight_map(model_of("mamba")).heads is None


class TestSame:
    def test_itself(self) -> None:
        one = weight_map(new_model("llama", 0))
        check_same(one, one, "x")

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"vocab_size": 416}, "the vocabulary was resized from 400 to 416 rows"),
            ({"intermediate_size": 80}, r"mlp\.gate_proj\.weight has shape \(64, 32\) in one and \(80, 32\)"),
            ({"num_hidden_layers": 3}, r"only one of them has a tensor model\.layers\.2\."),
            ({"attention_bias": True}, r"only one of them has a tensor .*q_proj\.bias"),
        ],
    )
    def test_other_tensors(self, settings: dict[str, Any], problem: str) -> None:
        vocabulary = settings.pop("vocab_size", VOCAB_SIZE)
        both = (weight_map(new_model("llama", 0)), weight_map(new_model("llama", 0, vocabulary, **settings)))
        with pytest.raises(NotComparableError, match=problem) as caught:
            check_same(*both, "sft and dpo")
        assert caught.value.where == "sft and dpo"

    def test_ties_may_be_cut_and_not_made(self) -> None:
        apart, tied = (weight_map(new_model("llama", 0, tie_word_embeddings=one)) for one in (False, True))
        check_same(tied, apart, "x")
        with pytest.raises(NotComparableError, match="one tensor at the end and several at the beginning"):
            check_same(apart, tied, "x")
        again = tuple(replace(one, moves=False) for one in tied.weights)
        check_same(tied, replace(tied, weights=again), "x")
