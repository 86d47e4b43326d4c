"""The weights of a model by name: which layer, which module and which attention head each stands in.

Everything is read off names and shapes, so units are there without a model. What no rule here knows stays whole: a
tensor that is not split by head, a part of a layer under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from auditor.core.scores import FloatArray

UnitLevel = Literal["tensor", "head", "module", "layer"]
# Blocks: all queries, all keys, all values. Groups: for each key head its queries, its key, its value.
Fused = Literal["blocks", "groups"]
Projection = Literal["query", "key", "value", "output"]

_PROJECTIONS: dict[str, Projection] = {
    **dict.fromkeys(("q_proj", "q_lin", "query"), "query"),
    **dict.fromkeys(("k_proj", "k_lin", "key"), "key"),
    **dict.fromkeys(("v_proj", "v_lin", "value"), "value"),
    **dict.fromkeys(("o_proj", "out_proj", "out_lin", "dense", "c_proj"), "output"),
}
_FUSED = frozenset({"c_attn", "qkv_proj", "query_key_value", "Wqkv"})
_NORM = re.compile(r"norm|^ln(_|\d|$)")
_ATTENTION = re.compile(r"attn|attention")
_MLP = re.compile(r"mlp|feed_forward|ffn|^fc|expert|moe|dense_")
_EMBEDDING = re.compile(r"emb|^w[tp]e$")


@dataclass(frozen=True, slots=True)
class Heads:
    """How attention is cut into heads.

    Attributes:
        queries: heads of a layer; ``keys``: heads of keys and values, fewer where several queries share one.
        width: of one head.
        fused: how one tensor for queries, keys and values is laid out, None where that is not known.
    """

    queries: int
    keys: int
    width: int
    fused: Fused | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of a model.

    Attributes:
        input_first: its first axis is what goes in, as in GPT-2; in all other layers it is what comes out.
        tied: other names of the same tensor.
        moves: whether it differs between two checkpoints.
    """

    name: str
    shape: tuple[int, ...]
    input_first: bool = False
    tied: tuple[str, ...] = ()
    moves: bool = True


@dataclass(frozen=True, slots=True)
class WeightMap:
    """All tensors of a model, in its own order, each once.

    Attributes:
        embedding: name of the module that reads tokens; ``head``: of the one that predicts them.
    """

    weights: tuple[Weight, ...]
    heads: Heads | None
    embedding: str
    head: str

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        weights = tuple(
            Weight(**{**one, "shape": tuple(one["shape"]), "tied": tuple(one["tied"])}) for one in content["weights"]
        )
        heads = None if content["heads"] is None else Heads(**content["heads"])
        return cls(weights, heads, content["embedding"], content["head"])

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WeightUnit:
    """The smallest part of a model that a number is given to: a tensor, or one head's share of one.

    Attributes:
        tensor: its name in the model; ``tied``: other names of the same tensor, whose parts are counted here.
        module: ``attention``, ``mlp``, ``norm``, or the name it has in the model; "" outside the layers.
        layer: number of its layer, None outside the layers.
        place: where it stands outside the layers: ``embedding``, ``final norm``, ``head`` or a name; "" in a layer.
        projection: of attention, None where it is not split by head.
        head: number of the head, None likewise.
        shared: the head is one of keys and values that several query heads share.
    """

    tensor: str
    module: str
    layer: int | None
    place: str = ""
    projection: Projection | None = None
    head: int | None = None
    shared: bool = False
    tied: tuple[str, ...] = ()

    def name(self, level: UnitLevel) -> str:
        """What people call the part of the model it belongs to at a level; parts of one name are summed."""
        if level == "tensor":
            return self.tensor + (f" (tied: {', '.join(self.tied)})" if self.tied else "")
        if self.layer is None:
            return self.place
        layer = f"layer {self.layer}"
        if level == "layer":
            return layer
        if level == "head" and self.head is not None:
            return f"{layer} {'kv head' if self.shared else 'head'} {self.head}"
        whole = level == "module" or self.module != "attention"
        return f"{layer} {self.module}" + ("" if whole else ", not by head")


