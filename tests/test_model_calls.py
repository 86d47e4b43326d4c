"""Twin of auditor.adapters.hf.model_calls."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from engine_cases import model_of
from model_factory import make_reward_model
from transformers import MixtralConfig, MixtralForCausalLM

from auditor.adapters.hf.model_calls import hidden_states, input_device, last_logits, memory_errors

IDS = torch.tensor([[3, 4, 5, 6, 7]])


def ask(model: Any, kept: int) -> torch.Tensor:
    with torch.no_grad():
        return last_logits(model, IDS, torch.arange(5)[None], torch.ones_like(IDS), kept)


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_last_positions(kept: int) -> None:
    with torch.no_grad():
        expected = model_of("llama")(input_ids=IDS).logits[:, -kept:]
    torch.testing.assert_close(ask(model_of("llama"), kept), expected, rtol=0, atol=1e-5)


class Recording:
    """Notes what it is asked."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def __call__(self, **arguments: Any) -> SimpleNamespace:
        self.asked = arguments
        return SimpleNamespace(logits=torch.arange(5.0).reshape(1, 5, 1))

    def forward(self, input_ids: Any, attention_mask: Any, use_cache: bool) -> None:
        """A signature without positions."""


def test_only_what_the_model_takes_is_given() -> None:
    model = Recording()
    assert ask(model, 2).flatten().tolist() == [3.0, 4.0]
    assert set(model.asked) == {"input_ids", "attention_mask", "use_cache"}


def test_a_model_whose_experts_are_being_balanced_is_asked_for_logits_alone() -> None:
    """Training leaves the balancing loss on in the config, and it cannot be had of the masks of packed texts."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = MixtralConfig(**sizes, vocab_size=32, num_key_value_heads=2, num_local_experts=2)
    model = MixtralForCausalLM(config).eval()
    causal = torch.full((5, 5), torch.finfo(torch.float32).min).triu(1)[None, None]
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        config.output_router_logits = True
        found = last_logits(model, IDS, torch.arange(5)[None], causal, 5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_masks_by_kind_of_layer() -> None:
    model = Recording()
    masks = {"full_attention": torch.zeros(1), "sliding_attention": torch.ones(1)}
    last_logits(model, IDS, IDS, masks, 1)  # type: ignore[arg-type]
    assert model.asked["attention_mask"] == masks


def test_a_model_on_disk_takes_ids_on_the_cpu() -> None:
    assert input_device(SimpleNamespace(device="meta")) == torch.device("cpu")  # type: ignore[arg-type]
    assert input_device(SimpleNamespace(device="cuda:1")) == torch.device("cuda:1")  # type: ignore[arg-type]


class TestMemoryErrors:
    def test_an_allocation_that_fails(self) -> None:
        with pytest.raises(torch.OutOfMemoryError, match="DefaultCPUAllocator"), memory_errors():
            torch.empty(2**48)

    def test_any_other_error_is_left_as_it_is(self) -> None:
        with pytest.raises(RuntimeError, match="shape") as caught, memory_errors():
            torch.zeros(3).reshape(2)
        assert not isinstance(caught.value, torch.OutOfMemoryError)


def test_hidden_states_are_what_the_head_is_given(tmp_path: Path) -> None:
    model = make_reward_model(tmp_path)
    mask = torch.ones_like(IDS)
    with torch.no_grad():
        found = hidden_states(model, IDS, torch.arange(5)[None], mask)
        own = model(input_ids=IDS, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(found, own, rtol=0, atol=1e-5)


def test_a_decoder_without_positions_is_given_none() -> None:
    decoder: Any = Recording()
    decoder.base_model = decoder
    with pytest.raises(AttributeError, match="last_hidden_state"):
        hidden_states(decoder, IDS, IDS, torch.ones_like(IDS))
    assert set(decoder.asked) == {"input_ids", "attention_mask", "use_cache"}
