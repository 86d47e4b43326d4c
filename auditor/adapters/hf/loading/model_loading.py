"""One whole model from its local folder: silent, complete, finite, or a clear error."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.modeling import align_module_device
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel
from transformers.utils import logging as transformers_logging

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy
from auditor.adapters.hf.loading.hub import Progress
from auditor.errors import AuditError, ModelLoadError, StorageError

_LOGGERS = ("transformers", "peft", "accelerate", "huggingface_hub", "torchao", "bitsandbytes")
_CHECKED = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
# What transformers needs to read each quantisation, by quant_method; others go by their own name.
_QUANTIZERS: Mapping[str, str] = {
    "awq": "gptqmodel",
    "bitnet": "accelerate",
    "gptq": "gptqmodel",
    "quanto": "optimum-quanto",
    "quark": "amd-quark",
    "fbgemm_fp8": "fbgemm-gpu",
    "spqr": "spqr_quant",
}
# Of every tensor's name in an adapter's file.
ADAPTER_PREFIX = "base_model.model."
# What a decoder of transformers calls the head that scores a whole text.
_CLASSIFIER_HEADS = frozenset({"score.weight", "score.bias"})
_UNKNOWN_ARCHITECTURE = ("does not recognize this architecture", "Unrecognized")


def load_base(
    files: CheckpointFiles, policy: LoadPolicy, offload: Path, progress: Progress | None = None
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """Load the whole model of a checkpoint, its adapter left aside, in eval mode and without gradients.

    Args:
        offload: folder for weights that ``device_map`` puts on disk.
        progress: called with the tensors loaded so far.

    Returns:
        The model, and remarks for the report.

    Raises:
        ModelLoadError: it does not fit in memory, its architecture is unknown, a library is missing,
            tensors are missing, of another shape, or hold NaN or infinity.
        StorageError: the disk is full.
    """
    kind: Any = AutoModelForSequenceClassification if files.heads else AutoModelForCausalLM
    # A language model under a reward model's adapter says nothing of how many outputs that has.
    settings = {"num_labels": len(files.heads)} if files.heads else {}
    device_map: Any = policy.device_map or (None if policy.device == "cpu" else {"": policy.device})
    with explained(str(files.base), files.quantization), quiet(progress, f"loading {files.name}"):
        loaded: Any = kind.from_pretrained(
            str(files.base),
            dtype=getattr(torch, policy.dtype),
            device_map=device_map,
            max_memory=dict(policy.max_memory) if policy.max_memory else None,
            offload_folder=str(offload),
            # The folder is complete; only code of another repository may have to be fetched.
            local_files_only=policy.offline or not policy.trust_remote_code,
            trust_remote_code=policy.trust_remote_code,
            use_safetensors=not files.weights.pickled,
            # So that every mismatch is named here, not the first few in a table of transformers'.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **settings,
        )
    model, info = loaded
    _check_complete(info, str(files.base), _brought(files))
    _check_no_classifier(info, str(files.base))
    check_finite(model, str(files.base))
    model.requires_grad_(False)
    return model.eval(), _notes(model, info, quantized=files.quantization is not None)


def check_finite(model: torch.nn.Module, where: str) -> None:
    """Refuse NaN and infinity in any parameter, those offloaded to disk included.

    Raises:
        ModelLoadError: names the first bad tensor.
    """
    for prefix, module in model.named_modules():
        with align_module_device(module):
            for name, parameter in module.named_parameters(recurse=False):
                # Quantised tensors are classes of their own, without the operations of a float.
                plain = type(parameter) in (torch.nn.Parameter, torch.Tensor) and parameter.dtype in _CHECKED
                if not plain or not parameter.numel() or parameter.is_meta:
                    continue
                # aminmax passes NaN on and, unlike isfinite, needs no memory of the tensor's size.
                bounds = torch.stack(torch.aminmax(parameter.detach()))
                if not bool(torch.isfinite(bounds).all()):
                    raise ModelLoadError(
                        f"the tensor {f'{prefix}.{name}'.lstrip('.')!r} holds NaN or infinity",
                        where=where,
                        fix="The training run diverged or the file is damaged; with --dtype float16 try bfloat16.",
                    )


def _brought(files: CheckpointFiles) -> frozenset[str]:
    """What a reward model's adapter brings of it whole: its head, on the base of a language model."""
    names = files.adapter_weights.shapes if files.heads and files.adapter_weights else ()
    return frozenset(name.removeprefix(ADAPTER_PREFIX).replace(".modules_to_save.", ".") for name in names)


