"""An adapter put on a base model and taken off again, the base unchanged to the last bit.

The adapter is never merged. Taking it off puts the base's own modules back in their places, so that
what is left is the model as it was loaded, without wrappers; `detach` says whether that is certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.loading.model_loading import ADAPTER_PREFIX, check_finite, explained, quiet
from auditor.adapters.hf.loading.weight_files import read_json
from auditor.errors import ModelLoadError

_NAME = "audited"
# LoRA kinds that leave the base's weights alone; PiSSA, OLoRA and LoftQ rewrite them when they load.
_HARMLESS_INITS = (None, True, False, "gaussian", "orthogonal")


@dataclass(frozen=True, slots=True)
class Attached:
    """What has to be undone.

    Attributes:
        children: every module of the base as (parent, name, child) before the adapter came.
        state: address and version of every parameter before; a write changes one of them.
        may_share: nothing known speaks against using the base again.
    """

    children: tuple[tuple[torch.nn.Module, str, torch.nn.Module], ...]
    state: Mapping[str, tuple[int, int]]
    may_share: bool


def attach(base: PreTrainedModel, files: CheckpointFiles) -> Attached:
    """Put a checkpoint's adapter on its base, in place; the base's own forward is the adapter's then.

    Args:
        base: as loaded, no adapter on it.
        files: of a checkpoint that has an adapter.

    Raises:
        ModelLoadError: the adapter does not fit the base, is incomplete, or holds NaN or infinity.
    """
    folder = files.adapter
    if folder is None:
        raise ValueError(f"{files.name} has no adapter")
    if _offloaded(base):
        # PEFT writes the base anew into the current folder for that, and cannot place trained modules.
        raise ModelLoadError(
            "the base of this adapter does not fit on the device and is partly in CPU memory or on disk",
            where=str(folder),
            fix="Merge the adapter (merge_and_unload) and audit the merged model, or use a larger device.",
        )
    before = Attached(_children(base), _state(base), may_share=leaves_base_alone(folder))
    try:
        with explained(f"{folder} on {files.base}"), quiet():
            resized = _resize(base, files)
            _load(base, folder)
            check_finite(base, str(folder))
    except ModelLoadError as error:
        detach(base, before)
        raise _advised(error, files) from error
    base.requires_grad_(False)
    base.train(False)
    return Attached(before.children, before.state, before.may_share and not resized)


def merge(base: PreTrainedModel, files: CheckpointFiles) -> PreTrainedModel:
    """Add a checkpoint's adapter to the weights of its base, in place and for good.

    Returns:
        The base, as a model without adapters.

    Raises:
        ModelLoadError: see `attach`; or there is no adding this kind of adapter to weights.
    """
    folder = files.adapter
    if folder is None:
        raise ValueError(f"{files.name} has no adapter")
    with explained(f"{folder} merged into {files.base}"), quiet():
        _resize(base, files)
        wrapped = _load(base, folder)
        _check_ties(base, folder)
        whole: Any = wrapped.merge_and_unload()
        check_finite(whole, str(folder))
    whole.requires_grad_(False)
    model: PreTrainedModel = whole.eval()
    return model


def detach(base: PreTrainedModel, attached: Attached) -> bool:
    """Take the adapter off, in place.

    Returns:
        Whether the base is certainly as it was; if not, load it again.
    """
    for parent, name, child in attached.children:
        parent.add_module(name, child)
    if hasattr(base, "peft_config"):
        del base.peft_config  # PEFT's mark that the model is wrapped
    same_modules = _children(base) == attached.children
    return attached.may_share and same_modules and _state(base) == attached.state


def _advised(error: ModelLoadError, files: CheckpointFiles) -> ModelLoadError:
    advice = f"If {files.base} is not the base it was trained on, name that one: name=BASE+ADAPTER"
    return ModelLoadError(error.what, where=error.where, fix=f"{error.fix}\n{advice}")


def _children(model: torch.nn.Module) -> tuple[tuple[torch.nn.Module, str, torch.nn.Module], ...]:
    return tuple((parent, name, child) for parent in model.modules() for name, child in parent.named_children())


def _state(model: torch.nn.Module) -> dict[str, tuple[int, int]]:
    return {name: (tensor.data_ptr(), tensor._version) for name, tensor in model.named_parameters()}


def leaves_base_alone(folder: Path) -> bool:
    """Whether an adapter only adds to what its base computes, and never writes into it."""
    config = read_json(folder / "adapter_config.json")
    return (
        str(config.get("peft_type", "")).upper() == "LORA"
        and config.get("init_lora_weights") in _HARMLESS_INITS
        and config.get("bias", "none") == "none"
    )


def _offloaded(base: PreTrainedModel) -> bool:
    places = set((getattr(base, "hf_device_map", None) or {}).values())
    return bool(places & {"cpu", "disk"}) and (len(places) > 1 or "disk" in places)


def _resize(base: PreTrainedModel, files: CheckpointFiles) -> bool:
    """Give the base the vocabulary the adapter was saved with; True if that changed it."""
    shapes = files.adapter_weights.shapes if files.adapter_weights else {}
    model: Any = base
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    names = {name for name, module in base.named_modules() if module is head or module is embedding}
    rows = {name: count for name in names if (count := _rows(name, shapes)) is not None}
    before = int(embedding.weight.shape[0])
    wanted = max(rows.values(), default=before)
    if wanted == before:
        return False
    tied = head is None or head.weight is embedding.weight
    if wanted > before and len(rows) < (1 if tied else 2):
        raise ModelLoadError(
            f"the adapter's vocabulary has {wanted} tokens and its base's {before}, "
            "but the adapter doesn't hold all embeddings of the new ones",
            where=str(files.adapter),
            fix="Save it again with save_embedding_layers=True.",
        )
    base.resize_token_embeddings(wanted, mean_resizing=False)
    return True


def _rows(name: str, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    for ending in (".weight", ".base_layer.weight"):
        shape = shapes.get(f"{ADAPTER_PREFIX}{name}{ending}")
        if shape:
            return shape[0]
    return None


def _load(base: PreTrainedModel, folder: Path) -> PeftModel:
    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = True
    wrapped = PeftModel(base, config, _NAME)
    result = wrapped.load_adapter(
        str(folder),
        _NAME,
        torch_device=str(base.device),
        key_mapping=getattr(base, "_checkpoint_conversion_mapping", {}),
    )
    _check_keys(result.missing_keys, "are missing from the adapter's file and would be random", folder)
    # With resized embeddings PEFT saves trained modules a second time, under its wrapper's own names.
    unexpected = [key for key in result.unexpected_keys if ".modules_to_save." not in key]
    _check_keys(unexpected, "of the adapter's file have no place in the base", folder)
    return wrapped


def _check_ties(base: PreTrainedModel, folder: Path) -> None:
    model: Any = base
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    adapted = [one for one in ends if isinstance(one, BaseTunerLayer)]
    if adapted and ends[0].weight is ends[1].weight:
        raise ModelLoadError(
            "the adapter changes one of two uses of a tied tensor, and merged it would change both",
            where=str(folder),
            fix="Untie the base's embeddings, or train an adapter that leaves them alone.",
        )


def _check_keys(keys: list[Any], problem: str, folder: Path) -> None:
    if keys:
        raise ModelLoadError(
            f"{len(keys)} tensors {problem}, the first is {str(keys[0])[:200]!r}",
            where=str(folder),
            fix="Save the adapter again, from the run that trained it.",
        )
