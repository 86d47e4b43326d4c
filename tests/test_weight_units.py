"""Twin of auditor.adapters.hf.path.weight_units: names and shapes; test_weight_maps holds heads against models."""

from __future__ import annotations

import json

import numpy as np
import pytest

from auditor.adapters.hf.path.weight_units import Heads, Weight, WeightMap, WeightUnit, summed, units_of

GROUPED = Heads(queries=4, keys=2, width=8)


def placed(*weights: Weight, heads: Heads | None = GROUPED) -> WeightMap:
    return WeightMap(weights, heads, "model.embed_tokens", "lm_head")


def unit(name: str, shape: tuple[int, ...] = (32, 32)) -> WeightUnit:
    (tensor,) = units_of(placed(Weight(name, shape), heads=None))
    (found,) = tensor.units
    return found


@pytest.mark.parametrize(
    ("name", "layer", "module"),
    [
        ("model.embed_tokens.weight", "embedding", "embedding"),
        ("transformer.wte.weight", "embedding", "embedding"),
        ("transformer.wpe.weight", "embedding", "embedding"),
        ("model.decoder.embed_positions.weight", "embedding", "embedding"),
        ("transformer.word_embeddings_layernorm.bias", "embedding", "embedding"),
        ("lm_head.weight", "head", "head"),
        ("lm_head.bias", "head", "head"),
        ("model.norm.weight", "final norm", "final norm"),
        ("transformer.ln_f.bias", "final norm", "final norm"),
        ("gpt_neox.final_layer_norm.weight", "final norm", "final norm"),
        ("model.decoder.project_in.weight", "model.decoder.project_in", "model.decoder.project_in"),
        ("scale", "scale", "scale"),
        ("model.layers.0.self_attn.q_proj.weight", "layer 0", "layer 0 attention"),
        ("model.layers.13.self_attn.q_norm.weight", "layer 13", "layer 13 attention"),
        ("model.layers.13.post_attention_layernorm.weight", "layer 13", "layer 13 norm"),
        ("transformer.h.2.attn.c_proj.bias", "layer 2", "layer 2 attention"),
        ("transformer.h.2.ln_1.weight", "layer 2", "layer 2 norm"),
        ("transformer.h.2.ln_attn.weight", "layer 2", "layer 2 norm"),
        ("gpt_neox.layers.5.attention.dense.weight", "layer 5", "layer 5 attention"),
        ("gpt_neox.layers.5.mlp.dense_h_to_4h.weight", "layer 5", "layer 5 mlp"),
        ("model.decoder.layers.1.self_attn_layer_norm.bias", "layer 1", "layer 1 norm"),
        ("model.decoder.layers.1.fc1.weight", "layer 1", "layer 1 mlp"),
        ("transformer.blocks.3.ffn.up_proj.weight", "layer 3", "layer 3 mlp"),
        ("transformer.blocks.3.norm_attn_norm.attn.Wqkv.weight", "layer 3", "layer 3 attention"),
        ("model.layers.7.block_sparse_moe.experts.3.w1.weight", "layer 7", "layer 7 mlp"),
        ("backbone.layers.4.mixer.in_proj.weight", "layer 4", "layer 4 mixer"),
        ("model.layers.4.gain", "layer 4", "layer 4 gain"),
    ],
)
def test_layers_and_modules_by_name(name: str, layer: str, module: str) -> None:
    assert (unit(name).name("layer"), unit(name).name("module")) == (layer, module)


def test_embeddings_of_a_name_like_no_other() -> None:
    weights = WeightMap((Weight("gpt_neox.embed_in.weight", (9, 4)), Weight("embed_out.weight", (9, 4))), None,
                        "gpt_neox.embed_in", "embed_out")  # fmt: skip
    assert [one.units[0].name("layer") for one in units_of(weights)] == ["embedding", "head"]


def test_a_tied_tensor_says_so() -> None:
    weights = placed(Weight("model.embed_tokens.weight", (9, 4), tied=("lm_head.weight",)))
    ((found,),) = (one.units for one in units_of(weights))
    assert found.name("tensor") == "model.embed_tokens.weight (tied: lm_head.weight)"
    assert found.name("layer") == "embedding"