def _check_complete(info: Mapping[str, Any], where: str, brought: frozenset[str]) -> None:
    mismatched = sorted(info["mismatched_keys"])
    if mismatched:
        name, saved, expected = mismatched[0]
        raise ModelLoadError(
            f"{len(mismatched)} tensors have another shape than config.json says, the first is {name!r}: "
            f"{tuple(saved)} in the file, {tuple(expected)} by the config",
            where=where,
            fix="Weights and config.json belong to different models; put the right config.json there.",
        )
    missing = sorted(set(info["missing_keys"]) - brought)
    if missing:
        raise ModelLoadError(
            f"{len(missing)} tensors are not in the weight files and would be random: {_some(missing)}",
            where=where,
            fix="Save the whole model again, or put the config.json there that belongs to these weights.",
        )
    adapters = sorted(key for key in info["unexpected_keys"] if ".lora_" in key)
    if adapters:
        raise ModelLoadError(
            f"the weight files hold adapter tensors that a whole model does not use: {_some(adapters)}",
            where=where,
            fix="Save the adapter with peft's save_pretrained, or merge it with merge_and_unload.",
        )


def _check_no_classifier(info: Mapping[str, Any], where: str) -> None:
    """With tied embeddings a reward model whose config.json hides what it is would pass for a language model."""
    heads = sorted(set(info["unexpected_keys"]) & _CLASSIFIER_HEADS)
    if heads:
        raise ModelLoadError(
            f"the weight files hold the head of a classifier ({_some(heads)}), and config.json does not say that the "
            "model is one",
            where=where,
            fix='Name it under "architectures" in config.json, such as ["LlamaForSequenceClassification"].',
        )


def _notes(model: PreTrainedModel, info: Mapping[str, Any], *, quantized: bool) -> tuple[str, ...]:
    notes = []
    unused = sorted(info["unexpected_keys"])
    if unused:
        notes.append(
            f"{len(unused)} tensors of the weight files are not used by {type(model).__name__}: " + _some(unused)
        )
    if quantized and not getattr(model, "is_quantized", False):
        notes.append(f"the quantised weights were unpacked, {model.dtype} is scored")
    return tuple(notes)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


@contextmanager
def quiet(progress: Progress | None = None, label: str = "loading") -> Iterator[None]:
    """Keep transformers, peft and accelerate from printing; pass loading progress on instead."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    before = transformers_logging.set_tqdm_hook(lambda _, args, kwargs: _Counted(args, kwargs, label, progress))
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_tqdm_hook(before)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Counted:
    """Stands where transformers would draw a progress bar."""

    def __init__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], label: str, progress: Progress | None) -> None:
        self._items = args[0] if args else kwargs.get("iterable", ())
        self._label, self._progress = label, progress

    def __iter__(self) -> Iterator[Any]:
        total = len(self._items) if hasattr(self._items, "__len__") else 0
        for position, item in enumerate(self._items, start=1):
            yield item
            if self._progress is not None:
                self._progress(self._label, position, total)

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __getattr__(self, _: str) -> Any:
        return lambda *_args, **_kwargs: None


@contextmanager
def explained(where: str, quantization: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turn whatever a library raises while loading into an error that says what to do."""
    try:
        yield
    except AuditError:
        raise
    except Exception as error:  # a broken checkpoint can raise anything, in any layer of four libraries
        raise _explain(error, where, quantization or {}) from error


def _explain(error: Exception, where: str, quantization: Mapping[str, Any]) -> AuditError:
    text = str(error).strip()
    detail = f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("the disk is full", where=where, fix="Free some space, or set TMPDIR to a larger disk.")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in text:
        return ModelLoadError(
            "the model does not fit in memory",
            where=where,
            fix="Try --dtype bfloat16, or --device-map auto to spread it over cards, memory and disk.",
        )
    method = str(quantization.get("quant_method", ""))
    if method and isinstance(error, ImportError):
        package = _QUANTIZERS.get(method, method.replace("_", "-"))
        return ModelLoadError(
            f"the weights are quantised ({method}) and the library that reads them is missing: {detail}",
            where=where,
            fix=f"pip install {package}",
        )
    if any(mark in text for mark in _UNKNOWN_ARCHITECTURE):
        return ModelLoadError(
            f"the installed transformers does not know this architecture: {detail}",
            where=where,
            fix="Update it: pip install --upgrade transformers",
        )
    return ModelLoadError(
        f"the checkpoint could not be loaded: {detail}",
        where=where,
        fix="Check that the folder is complete and loads with transformers' from_pretrained.",
    )
