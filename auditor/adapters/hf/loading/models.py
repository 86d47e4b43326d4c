"""Checkpoints into memory, one base model at a time; and their tokenizers."""

from __future__ import annotations

import gc
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from auditor.adapters.hf.devices import available_memory
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy
from auditor.adapters.hf.loading.hub import Progress
from auditor.adapters.hf.loading.model_loading import explained, load_base, quiet
from auditor.adapters.hf.loading.peft_adapters import attach, detach, merge
from auditor.adapters.hf.loading.weight_files import has_tokenizer
from auditor.errors import ModelLoadError


def load_tokenizer(files: CheckpointFiles, policy: LoadPolicy) -> PreTrainedTokenizerBase:
    """Load a checkpoint's tokenizer: its adapter's if that has one, else its base's.

    Raises:
        ModelLoadError: there is none, it can't be read, or it gives no character offsets.
    """
    folder = files.tokenizer
    if not has_tokenizer(folder):
        raise ModelLoadError(
            "the folder holds no tokenizer",
            where=str(folder),
            fix="Copy tokenizer.json and tokenizer_config.json there from the model it was trained from.",
        )
    with explained(f"tokenizer of {folder}"), quiet():
        tokenizer: Any = AutoTokenizer.from_pretrained(
            str(folder),
            local_files_only=policy.offline or not policy.trust_remote_code,
            trust_remote_code=policy.trust_remote_code,
        )
    if not (isinstance(tokenizer, PreTrainedTokenizerBase) and tokenizer.is_fast):
        raise ModelLoadError(
            f"the tokenizer ({type(tokenizer).__name__}) is not a fast one and gives no character offsets",
            where=str(folder),
            fix="Convert it to tokenizer.json (transformers' PreTrainedTokenizerFast) and save it there.",
        )
    return tokenizer


@dataclass(slots=True)
class _Held:
    model: PreTrainedModel
    folder: Path
    outputs: int
    notes: tuple[str, ...]


class ModelShelf:
    """Room for one base model; checkpoints on the same base share it, with their adapters on or off.

    Taking a checkpoint on another base empties the model before it of its weights, even where the
    caller still holds it: two models are never in memory together.

    Args:
        policy: how to load.
        progress: called with the tensors loaded so far.

    Attributes:
        loads: how many times a base was loaded.
    """

    def __init__(self, policy: LoadPolicy, progress: Progress | None = None) -> None:
        self._policy = policy
        self._progress = progress
        self._held: _Held | None = None
        self._offload = Path(tempfile.mkdtemp(prefix="auditor-offload-"))
        weakref.finalize(self, shutil.rmtree, self._offload, ignore_errors=True)
        self.loads = 0

    @property
    def policy(self) -> LoadPolicy:
        """How it loads."""
        return self._policy

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks about the base that is loaded, for the report."""
        return self._held.notes if self._held else ()

    @contextmanager
    def take(self, files: CheckpointFiles) -> Iterator[PreTrainedModel]:
        """Give a checkpoint's model, in eval mode and without gradients, until the block ends.

        Raises:
            ModelLoadError: see `load_base` and `attach`.
            StorageError: the disk is full.
        """
        model = self._base(files)
        if files.adapter is None:
            yield model
            return
        try:
            attached = attach(model, files)
        except BaseException:
            # Where it stopped is unknown, so the base may be half changed.
            self.clear()
            raise
        try:
            yield model
        finally:
            if not detach(model, attached):
                self.clear()

    @contextmanager
    def take_whole(self, files: CheckpointFiles) -> Iterator[PreTrainedModel]:
        """Give a checkpoint's model with its adapter merged in, to be changed at will; the shelf is empty afterwards.

        Raises:
            ModelLoadError: see `load_base` and `merge`.
            StorageError: the disk is full.
        """
        try:
            model = self._base(files)
            yield model if files.adapter is None else merge(model, files)
        finally:
            self.clear()

    @contextmanager
    def in_float32(self, files: CheckpointFiles) -> Iterator[ModelShelf]:
        """Give a shelf of float32 models until the block ends; this one is emptied first, that one afterwards.

        Args:
            files: of the checkpoint that is to be loaded there.

        Raises:
            ModelLoadError: it would not fit in main memory, where the system kills rather than refuses.
        """
        self.clear()
        parameters, free = files.n_parameters, available_memory()
        in_memory = self._policy.device == "cpu" and self._policy.device_map is None
        if in_memory and parameters is not None and free is not None and 4 * parameters > free:
            raise ModelLoadError(
                f"the model takes {4 * parameters / 2**30:.1f} GiB in float32 and {free / 2**30:.1f} GiB are free",
                where=str(files.base),
            )
        shelf = ModelShelf(replace(self._policy, dtype="float32"), self._progress)
        try:
            yield shelf
        finally:
            shelf.clear()

    def clear(self) -> None:
        """Empty the shelf and free the memory."""
        if self._held is None:
            return
        _release(self._held.model)
        self._held = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        for left in self._offload.iterdir():
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()

    def _base(self, files: CheckpointFiles) -> PreTrainedModel:
        outputs = len(files.heads)
        if self._held is None or (self._held.folder, self._held.outputs) != (files.base, outputs):
            self.clear()
            model, notes = load_base(files, self._policy, self._offload, self._progress)
            self._held = _Held(model, files.base, outputs, notes)
            self.loads += 1
        return self._held.model


def _release(model: torch.nn.Module) -> None:
    """Drop the weights themselves: a caller's ``with ... as model`` name outlives its block."""
    for tensor in (*model.parameters(), *model.buffers()):
        # Quantised tensors are classes of their own and don't let their data be swapped.
        if type(tensor) in (torch.nn.Parameter, torch.Tensor) and not tensor.is_meta:
            tensor.data = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
