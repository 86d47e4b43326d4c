"""Where tensors lie that are no longer a model's: in memory, or in files the system reads as they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from auditor.adapters.hf.devices import available_memory
from auditor.errors import StorageError


class Place:
    """Where tensors lie that are no longer a model's: in memory, or in files of a folder, which go with their use."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def put_weight(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same numbers, in their place; in memory as bfloat16 where that is what they were saved in.

        Raises:
            StorageError: the disk is full or fails.
        """
        if self._folder is not None:
            return self.put(tensor)
        held = tensor.detach()
        # While the next model is loaded, its file's numbers are in memory beside its own.
        short = held.to(torch.bfloat16)
        return short if torch.equal(short.to(held.dtype), held) else held

    def put(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same numbers, in their place.

        Raises:
            StorageError: the disk is full or fails.
        """
        held = tensor.detach()
        if self._folder is None:
            return held
        path = self._folder / "tensor"
        numbers = held.cpu().contiguous().numpy().reshape(-1)
        try:
            # Written, not mapped: a full disk then is an error, where a page that can't be had would end the process.
            path.write_bytes(numbers.data)
            # Private pages, so that torch finds them writable; nobody writes.
            mapped = np.memmap(path, np.float32, "c", shape=tuple(held.shape) or (1,))
            path.unlink()
        except OSError as error:
            raise StorageError(
                f"what training changed does not fit into memory, and not into this folder ({error.strerror})",
                where=str(self._folder),
                fix="Set TMPDIR to a disk with room for twice the model in float32.",
            ) from error
        return torch.from_numpy(mapped).view(held.shape)


def needs_files(model: PreTrainedModel) -> bool:
    """Whether a second copy of a model's weights, and the gradient of its largest tensor, would not fit beside it."""
    sizes = [one.numel() * one.element_size() for one in model.parameters()]
    device = model.device
    free = available_memory()
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    # As much again as the largest gradient is left to what a pass keeps for its way back.
    return free is not None and sum(sizes) + 2 * max(sizes) > free
