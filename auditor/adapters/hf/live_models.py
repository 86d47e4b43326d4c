"""A model that somebody else holds and goes on training: scored where it is, and left as it was to the last bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel, PeftType
from transformers import PreTrainedModel

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, Dtype, LoadPolicy
from auditor.adapters.hf.loading.model_configs import (
    check_changes_weights,
    check_predicts_next,
    context_window,
    packing_obstacle,
)
from auditor.adapters.hf.loading.model_loading import quiet
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.loading.reward_configs import check_reads_tokens, is_reward_model, output_names, own_pad
from auditor.adapters.hf.loading.weight_files import WeightFiles
from auditor.errors import ModelLoadError

# The adapter in which TRL's DPOTrainer keeps the one that training began with.
_REFERENCE = "ref"
# In the place of a checkpoint's folder, for messages.
_TRAINING = Path("training")
_FORMATS: dict[torch.dtype, Dtype] = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}


class LiveModel:
    """A causal language model or a reward model in training, perhaps with an adapter.

    Args:
        model: as a trainer holds it, not wrapped for several processes.

    Raises:
        ModelLoadError: it gives neither log-probabilities of tokens nor a reward at a text's last token, or its adapter
            does more than change weights.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._outer = model
        inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        self._heads = _outputs(inner)
        for one in model.peft_config.values() if isinstance(model, PeftModel) else ():
            check_changes_weights(_TRAINING, {**one.to_dict(), "peft_type": PeftType(one.peft_type).value})
        self._inner: PreTrainedModel = inner

    @property
    def has_adapter(self) -> bool:
        """Whether what is trained is an adapter."""
        return isinstance(self._outer, PeftModel)

    @property
    def keeps_beginning(self) -> bool:
        """Whether the model that training began with is under the adapter for certain, also when it is resumed.

        A reward model's first head may have been random, and then no file holds it.
        """
        return self.has_adapter and not self._heads

    @property
    def dtype(self) -> Dtype:
        """Number format of the weights.

        Raises:
            ModelLoadError: it is none that a model is scored in.
        """
        try:
            return _FORMATS[self._inner.dtype]
        except KeyError as error:
            raise ModelLoadError(
                f"the weights are kept as {self._inner.dtype}", where="training", fix="Train in float32 or bfloat16."
            ) from error

    @property
    def policy(self) -> LoadPolicy:
        """How it would have been loaded."""
        return LoadPolicy(device=str(self._inner.device), dtype=self.dtype)

    def describe(self, name: str, source: str, *, trained: bool) -> CheckpointFiles:
        """The model as one checkpoint of a series; there are no files.

        Args:
            source: where it comes from, for people to read.
            trained: with its adapter, if it has one; else the model that training began with.
        """
        config = self._inner.config
        values = _config_of(self._inner)
        shapes = {name: tuple(one.shape) for name, one in self._outer.named_parameters()}
        n_bytes = sum(one.numel() * one.element_size() for one in self._outer.parameters())
        return CheckpointFiles(
            name=name,
            source=source,
            base=Path(source),
            adapter=Path(source) if trained and self.has_adapter else None,
            base_commit=getattr(config, "_commit_hash", None),
            adapter_commit=None,
            weights=WeightFiles((), n_bytes, shapes=shapes),
            adapter_weights=None,
            model_type=str(config.model_type),
            context_window=context_window(values),
            dtype=self.dtype,
            quantization=values.get("quantization_config"),
            tags=(),
            packing_obstacle=packing_obstacle(values),
            heads=self._heads,
            head=self._heads[0] if len(self._heads) == 1 else None,
            pad_id=own_pad(values) if self._heads else None,
        )

    @contextmanager
    def borrowed(self, *, trained: bool) -> Iterator[PreTrainedModel]:
        """Give the model, without dropout, in its own number format and not compiled, until the block ends.

        Args:
            trained: with its adapter, if it has one; else with the one training began with, if that is kept, or none.
        """
        with left_as_it_was(self._outer), _own_attention(self._inner), ExitStack() as stack:
            self._outer.train(False)
            stack.enter_context(torch.autocast(self._inner.device.type, enabled=False))
            # Texts of many lengths would be compiled for, until the compiler gives up on the training too.
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            plain = vars(self._outer).get("_original_forward")
            if plain is not None:
                # What accelerate puts around it computes in half precision, whatever the weights are kept in.
                vars(self._outer)["forward"] = plain
            if isinstance(self._outer, PeftModel) and not trained:
                if _REFERENCE in self._outer.peft_config:
                    self._outer.set_adapter(_REFERENCE)
                else:
                    stack.enter_context(self._outer.disable_adapter())
            yield self._inner


class LiveShelf(ModelShelf):
    """A shelf of one model, neither loaded nor copied; without its adapter it is the one that training began with."""

    def __init__(self, live: LiveModel) -> None:
        super().__init__(live.policy)
        self._live = live

    @contextmanager
    def take(self, files: CheckpointFiles) -> Iterator[PreTrainedModel]:
        """Give the model until the block ends, and leave it as it was."""
        with self._live.borrowed(trained=files.adapter is not None) as model:
            yield model


def _config_of(model: Any) -> dict[str, Any]:
    """Its config, which names the class it is and not what it was read from; empty where it has none."""
    values = model.config.to_dict() if isinstance(model, PreTrainedModel) else {}
    return {**values, "architectures": [type(model).__name__]}


def _outputs(model: Any) -> tuple[str, ...]:
    """Names of a reward model's outputs, none of a causal language model."""
    values = _config_of(model)
    if is_reward_model(values):
        check_reads_tokens(values, _TRAINING)
        return output_names(values, _TRAINING)
    head = getattr(model, "get_output_embeddings", None)
    if head is None or head() is None:
        raise ModelLoadError(
            f"the model in training ({type(model).__name__}) gives no probabilities of tokens",
            where=str(_TRAINING),
            fix="Causal language models and reward models are audited in training; leave the callback out of others'.",
        )
    if isinstance(model, PreTrainedModel):
        check_predicts_next(_TRAINING, values)
    return ()


@contextmanager
def _own_attention(model: PreTrainedModel) -> Iterator[None]:
    """Attend as a model that is loaded for an audit does: kernels for training take no masks, or no float32."""
    before = getattr(model.config, "_attn_implementation", None)
    if before in (None, "sdpa", "eager"):
        yield
        return
    with quiet():
        model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        with quiet():
            model.set_attn_implementation(before)


@contextmanager
def left_as_it_was(model: torch.nn.Module) -> Iterator[None]:
    """Put back every attribute and buffer of every module, and which parameters are trained, after the block."""
    modules = [(one, dict(vars(one)), dict(one._buffers)) for one in model.modules()]
    trained = [(one, one.requires_grad) for one in model.parameters()]
    try:
        yield
    finally:
        for one, attributes, buffers in modules:
            vars(one).clear()
            vars(one).update(attributes)
            one._buffers.clear()
            one._buffers.update(buffers)
        for parameter, requires_grad in trained:
            parameter.requires_grad_(requires_grad)


@contextmanager
def generators_as_they_were() -> Iterator[None]:
    """Put back the state of every global random generator, of Python, numpy and torch, after the block."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - training draws from the global generator
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
