"""What each part of a model adds to the change of a margin, along the straight line between two checkpoints' weights.

The margin at the end minus that at the beginning is the integral of its gradient along any path between them
(the gradient theorem); along the straight line that is, tensor by tensor, the sum over Gauss-Legendre nodes of the
gradient times what training changed. Sundararajan et al. 2017 take the same integral over inputs. The parts add up
to the whole; another path would share it out otherwise. They are accounting, not causes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import peft
import torch
from transformers import PreTrainedModel

from auditor.adapters.cache.weight_hashes import hash_file
from auditor.adapters.hf.kept_vectors import KeptVectors, vector_key, vector_scope
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, fingerprint
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.model_calls import memory_errors
from auditor.adapters.hf.padded import scored_logprobs
from auditor.adapters.hf.path.path_records import PathRecord, gauss_legendre
from auditor.adapters.hf.path.weight_differences import Moving, MovingWeights, check_comparable, moving_weights
from auditor.adapters.hf.path.weight_units import UnitLevel, WeightUnit, summed, units_of
from auditor.adapters.hf.scorer import engine_of
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.progress import Progress, Silent
from auditor.core.scores import FloatArray, IntArray
from auditor.errors import ModelLoadError

DEFAULT_NODES = 8
# Raised whenever the same checkpoints and items would get other numbers.
PATH_VERSION = 1

# An item is complete where its parts miss its total by no more than a thousandth of it, or of this many nats.
_COMPLETE, _LEAST_TOTAL = 1e-3, 0.2
# Items that are not are computed again with so many times the nodes.
_FINER = (2, 4)
# Elements of a gradient that are multiplied at once: their float64 copies stay in the processor's cache.
_CHUNK = {"cpu": 2**17, "cuda": 2**26}


@dataclass(frozen=True, slots=True, eq=False)
class PathParts:
    """The parts of each item's shift.

    Attributes:
        units: the finest: tensors, those of attention by head; of all tensors, moved or not.
        values: nats, positive where the change pushes towards the harmful side; NaN where a gradient is not finite,
            shape (n_items, n_units).
        before: margins of the reference in nats, shape (n_items,); ``after``: of the policy. Both are of the models as
            saved, in float32, by the same forward pass.
        nodes: of the rule that gave each item's parts, shape (n_items,).
    """

    units: tuple[WeightUnit, ...]
    values: FloatArray
    before: FloatArray
    after: FloatArray
    nodes: IntArray

    @property
    def totals(self) -> FloatArray:
        """What an item's parts are to add up to, nats, shape (n_items,)."""
        return self.after - self.before

    @property
    def errors(self) -> FloatArray:
        """How far an item's parts are from adding up, nats, shape (n_items,)."""
        sums: FloatArray = self.values.sum(axis=1)
        return sums - self.totals

    @property
    def rough(self) -> IntArray:
        """Items whose parts miss more than a thousandth of their total."""
        bound = _COMPLETE * np.maximum(np.abs(self.totals), _LEAST_TOTAL)
        # Where a number is not finite, more nodes do not help.
        return np.flatnonzero(np.abs(self.errors) > bound)

    def at(self, level: UnitLevel) -> tuple[tuple[str, ...], FloatArray]:
        """Names at a level and the parts summed over each, shape (n_items, n_names)."""
        return summed(self.units, self.values, level)


