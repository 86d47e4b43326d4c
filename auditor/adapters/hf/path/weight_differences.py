"""What training changed in a model's weights, beside a model that can be put anywhere between before and after.

In memory are one model and one copy of the differences; where that is too much, the differences lie in files and the
system reads what is looked at. All of it is float32, whatever an audit scores in: half precision keeps two or three
digits of a weight, and most of what a training step changes is smaller than that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.loading.peft_adapters import leaves_base_alone
from auditor.adapters.hf.loading.weight_files import read_json
from auditor.adapters.hf.path.tensor_places import Place, needs_files
from auditor.adapters.hf.path.weight_maps import check_same, weight_map
from auditor.adapters.hf.path.weight_units import TensorUnits, Weight, WeightMap, units_of
from auditor.core.scores import FloatArray
from auditor.errors import NotComparableError

# A LoRA of these kinds is no product of its two matrices added to a weight.
_NOT_PRODUCTS = ("use_dora", "use_qalora", "use_bdlora", "arrow_config", "layer_replication", "target_parameters")
_FACTORS = (".lora_A.weight", ".lora_B.weight")
# How far margins may be off where weights were moved back, relative to max(1, |margin|): rounding stays far below.
_SAME = 5e-3


@dataclass(frozen=True, slots=True)
class Moving:
    """One tensor on its way from before to after.

    Attributes:
        parameter: of the model that is moved: the weight itself, or one factor of what an adapter adds to it.
        uses: the same numbers in memory as parameters of their own, one for each place where the model uses them: so
            that each use has a gradient by itself, and no two of them are ever in memory together.
        difference: how far it goes, float32, of the parameter's shape; in a file where memory was short.
        axis: of the parameter, along which the units lie in equal stretches; None for one unit.
    """

    tensor: TensorUnits
    parameter: torch.nn.Parameter
    uses: tuple[torch.nn.Parameter, ...]
    difference: torch.Tensor
    axis: int | None


class MovingWeights:
    """A model between two checkpoints; it begins at the later one.

    Attributes:
        weights: all its tensors, and which of them move; ``moving``: those that do.
        before: margins at the earlier checkpoint, as it was saved; ``after``: at the later one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        weights: WeightMap,
        moving: Sequence[Moving],
        before: FloatArray,
        after: FloatArray,
    ) -> None:
        moves = {one.tensor.weight.name for one in moving}
        self.weights = replace(weights, weights=tuple(replace(one, moves=one.name in moves) for one in weights.weights))
        self.model = model
        self.moving = tuple(moving)
        self.before, self.after = before, after
        self._at = 1.0

    def move_to(self, place: float) -> None:
        """Put the model at a place on the straight line, 0 being before and 1 after."""
        with torch.no_grad():
            for one in self.moving:
                one.parameter.add_(one.difference.to(one.parameter.device), alpha=place - self._at)
        self._at = place


@contextmanager
def moving_weights(
    reference: CheckpointFiles,
    policy: CheckpointFiles,
    shelf: ModelShelf,
    margins: Callable[[PreTrainedModel], FloatArray],
    offload: bool | None = None,
) -> Iterator[MovingWeights]:
    """Load two checkpoints one after the other and give a model that stands at the first and moves to the second.

    An adapter's product of two matrices that was trained on the reference itself stays apart: one of its factors
    goes from 0 to what it is, which is the same line. Any other adapter is merged into the weights first.

    Args:
        shelf: of float32 models; it is empty afterwards.
        margins: is asked of both checkpoints as they were saved, and of the model at the first, nats.
        offload: whether differences lie in files; None to decide by the memory that is free.

    Raises:
        NotComparableError: there is no line from one to the other.
        ModelLoadError: a checkpoint cannot be loaded, or its adapter not merged.
        StorageError: the differences do not fit on the disk.
    """
    check_comparable(reference, policy, shelf)
    line = _product_line if is_product(reference, policy) else _whole_line
    try:
        with line(reference, policy, shelf, margins, offload) as moved:
            moved.move_to(0)
            _check_begins(margins(moved.model), moved.before, f"{reference.name} and {policy.name}")
            for one in moved.moving:
                for use in one.uses:
                    use.requires_grad_(True)
            yield moved
    finally:
        shelf.clear()


@contextmanager
def _product_line(
    reference: CheckpointFiles,
    policy: CheckpointFiles,
    shelf: ModelShelf,
    margins: Callable[[PreTrainedModel], FloatArray],
    _: bool | None,
) -> Iterator[MovingWeights]:
    with shelf.take(reference) as model:
        weights, before = weight_map(model), margins(model)
    with shelf.take(policy) as model:
        products = {name: one for name, one in model.named_modules() if isinstance(one, LoraLayer)}
        weights = _apart(weights, {f"{name}.weight" for name in products})
        yield MovingWeights(model, weights, list(_factors(weights, products)), before, margins(model))


