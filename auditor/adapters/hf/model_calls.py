"""One forward pass through transformers' public interface: logits at the last positions, or hidden states."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel


def input_device(model: PreTrainedModel) -> torch.device:
    """Where token ids go; with a device map, layers lie elsewhere and accelerate moves what it must."""
    device = torch.device(str(model.device))
    return torch.device("cpu") if device.type == "meta" else device


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise `torch.OutOfMemoryError` on a processor too, whose allocator is known by the words of its error only."""
    try:
        yield
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            raise torch.OutOfMemoryError(str(error)) from error
        raise


def last_logits(
    model: PreTrainedModel,
    ids: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor | Mapping[str, torch.Tensor],
    kept: int,
) -> torch.Tensor:
    """Logits at the last ``kept`` positions, shape (batch, kept, vocabulary).

    Args:
        ids: token ids, shape (batch, width).
        positions: position of each token in its own sequence, same shape.
        mask: of padding, same shape; or of what each token may look at, added to the attention's scores, shape
            (batch, 1, width, width), one for each kind of layer where they differ.
    """
    accepted = inspect.signature(model.forward).parameters
    arguments = _arguments(accepted, input_device(model), ids, positions, mask)
    if "output_router_logits" in accepted:
        # A training that balances its experts leaves this on, and the loss it is for takes no mask but one of padding.
        arguments["output_router_logits"] = False
    if "logits_to_keep" in accepted:
        # A number, not positions: a tensor would lie on the wrong card of a model spread over several.
        arguments["logits_to_keep"] = kept
    return torch.as_tensor(model(**arguments).logits[:, -kept:])


def hidden_states(
    model: PreTrainedModel,
    ids: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor | Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """What a model's decoder hands to its head, shape (batch, width, hidden); arguments as of `last_logits`."""
    decoder: Any = model.base_model
    accepted = inspect.signature(decoder.forward).parameters
    arguments = _arguments(accepted, input_device(model), ids, positions, mask)
    return torch.as_tensor(decoder(**arguments).last_hidden_state)


def _arguments(
    accepted: Collection[str],
    device: torch.device,
    ids: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor | Mapping[str, torch.Tensor],
) -> dict[str, Any]:
    """What a module is called with that takes arguments of these names."""
    placed = mask.to(device) if isinstance(mask, torch.Tensor) else {key: one.to(device) for key, one in mask.items()}
    arguments: dict[str, Any] = {"input_ids": ids.to(device), "attention_mask": placed, "use_cache": False}
    if "position_ids" in accepted:
        arguments["position_ids"] = positions.to(device)
    return arguments