def path_attributions(
    reference: CheckpointFiles,
    policy: CheckpointFiles,
    shelf: ModelShelf,
    pairs: Sequences,
    *,
    nodes: int = DEFAULT_NODES,
    kept: KeptVectors | None = None,
    progress: Progress | None = None,
    digest: Callable[[Path], str] = hash_file,
    offload: bool | None = None,
) -> PathParts:
    """Share out the change of margins between two checkpoints over the weights.

    An item and node takes one pass forward and one back, in float32 whatever the shelf's number format. Items that
    are not complete to a thousandth are computed again with two and four times the nodes: where the residual stream
    passes near 0 on the way, a norm turns within a small stretch of it.

    Args:
        shelf: how to load; it is emptied first, and empty afterwards.
        pairs: two sequences an item, harmful and affirming.
        nodes: of the Gauss-Legendre rule to begin with, exact for polynomials of degree 2 x nodes - 1.
        kept: where parts are found and kept, item by item and node by node.
        digest: SHA-256 of a file's contents in hex, asked only where something is kept.
        offload: whether what training changed lies in files; None to decide by the memory that is free.

    Raises:
        NotComparableError: the two have other tensors, are quantised, or spread over devices.
        ModelLoadError: a checkpoint cannot be loaded, or a pair's gradients do not fit into memory.
        StorageError: the disk is full or fails.
    """
    check_comparable(reference, policy, shelf)

    def with_nodes(pairs: Sequences, count: int) -> PathParts:
        record = path_record(reference, policy, shelf, pairs, count, kept, digest)
        if not record.complete:
            _complete(record, reference, policy, shelf, pairs, progress or Silent(), offload)
        return _parts_of(record)

    found = with_nodes(pairs, nodes)
    for times in _FINER:
        if len(rough := found.rough):
            members = np.concatenate([members_of(pairs)[item] for item in rough.tolist()])
            found = _replaced(found, rough, with_nodes(pairs.take(members), times * nodes))
    return found


def _complete(
    record: PathRecord,
    reference: CheckpointFiles,
    policy: CheckpointFiles,
    shelf: ModelShelf,
    pairs: Sequences,
    progress: Progress,
    offload: bool | None,
) -> None:
    """Compute what a record lacks."""

    def margins(model: PreTrainedModel) -> FloatArray:
        with torch.no_grad():
            return np.array([float(_margin(model, pairs, one)) for one in members_of(pairs)])

    with shelf.in_float32(policy) as exact, moving_weights(reference, policy, exact, margins, offload) as moved:
        record.begin(moved.weights, moved.before, moved.after)
        label = f"path {reference.name} to {policy.name}, {record.known.shape[1]} nodes"
        _walk(moved, pairs, record, progress, label)


def _parts_of(record: PathRecord) -> PathParts:
    tensors = () if record.weights is None else units_of(record.weights)
    units = tuple(unit for tensor in tensors for unit in tensor.units)
    items, nodes = record.known.shape
    return PathParts(units, record.integral(), record.before, record.after, np.full(items, nodes))


def _replaced(found: PathParts, items: IntArray, finer: PathParts) -> PathParts:
    """Some items' parts in place of those there are."""
    values, nodes = found.values.copy(), found.nodes.copy()
    values[items], nodes[items] = finer.values, finer.nodes
    return replace(found, values=values, nodes=nodes)


def path_record(
    reference: CheckpointFiles,
    policy: CheckpointFiles,
    shelf: ModelShelf,
    pairs: Sequences,
    nodes: int = DEFAULT_NODES,
    kept: KeptVectors | None = None,
    digest: Callable[[Path], str] = hash_file,
) -> PathRecord:
    """What is known of a path already; no weight is loaded. The arguments are those of `path_attributions`."""
    keys = [vector_key(pairs, one) for one in members_of(pairs)]
    if kept is None:
        return PathRecord(KeptVectors(()), [""] * (1 + nodes), keys)
    # Where a text ends stands in its token ids, and each pair is a padded batch of its own.
    engine = engine_of(replace(shelf.policy, dtype="float32"), "none", "padded")
    both = [fingerprint(one, digest) for one in (reference, policy)]
    method = f"path {PATH_VERSION}, {peft.__version__}"
    # The path as a whole is the same for each number of nodes.
    each = ({"nodes": str(nodes), "node": str(node)} for node in range(nodes))
    scopes = [vector_scope(method, parameters, both, engine) for parameters in ({}, *each)]
    return PathRecord(kept, scopes, keys)


def members_of(pairs: Sequences) -> tuple[IntArray, ...]:
    """Positions of the two sequences of each item, the harmful one first.

    Raises:
        ValueError: an item has not two.
    """
    found = np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(pairs.items)) + 1) if len(pairs) else []
    if any(len(one) != 2 for one in found):
        raise ValueError("a margin is between two sequences of one item")
    return tuple(found)