@contextmanager
def _whole_line(
    reference: CheckpointFiles,
    policy: CheckpointFiles,
    shelf: ModelShelf,
    margins: Callable[[PreTrainedModel], FloatArray],
    offload: bool | None,
) -> Iterator[MovingWeights]:
    with tempfile.TemporaryDirectory(prefix="auditor-differences-") as folder:
        with shelf.take_whole(reference) as model:
            weights, before = weight_map(model), margins(model)
            place = Place(Path(folder) if (needs_files(model) if offload is None else offload) else None)
            kept = _kept(model, weights, place)
        with shelf.take_whole(policy) as model:
            check_same(weights, changed := weight_map(model), f"{reference.name} and {policy.name}")
            after = margins(model)
            yield MovingWeights(model, changed, list(_differences(model, changed, kept, place)), before, after)


def is_product(reference: CheckpointFiles, policy: CheckpointFiles) -> bool:
    """Whether all that a checkpoint adds to its reference is a product of two matrices for some weights (LoRA)."""
    if policy.adapter is None or reference.adapter is not None or reference.base != policy.base:
        return False
    names = policy.adapter_weights.shapes if policy.adapter_weights else {}
    config = read_json(policy.adapter / "adapter_config.json")
    plain = leaves_base_alone(policy.adapter) and not any(config.get(one) for one in _NOT_PRODUCTS)
    return plain and bool(names) and all(name.endswith(_FACTORS) for name in names)


def check_comparable(reference: CheckpointFiles, policy: CheckpointFiles, shelf: ModelShelf) -> None:
    """Refuse what can be seen not to work before anything is loaded.

    Raises:
        NotComparableError: quantised, of other architectures, or spread over devices.
    """
    where = f"{reference.name} and {policy.name}"
    for one in (reference, policy):
        if one.quantization is not None:
            raise NotComparableError(
                "quantised weights have no straight line between them",
                where=one.name,
                fix="Give the checkpoint in the format it was trained in.",
            )
    if reference.model_type != policy.model_type:
        raise NotComparableError(
            f"the two have different architectures, {reference.model_type} and {policy.model_type}",
            where=where,
            fix="The reference is the checkpoint that training started from: name it with --reference.",
        )
    if shelf.policy.device_map is not None:
        raise NotComparableError(
            "weights are moved on one device only, and --device-map spreads them",
            where=where,
            fix="Leave --device-map out: differences that do not fit beside the model lie in files.",
        )


def _kept(model: PreTrainedModel, weights: WeightMap, place: Place) -> dict[str, torch.Tensor]:
    """Every tensor under all its names; it outlives the model."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    held = {one: place.put_weight(parameters[one.name]) for one in weights.weights}
    return {name: tensor for one, tensor in held.items() for name in (one.name, *one.tied)}


def _apart(weights: WeightMap, adapted: Collection[str]) -> WeightMap:
    """A tensor that an adapter changes under one of its names only is one by itself there."""
    found, alone = list[Weight](), list[Weight]()
    for one in weights.weights:
        found.append(replace(one, tied=tuple(name for name in one.tied if name not in adapted)))
        alone += [replace(one, name=name, tied=()) for name in one.tied if name in adapted]
    return replace(weights, weights=(*found, *alone))


def _factors(weights: WeightMap, products: Mapping[str, Any]) -> Iterator[Moving]:
    """Of each product the factor whose axis is the heads': either one leads along the same line."""
    for tensor in units_of(weights):
        layer = products.get(tensor.weight.name.removesuffix(".weight"))
        if layer is None:
            continue
        ((first,), (last,)) = (list(one.values()) for one in (layer.lora_A, layer.lora_B))
        if bool(first.weight.any()) and bool(last.weight.any()):
            inward = tensor.axis is not None and not tensor.output
            factor = first.weight if inward else last.weight
            axis = None if tensor.axis is None else int(inward)
            yield Moving(tensor, factor, (factor,), factor.detach().clone(), axis)


def _differences(
    model: PreTrainedModel, weights: WeightMap, kept: dict[str, torch.Tensor], place: Place
) -> Iterator[Moving]:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for tensor in units_of(weights):
        parameter, earlier = parameters[tensor.weight.name], kept[tensor.weight.name]
        difference = parameter.detach() - earlier.to(parameter.device)
        # Under any of its names a tensor would stay in memory.
        del earlier
        for name in (tensor.weight.name, *tensor.weight.tied):
            del kept[name]
        if bool(difference.any()):
            uses = (parameter, *(_apart_in(model, name, parameter) for name in tensor.weight.tied))
            yield Moving(tensor, parameter, uses, place.put(difference), tensor.axis)


def _apart_in(model: PreTrainedModel, name: str, parameter: torch.nn.Parameter) -> torch.nn.Parameter:
    """A parameter of its own under one of the names of a tied one, with the same numbers in the same memory."""
    module, _, own = name.rpartition(".")
    use = torch.nn.Parameter(parameter.detach(), requires_grad=False)
    setattr(model.get_submodule(module), own, use)
    return use


def _check_begins(found: FloatArray, expected: FloatArray, where: str) -> None:
    """With all weights at the beginning, the model must be the one that stood there."""
    off = np.abs(found - expected)
    if bool((off > _SAME * np.maximum(1, np.abs(expected))).any()):
        raise NotComparableError(
            "the two differ in more than their weights: with the reference's weights the other's code gives margins "
            f"that are off by up to {float(np.nanmax(off)):.2g} nats",
            where=where,
            fix="Compare their config.json: rotary embeddings, windows and caps must be the same.",
        )
