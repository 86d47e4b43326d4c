"""Which sequences go through the model together: decided from the request, the model's shape and the device's memory.

The plan is made before any stored score is looked at, so that an audit that was interrupted goes on
with the very packs it began with and ends in the same bits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.adapters.hf.packs import Forest
from auditor.adapters.hf.sequences import Sequences, TokenIds
from auditor.core.scores import IntArray

# Shorter rows are too little work to keep the device busy; longer ones need large masks.
_ROWS = {"cpu": (256, 2048), "mps": (512, 2048), "cuda": (2048, 8192)}
# Logits of one pack may take this part of the device's memory, as float32.
_LOGITS_SHARE = 1 / 64
# Of a token id in a sorting key.
_ID_BYTES = 4
# A single item beyond this many nodes would need a mask of half a gigabyte: it is scored without one.
LONGEST_PACK = 8192


@dataclass(frozen=True, slots=True)
class PackLimits:
    """How large a pack may grow before it ends; one item alone may be larger.

    Attributes:
        nodes: tokens in its row.
        predicting: nodes whose prediction is asked for.
    """

    nodes: int
    predicting: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Sequences in packs; the candidates of an item lie in one.

    Attributes:
        packs: positions of the sequences of each pack; the first holds the longest sequence.
        long: positions of sequences that are scored without a mask, see `LONGEST_PACK`.
        nodes: tokens that go through the model in packs, all together.
        digest: SHA-256 of the sequences and of the packs they lie in.
    """

    packs: tuple[IntArray, ...]
    long: IntArray
    nodes: int
    digest: str


def pack_limits(config: Any, device: str, memory: int) -> PackLimits:
    """How large packs should be.

    Every node of a row is multiplied with every other, most of them in vain: nodes x width multiplications a node
    and layer, beside about 12 x width^2 for the layer's own weights. A row as long as the model is wide keeps that
    to a sixth or less, and repeats few prefixes.

    Args:
        config: the text model's configuration.
        device: ``cpu``, ``cuda`` or ``mps``.
        memory: of the device in bytes, of which the next lower power of two counts, so that machines that
            differ in what the system keeps for itself plan alike.
    """
    least, most = _ROWS.get(device, _ROWS["cpu"])
    nodes = min(most, max(least, 2 ** round(math.log2(int(config.hidden_size)))))
    logits = 2 ** int(math.log2(max(memory, 2**30))) * _LOGITS_SHARE / 4
    return PackLimits(nodes, max(16, int(logits / int(config.vocab_size))))


def plan_packs(sequences: Sequences, limits: PackLimits) -> Plan:
    """Put sequences that begin alike beside each other and cut the row into packs.

    A full pack ends in its second half where the next item shares the fewest tokens with what stands before it:
    those are the tokens that go through the model twice.
    """
    members = _members(sequences)
    order = sorted(range(len(members)), key=lambda item: min(map(sequences.sorting_key, members[item])))
    packs: list[IntArray] = []
    long: list[IntArray] = []
    nodes = 0
    for chosen, n_nodes in _cut(sequences, [members[item] for item in order], limits):
        positions = np.sort(np.concatenate(chosen))
        if n_nodes > LONGEST_PACK and len(chosen) == 1:
            long.append(positions)
        else:
            packs.append(positions)
            nodes += n_nodes
    lengths = sequences.lengths
    # Where a model cannot be packed, or memory is short, the longest sequence tells.
    first = max(range(len(packs)), key=lambda at: int(lengths[packs[at]].max()), default=0)
    packs[:1], packs[first : first + 1] = packs[first : first + 1], packs[:1]
    alone = np.sort(np.concatenate(long)) if long else np.array([], dtype=np.int64)
    return Plan(tuple(packs), alone, nodes, _digest(sequences, [*packs, alone]))


def distinct_prefixes(sequences: Sequences) -> int:
    """The fewest tokens that any plan sends through the model: one for each distinct prefix that is read."""
    order = sorted(range(len(sequences)), key=lambda at: sequences.sorting_key(at)[:-_ID_BYTES])
    read = [sequences[at][:-1] for at in order]
    return sum(map(len, read)) - sum(_shared(one, other) for one, other in pairwise(read))


def _shared(one: TokenIds, other: TokenIds) -> int:
    """How many tokens both begin with."""
    n = min(len(one), len(other))
    unequal = one[:n] != other[:n]
    return int(unequal.argmax()) if unequal.any() else n


def remaining(plan: Plan, sequences: Sequences, known: NDArray[np.bool_], limits: PackLimits) -> Plan:
    """What is left of a plan when some scores are known: untouched packs as they are, the others' items packed anew.

    Args:
        known: which sequences need no scoring, shape (n,); an item with one that does is scored whole.
    """
    if not known.any():
        return plan
    known = _whole_items(sequences, known)
    untouched = tuple(pack for pack in plan.packs if not known[pack].any())
    touched = [pack[~known[pack]] for pack in plan.packs if known[pack].any()]
    left = np.sort(np.concatenate([np.array([], dtype=np.int64), *touched]))
    again = plan_packs(sequences.take(left), limits)
    packs = (*untouched, *(left[pack] for pack in again.packs))
    return Plan(packs, plan.long[~known[plan.long]], 0, plan.digest)


def _whole_items(sequences: Sequences, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    missing = np.unique(sequences.items[~known])
    return ~np.isin(sequences.items, missing)


def _members(sequences: Sequences) -> list[IntArray]:
    """Positions of the candidates of each item."""
    positions = np.arange(len(sequences))
    return np.split(positions, np.flatnonzero(np.diff(sequences.items)) + 1) if len(positions) else []


def _cut(sequences: Sequences, items: list[IntArray], limits: PackLimits) -> Iterator[tuple[list[IntArray], int]]:
    """The items of each pack, and its nodes."""
    first, at, forest = 0, 0, Forest()
    # Of each item of the open pack: tokens shared with those before it, and the nodes once it was in.
    shared: list[int] = []
    sizes: list[int] = []
    while at < len(items):
        shared.append(_add(forest, sequences, items[at]))
        sizes.append(len(forest))
        if at > first and (len(forest) > limits.nodes or len(forest.predicting) > limits.predicting):
            n_items = _best_end(shared, sizes)
            yield items[first : first + n_items], sizes[n_items - 1]
            first = at = first + n_items
            forest, shared, sizes = Forest(), [], []
        else:
            at += 1
    if first < len(items):
        yield items[first:], sizes[-1]


def _add(forest: Forest, sequences: Sequences, members: IntArray) -> int:
    """Add an item; how many of its first tokens were there already."""
    return max(forest.add(sequences[at].tolist(), int(sequences.starts[at]))[0] for at in reversed(members))


def _best_end(shared: list[int], sizes: list[int]) -> int:
    """How many items the full pack keeps; the last one did not fit."""
    least = sizes[-2] / 2
    ends = [end for end in range(1, len(sizes)) if sizes[end - 1] >= least]
    return min(ends, key=lambda end: (shared[end], -end))


def _digest(sequences: Sequences, packs: list[IntArray]) -> str:
    digest = hashlib.sha256(sequences.ids.astype("<i4").tobytes())
    for array in (sequences.bounds, sequences.starts, *packs):
        digest.update(array.astype("<i8").tobytes())
    return digest.hexdigest()
