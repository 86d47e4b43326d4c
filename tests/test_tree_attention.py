"""Twin of auditor.adapters.hf.tree_attention: stretches against attention over the whole row."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from engine_cases import alike, assert_close, build, collect, model_of, plain_forwards, unlike
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from auditor.adapters.hf import tree_attention as module
from auditor.adapters.hf.packed import packed_logprobs
from auditor.adapters.hf.padded import padded_logprobs
from auditor.adapters.hf.tree_attention import NAME, tree_attention, with_stretches

NODES = 300


def row(groups: int = 1) -> dict[str, Any]:
    """Query, key, value and a mask in which each node looks at itself and a few before it."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(1, heads, NODES, 8, generator=generator) for heads in (4, 4 // groups, 4 // groups)
    )
    random = np.random.default_rng(0)
    allowed = np.tril(random.random((NODES, NODES)) < 0.02) | np.eye(NODES, dtype=bool)
    mask = torch.where(torch.from_numpy(allowed), 0.0, torch.finfo(torch.float32).min)[None, None]
    return {"query": query, "key": key, "value": value, "attention_mask": with_stretches(mask, allowed)}


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stretch", [1, 64, 128, 1000])
def test_equals_attention_over_the_whole_row(groups: int, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STRETCH", stretch)
    given = row(groups)
    layer: Any = SimpleNamespace(num_key_value_groups=groups, is_causal=True, training=False)
    expected = sdpa_attention_forward(layer, **given, scaling=0.3)[0]
    found = module._forward(layer, **given, scaling=0.3)[0]
    assert found.shape == (1, NODES, 4, 8)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_only_what_a_stretch_looks_at_is_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def watched(_: Any, query: torch.Tensor, key: torch.Tensor, *rest: Any, **options: Any) -> Any:
        sizes.append((query.shape[2], key.shape[2]))
        return sdpa_attention_forward(_, query, key, *rest, **options)

    monkeypatch.setattr(module, "sdpa_attention_forward", watched)
    model = build("llama")
    with tree_attention(model):
        collect(packed_logprobs(model, unlike(), np.arange(len(unlike()))), len(unlike()))
    nodes = sum(length - 1 for length in unlike().lengths)
    # Two layers; unlike texts share next to nothing, so that each stretch sees little more than itself.
    assert sum(rows for rows, _ in sizes) == 2 * nodes
    assert sum(rows * columns for rows, columns in sizes) < 0.75 * 2 * nodes**2


def test_a_mask_without_stretches_is_as_right() -> None:
    given = row()
    layer: Any = SimpleNamespace(is_causal=True, training=False)
    expected = module._forward(layer, **given)[0]
    found = module._forward(layer, **{**given, "attention_mask": given["attention_mask"].clone()})[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


class TestModels:
    def test_is_used_while_the_block_runs(self) -> None:
        model = build("llama")
        with tree_attention(model):
            assert model.config._attn_implementation == NAME
            # Padded batches too, with the mask of padding they always had.
            found = collect(padded_logprobs(model, unlike(), batch_size=4), len(unlike()))
            assert_close(found, plain_forwards(model_of("llama"), unlike()))
        assert model.config._attn_implementation == "sdpa"

    def test_is_put_back_after_an_error(self) -> None:
        model = build("llama")
        with pytest.raises(KeyboardInterrupt), tree_attention(model):
            raise KeyboardInterrupt
        assert model.config._attn_implementation == "sdpa"

    @pytest.mark.parametrize("variant", ["llama_eager", "gemma2_eager"])
    def test_other_attention_stays(self, variant: str) -> None:
        model = build(variant)
        with tree_attention(model):
            assert model.config._attn_implementation == "eager"
            found = collect(packed_logprobs(model, alike(), np.arange(len(alike()))), len(alike()))
        assert_close(found, plain_forwards(model_of(variant), alike()))
