"""Which part of a model gives the first number that is none, once its log-probabilities show that one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from auditor.adapters.hf.model_calls import input_device

_CHECKED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# Shape (batch, heads, query, key): what is added to attention scores, where -inf says "not this position".
_MASK_DIMENSIONS = 4


def first_bad_layer(model: PreTrainedModel, ids: NDArray[np.integer]) -> str | None:
    """Run one sequence plainly and name the first module whose output holds NaN or infinity while its inputs do not.

    Modules count in the order in which they finish, the innermost first. What overflows between modules, such as a
    residual sum, is the doing of the module around it; of all of them together, of the model, by its class.

    Args:
        ids: the sequence, shape (n,).

    Returns:
        Its dotted name, such as ``model.layers.1.mlp.down_proj``; None if every output is finite.
    """
    found: list[str] = []
    with ExitStack() as hooks, torch.inference_mode():
        for name, module in model.named_modules():
            hook = _watch(name or type(model).__name__, found)
            hooks.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        row = torch.from_numpy(ids).long()[None].to(input_device(model))
        model(input_ids=row, attention_mask=torch.ones_like(row), use_cache=False)
    return found[0] if found else None


def _watch(name: str, found: list[str]) -> Callable[..., None]:
    def hook(_module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not found and _is_bad(output) and not _is_bad((args, kwargs)):
            found.append(name)

    return hook


def _is_bad(value: Any) -> bool:
    return any(map(_holds_bad, _tensors(value)))


def _holds_bad(tensor: torch.Tensor) -> bool:
    if tensor.dtype not in _CHECKED or tensor.is_meta:
        return False
    if tensor.dim() == _MASK_DIMENSIONS:
        return bool((torch.isnan(tensor) | torch.isposinf(tensor)).any())
    return not bool(torch.isfinite(tensor).all())


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """All tensors of a module's arguments or of what it returns."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