def _margin(model: PreTrainedModel, pairs: Sequences, members: IntArray) -> torch.Tensor:
    """Log-probability of the harmful text minus that of the affirming one; nats, float64, gradients kept."""
    try:
        with memory_errors():
            # On the processor, since not all devices have float64; it is a handful of numbers.
            logprobs = scored_logprobs(model, pairs, members.tolist()).cpu().double()
    except torch.OutOfMemoryError as error:
        raise _no_room(pairs, members, model) from error
    harmful = int(pairs.lengths[members[0]] - pairs.starts[members[0]])
    return logprobs[:harmful].sum() - logprobs[harmful:].sum()


def _no_room(pairs: Sequences, members: IntArray, model: PreTrainedModel) -> ModelLoadError:
    return ModelLoadError(
        f"a pair of {int(pairs.lengths[members].max())} tokens and the gradients of one tensor do not fit beside the "
        f"model in float32 into the memory of {model.device}",
        fix="Use a larger card, or --device cpu.",
    )


def _walk(moved: MovingWeights, pairs: Sequences, record: PathRecord, progress: Progress, label: str) -> None:
    """Every node in turn, from the reference on, and at each the items that are not known."""
    members = members_of(pairs)
    parts = np.zeros(sum(len(one.tensor.units) for one in moved.moving))
    places, _ = gauss_legendre(record.known.shape[1])
    with progress.task(label, int((~record.known).sum()), "passes"), _caught(moved.moving, parts):
        for node, place in enumerate(places.tolist()):
            # Also where all is known: rounding then is that of a walk without a break, and so are the parts behind it.
            moved.move_to(place)
            for item in np.flatnonzero(~record.known[:, node]).tolist():
                parts[:] = 0
                _backward(moved, pairs, members[item])
                record.add(item, node, parts.astype(np.float32))
                progress.advance(1)


def _backward(moved: MovingWeights, pairs: Sequences, members: IntArray) -> None:
    if not moved.moving:
        return
    margin = _margin(moved.model, pairs, members)
    try:
        with memory_errors():
            margin.backward()  # type: ignore[no-untyped-call]
    except torch.OutOfMemoryError as error:
        raise _no_room(pairs, members, moved.model) from error


@contextmanager
def _caught(moving: Sequence[Moving], parts: FloatArray) -> Iterator[None]:
    """While the block runs, each gradient is multiplied, added and let go as soon as it is whole, one at a time."""
    handles = []
    first = 0
    for one in moving:
        room = parts[first : first + len(one.tensor.units)]
        first += len(room)

        def catch(parameter: torch.Tensor, one: Moving = one, room: FloatArray = room) -> None:
            gradient, parameter.grad = parameter.grad, None
            if gradient is not None:
                room += parts_of(gradient, one.difference, one.axis, len(room))

        handles += [use.register_post_accumulate_grad_hook(catch) for use in one.uses]  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def parts_of(gradient: torch.Tensor, difference: torch.Tensor, axis: int | None, units: int) -> FloatArray:
    """Products of two tensors, summed in float64 over each of some equal stretches along an axis.

    Args:
        axis: 0 or 1; None sums everything.

    Returns:
        Shape (units,).
    """
    rows = gradient.reshape(len(gradient) if gradient.dim() else 1, -1)
    others = difference.reshape(rows.shape)
    # Apple's cards have no float64.
    place = torch.device("cpu") if rows.device.type == "mps" else rows.device
    step = max(1, _CHUNK.get(place.type, _CHUNK["cuda"]) // rows.shape[1])
    sums = torch.zeros(rows.shape[1] if axis == 1 else rows.shape[0], dtype=torch.float64, device=place)
    for first in range(0, len(rows), step):
        some = slice(first, first + step)
        products = rows[some].to(place, torch.float64) * others[some].to(place)
        if axis == 1:
            sums += products.sum(dim=0)
        else:
            sums[some] = products.sum(dim=1)
    found: FloatArray = sums.reshape(units, -1).sum(dim=1).cpu().numpy()
    return found