@dataclass(frozen=True, slots=True)
class TensorUnits:
    """One tensor's units: equal stretches along one axis, or the tensor as a whole.

    Attributes:
        axis: along which heads lie, None where the tensor is not split.
        output: the axis is what comes out of the layer, not what goes in.
    """

    weight: Weight
    units: tuple[WeightUnit, ...]
    axis: int | None = None
    output: bool = True


def units_of(weights: WeightMap) -> tuple[TensorUnits, ...]:
    """The finest units of each tensor, in the model's order."""
    return tuple(_units(weights, one) for one in weights.weights)


def summed(units: Sequence[WeightUnit], values: FloatArray, level: UnitLevel) -> tuple[tuple[str, ...], FloatArray]:
    """Sum parts over what has the same name at a level; sums over all units stay what they are.

    Args:
        values: shape (..., n_units).

    Returns:
        Names in the order in which they first stand in the model, and their sums, shape (..., n_names).
    """
    names = [one.name(level) for one in units]
    places = {name: at for at, name in enumerate(dict.fromkeys(names))}
    found = np.zeros((*values.shape[:-1], len(places)))
    for at, name in enumerate(names):
        found[..., places[name]] += values[..., at]
    return tuple(places), found


def _units(weights: WeightMap, weight: Weight) -> TensorUnits:
    *path, _ = weight.name.split(".")
    number = next((at for at, part in enumerate(path) if part.isdecimal()), None)
    if number is None:
        unit = WeightUnit(weight.name, "", None, _place(weights, weight.name, path), tied=weight.tied)
        return TensorUnits(weight, (unit,))
    inner = path[number + 1 :] or [weight.name.split(".")[-1]]
    whole = WeightUnit(weight.name, _module(inner), int(path[number]), tied=weight.tied)
    heads = weights.heads
    if heads is None or whole.module != "attention":
        return TensorUnits(weight, (whole,))
    slots = _slots(inner[-1], heads)
    output = not (slots and slots[0][0] == "output")
    axis = 0 if len(weight.shape) == 1 or output != weight.input_first else 1
    # The bias of the output belongs to no head; a size that is not heads x width means something else by its name.
    split = slots and len(weight.shape) <= 2 and weight.shape[axis] == len(slots) * heads.width
    if not split or (len(weight.shape) == 1 and not output):
        return TensorUnits(weight, (whole,))
    units = tuple(
        WeightUnit(
            weight.name,
            whole.module,
            whole.layer,
            projection=projection,
            head=head,
            shared=projection in ("key", "value") and heads.keys != heads.queries,
            tied=weight.tied,
        )
        for projection, head in slots
    )
    return TensorUnits(weight, units, axis, output)


def _place(weights: WeightMap, name: str, path: Sequence[str]) -> str:
    """What stands outside the layers."""
    module = ".".join(path)
    if module == weights.head != weights.embedding:
        return "head"
    if any(_EMBEDDING.search(part) for part in path):
        return "embedding"
    return "final norm" if any(_NORM.search(part) for part in path) else module or name


def _module(inner: Sequence[str]) -> str:
    """The part of a layer: ``post_attention_layernorm`` is a norm, ``self_attn.q_norm`` belongs to attention."""
    norms = [part for part in inner if _NORM.search(part)]
    for part in inner:
        if part not in norms:
            if _ATTENTION.search(part):
                return "attention"
            if _MLP.search(part):
                return "mlp"
    return "norm" if norms else inner[0]


def _slots(name: str, heads: Heads) -> list[tuple[Projection, int]]:
    """The heads that lie along the axis of a projection, in order; none for a name that is not known."""
    queries: list[tuple[Projection, int]] = [("query", at) for at in range(heads.queries)]
    keys: list[tuple[Projection, int]] = [("key", at) for at in range(heads.keys)]
    values: list[tuple[Projection, int]] = [("value", at) for at in range(heads.keys)]
    if name in _FUSED and heads.fused == "groups":
        each = heads.queries // heads.keys
        return [
            slot for at in range(heads.keys) for slot in (*queries[at * each : (at + 1) * each], keys[at], values[at])
        ]
    if name in _FUSED:
        return queries + keys + values if heads.fused == "blocks" else []
    outputs: list[tuple[Projection, int]] = [("output", at) for at in range(heads.queries)]
    known = {"query": queries, "key": keys, "value": values, "output": outputs}
    return known[_PROJECTIONS[name]] if name in _PROJECTIONS else []
