"""One forward pass of a model through transformers' public interface, logits at the last positions only."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
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
    device = input_device(model)
    placed = mask.to(device) if isinstance(mask, torch.Tensor) else {key: one.to(device) for key, one in mask.items()}
    arguments: dict[str, Any] = {"input_ids": ids.to(device), "attention_mask": placed, "use_cache": False}
    if "position_ids" in accepted:
        arguments["position_ids"] = positions.to(device)
    if "logits_to_keep" in accepted:
        # A number, not positions: a tensor would lie on the wrong card of a model spread over several.
        arguments["logits_to_keep"] = kept
    return torch.as_tensor(model(**arguments).logits[:, -kept:])
