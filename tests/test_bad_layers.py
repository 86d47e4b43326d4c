"""Twin of auditor.adapters.hf.bad_layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from model_factory import ARCHITECTURES, new_model
from transformers import PreTrainedModel

from auditor.adapters.hf.bad_layers import first_bad_layer

IDS = np.arange(3, 30)


def hooks(model: PreTrainedModel) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def poison(model: PreTrainedModel, name: str, value: float) -> None:
    """Put a value into one number of what a module returns."""

    def hook(_module: torch.nn.Module, _args: Any, output: Any) -> Any:
        tensor = output[0] if isinstance(output, tuple) else output
        bad = tensor.clone()
        bad[0, -1, 0] = value
        return (bad, *output[1:]) if isinstance(output, tuple) else bad

    model.get_submodule(name).register_forward_hook(hook)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_finite_model_has_none(arch: str) -> None:
    model = new_model(arch, 0).eval()
    assert first_bad_layer(model, IDS) is None
    assert hooks(model) == 0


def test_overflow_in_float16_is_found_where_it_happens() -> None:
    model = new_model("llama", 0).eval()
    with torch.no_grad():
        for name in ("gate_proj", "up_proj", "down_proj"):
            model.get_submodule(f"model.layers.1.mlp.{name}").weight.mul_(3000)
    assert first_bad_layer(model, IDS) is None
    found = first_bad_layer(model.half(), IDS)
    assert found is not None
    assert found.startswith("model.layers.1.mlp")
    # Innermost: the projection itself, or the mlp in which two finite factors overflow.
    with torch.no_grad():
        for name in ("gate_proj", "up_proj"):
            model.get_submodule(f"model.layers.1.mlp.{name}").weight.div_(3000)
        model.get_submodule("model.layers.1.mlp.down_proj").weight.fill_(60_000)
    assert first_bad_layer(model, IDS) == "model.layers.1.mlp.down_proj"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "name",
    ["model.embed_tokens", "model.layers.0.self_attn.o_proj", "model.layers.1.mlp.act_fn", "model.norm", "lm_head"],
)
def test_the_module_that_gave_it_is_named(name: str, value: float) -> None:
    model = new_model("llama", 0).eval()
    poison(model, name, value)
    before = hooks(model)
    assert first_bad_layer(model, IDS) == name
    assert hooks(model) == before == 1


class Masked(torch.nn.Module):
    """Attention scores by a module of its own, which is given a mask of 0 and -inf and gives NaN where told."""

    device = torch.device("cpu")

    def __init__(self, value: float) -> None:
        super().__init__()
        self.scores = Scores(value)

    def forward(self, input_ids: torch.Tensor, **_others: Any) -> torch.Tensor:
        n = input_ids.shape[1]
        mask = torch.full((1, 1, n, n), -torch.inf).triu(1)
        return self.scores(torch.ones(1, n, 4), mask)


class Scores(torch.nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (mask + self.value).softmax(dim=-1)[0] @ hidden


def test_minus_infinity_in_a_mask_is_no_bad_input() -> None:
    finite, bad = Masked(0.0), Masked(float("nan"))
    assert first_bad_layer(finite, IDS) is None  # type: ignore[arg-type]
    assert first_bad_layer(bad, IDS) == "scores"  # type: ignore[arg-type]


def test_what_overflows_between_modules_is_the_doing_of_the_one_around(monkeypatch: pytest.MonkeyPatch) -> None:
    model = new_model("llama", 0).eval()
    layer = model.get_submodule("model.layers.1")
    plain = layer.forward

    def residual_overflows(hidden: torch.Tensor, **others: Any) -> torch.Tensor:
        return plain(hidden, **others) * torch.finfo(hidden.dtype).max * 10

    monkeypatch.setattr(layer, "forward", residual_overflows)
    assert first_bad_layer(model, IDS) == "model.layers.1"
    monkeypatch.undo()
    whole: Callable[..., Any] = model.forward

    def logits_overflow(**arguments: Any) -> Any:
        found = whole(**arguments)
        found.logits = found.logits / 0
        return found

    monkeypatch.setattr(model, "forward", logits_overflow)
    assert first_bad_layer(model, IDS) == "LlamaForCausalLM"


def test_hooks_go_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = new_model("llama", 0).eval()

    def fails(*_arguments: Any, **_others: Any) -> None:
        raise RuntimeError("no kernel")

    monkeypatch.setattr(model.get_submodule("model.layers.1.mlp"), "forward", fails)
    with pytest.raises(RuntimeError, match="no kernel"):
        first_bad_layer(model, IDS)
    assert hooks(model) == 0