class TestHeads:
    ATTENTION = "model.layers.1.self_attn"

    def split(self, name: str, shape: tuple[int, ...], heads: Heads = GROUPED, **more: bool) -> list[str]:
        (tensor,) = units_of(placed(Weight(f"{self.ATTENTION}.{name}", shape, **more), heads=heads))
        for one in tensor.units:
            assert one.tensor == tensor.weight.name
        self.axis, self.output = tensor.axis, tensor.output
        return [f"{one.projection} {one.name('head').removeprefix('layer 1 ')}" for one in tensor.units]

    def test_queries_and_what_they_share(self) -> None:
        assert self.split("q_proj.weight", (32, 40)) == [f"query head {at}" for at in range(4)]
        assert (self.axis, self.output) == (0, True)
        assert self.split("k_proj.weight", (16, 40)) == ["key kv head 0", "key kv head 1"]
        assert self.split("v_proj.bias", (16,)) == ["value kv head 0", "value kv head 1"]
        assert self.axis == 0

    def test_keys_of_their_own_are_their_heads(self) -> None:
        assert self.split("k_proj.weight", (32, 40), Heads(4, 4, 8)) == [f"key head {at}" for at in range(4)]

    def test_outputs_lie_along_the_input(self) -> None:
        for name in ("o_proj", "out_proj", "dense"):
            assert self.split(f"{name}.weight", (40, 32)) == [f"output head {at}" for at in range(4)]
            assert (self.axis, self.output) == (1, False)
        assert self.split("o_proj.bias", (32,)) == ["None attention, not by head"]

    def test_input_first(self) -> None:
        heads = Heads(2, 2, 8, "blocks")
        named = [f"{kind} head {at}" for kind in ("query", "key", "value") for at in range(2)]
        assert self.split("c_attn.weight", (16, 48), heads, input_first=True) == named
        assert (self.axis, self.output) == (1, True)
        assert self.split("c_attn.bias", (48,), heads) == named
        assert self.axis == 0
        assert self.split("c_proj.weight", (16, 16), heads, input_first=True) == ["output head 0", "output head 1"]
        assert (self.axis, self.output) == (0, False)

    def test_groups(self) -> None:
        heads = Heads(4, 2, 8, "groups")
        assert self.split("query_key_value.weight", (64, 40), heads) == [
            "query head 0", "query head 1", "key kv head 0", "value kv head 0",
            "query head 2", "query head 3", "key kv head 1", "value kv head 1",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("q_proj.weight", (64, 40)),  # a gate beside the queries
            ("q_norm.weight", (8,)),
            ("qkv_proj.weight", (64, 40)),  # nobody said how it is laid out
            ("kv_a_proj_with_mqa.weight", (32, 40)),
            ("q_proj.weight", (2, 32, 40)),
        ],
    )
    def test_what_is_not_known_stays_whole(self, name: str, shape: tuple[int, ...]) -> None:
        assert self.split(name, shape) == ["None attention, not by head"]
        assert self.axis is None

    def test_the_same_names_elsewhere_stay_whole(self) -> None:
        (tensor,) = units_of(placed(Weight("transformer.h.1.mlp.c_proj.weight", (32, 40))))
        assert [one.name("head") for one in tensor.units] == ["layer 1 mlp"]


class TestSummed:
    WEIGHTS = placed(
        Weight("model.embed_tokens.weight", (9, 40)),
        Weight("model.layers.0.self_attn.q_proj.weight", (32, 40)),
        Weight("model.layers.0.self_attn.k_proj.weight", (16, 40)),
        Weight("model.layers.0.self_attn.o_proj.weight", (40, 32)),
        Weight("model.layers.0.self_attn.o_proj.bias", (40,)),
        Weight("model.layers.0.mlp.up_proj.weight", (80, 40)),
        Weight("model.norm.weight", (40,)),
    )
    UNITS = tuple(unit for tensor in units_of(WEIGHTS) for unit in tensor.units)
    VALUES = 2.0 ** np.arange(len(UNITS))[None]

    def at(self, level: str) -> dict[str, float]:
        names, values = summed(self.UNITS, self.VALUES, level)
        assert values.shape == (1, len(names))
        assert values.sum() == self.VALUES.sum()
        return dict(zip(names, values[0].tolist(), strict=True))

    def test_heads(self) -> None:
        # embedding, 4 queries, 2 keys, 4 outputs, bias, mlp, norm
        assert self.at("head") == {
            "embedding": 1,
            **{f"layer 0 head {at}": 2 ** (1 + at) + 2 ** (7 + at) for at in range(4)},
            "layer 0 kv head 0": 2**5,
            "layer 0 kv head 1": 2**6,
            "layer 0 attention, not by head": 2**11,
            "layer 0 mlp": 2**12,
            "final norm": 2**13,
        }

    def test_tensors_modules_layers(self) -> None:
        assert list(self.at("tensor")) == [one.name for one in self.WEIGHTS.weights]
        assert self.at("tensor")["model.layers.0.self_attn.o_proj.weight"] == sum(2**at for at in range(7, 11))
        assert self.at("module")["layer 0 attention"] == sum(2**at for at in range(1, 12))
        assert list(self.at("layer")) == ["embedding", "layer 0", "final norm"]


def test_through_json() -> None:
    one = placed(
        Weight("a.0.b", (3, 4), input_first=True, tied=("c", "d"), moves=False), heads=Heads(4, 2, 8, "groups")
    )
    assert WeightMap.from_json(json.loads(json.dumps(one.to_json()))) == one
    none = placed(heads=None)
    assert WeightMap.from_json(json.loads(json.dumps(none.to_json()))) == none
