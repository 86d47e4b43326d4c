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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from auditor.adapters.hf.packs import Forest, shared_beginning
from auditor.adapters.hf.sequences import Sequences
from auditor.core.scores import IntArray

# What starting a pass costs, in tokens' worth of work: weights are read and kernels launched for however few.
_START = {"cpu": 50, "mps": 100, "cuda": 300}
# A row so many times as long as the model is wide spends half its time on nodes looking at each other. A node and layer
# takes nodes x width multiplications for that, twice, and about 12 x width^2 for the layer's own weights: 6. On a
# processor attention leaves out what no stretch of a row looks at (`auditor.adapters.hf.tree_attention`), most of it.
_WIDTHS = {"cpu": 48, "mps": 6, "cuda": 6}
# A row is looked at up to this many times the length that would be best if no two texts began alike.
_REACH = 2
# Logits of one pack may take this part of the device's memory, as float32.
_LOGITS_SHARE = 1 / 64
# Of a token id in a sorting key.
_ID_BYTES = 4
# A single item beyond this many nodes would need a mask of half a gigabyte: it is scored without one.
LONGEST_PACK = 8192


@dataclass(frozen=True, slots=True)
class RowCosts:
    """What a row of so many nodes costs, in tokens' worth of work, and how large it may grow.

    Attributes:
        start: of any pass.
        width: nodes at which looking at all others costs as much as everything else.
        predicting: the most nodes whose prediction may be asked for; one item alone may ask for more.
    """

    start: float
    width: float
    predicting: int

    @property
    def longest(self) -> float:
        """Nodes beyond which a row is not tried; one item alone may have more."""
        # start + n + n^2 / width is least for each of n nodes at n^2 = start x width.
        return _REACH * math.sqrt(self.start * self.width)

    def of(self, nodes: int) -> float:
        """The cost of one row."""
        return self.start + nodes + nodes**2 / self.width


@dataclass(frozen=True, slots=True)
class Plan:
    """Sequences in packs; the candidates of an item lie in one, as far as they are among them.

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


def row_costs(config: Any, device: str, memory: int) -> RowCosts:
    """What rows cost in a model.

    Args:
        config: the text model's configuration.
        device: ``cpu``, ``cuda`` or ``mps``.
        memory: of the device in bytes, of which the next lower power of two counts, so that machines that
            differ in what the system keeps for itself plan alike.
    """
    logits = 2 ** int(math.log2(max(memory, 2**30))) * _LOGITS_SHARE / 4
    return RowCosts(
        start=_START.get(device, _START["cuda"]),
        width=_WIDTHS.get(device, _WIDTHS["cuda"]) * int(config.hidden_size),
        predicting=max(16, int(logits / int(config.vocab_size))),
    )


def plan_packs(sequences: Sequences, costs: RowCosts) -> Plan:
    """Put sequences that begin alike beside each other and cut the row into packs.

    A pack ends where a node costs least: what the next item shares with those before it goes through the model twice,
    so it is best cut between texts that begin otherwise, unless the row grows too long.
    """
    members = _members(sequences)
    order = sorted(range(len(members)), key=lambda item: min(map(sequences.sorting_key, members[item].tolist())))
    packs: list[IntArray] = []
    long: list[IntArray] = []
    nodes = 0
    for chosen, n_nodes in _cut(sequences, [members[item] for item in order], costs):
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
    read = (sequences[at][:-1].tolist() for at in order)
    return int(sum(sequences.lengths - 1)) - sum(shared_beginning(*pair) for pair in pairwise(read))


def remaining(plan: Plan, sequences: Sequences, known: NDArray[np.bool_], costs: RowCosts) -> Plan:
    """What is left of a plan when some scores are known: untouched packs as they are, the rest of the others anew.

    Args:
        known: which sequences need no scoring, shape (n,).
    """
    if not known.any():
        return plan
    untouched = tuple(pack for pack in plan.packs if not known[pack].any())
    touched = [pack[~known[pack]] for pack in plan.packs if known[pack].any()]
    left = np.sort(np.concatenate([np.array([], dtype=np.int64), *touched]))
    again = plan_packs(sequences.take(left), costs)
    packs = (*untouched, *(left[pack] for pack in again.packs))
    alone = np.sort(np.concatenate([plan.long[~known[plan.long]], left[again.long]]))
    return Plan(packs, alone, 0, plan.digest)


def _members(sequences: Sequences) -> list[IntArray]:
    """Positions of the candidates of each item."""
    positions = np.arange(len(sequences))
    return np.split(positions, np.flatnonzero(np.diff(sequences.items)) + 1) if len(positions) else []


def _cut(sequences: Sequences, items: list[IntArray], costs: RowCosts) -> Iterator[tuple[list[IntArray], int]]:
    """The items of each pack, and its nodes."""
    first = 0
    while first < len(items):
        forest, ends = Forest(), list[_End]()
        for at in range(first, len(items)):
            shared = _add(forest, sequences, items[at])
            if ends:
                ends[-1] = ends[-1]._replace(shared=shared)
            ends.append(_End(len(forest), len(forest.predicting), 0))
            if len(forest) > costs.longest or len(forest.predicting) > costs.predicting:
                break
        kept = _best(ends, costs)
        yield items[first : first + kept], ends[kept - 1].nodes
        first += kept


class _End(NamedTuple):
    """Where a pack may end: after an item, with so many nodes, of which the next item would share some."""

    nodes: int
    predicting: int
    shared: int


def _best(ends: list[_End], costs: RowCosts) -> int:
    """How many items the pack keeps, at least one."""
    fitting = [
        at
        for at, end in enumerate(ends)
        if not at or (end.nodes <= costs.longest and end.predicting <= costs.predicting)
    ]
    return 1 + min(fitting, key=lambda at: (costs.of(ends[at].nodes) + ends[at].shared) / max(1, ends[at].nodes))


def _add(forest: Forest, sequences: Sequences, members: IntArray) -> int:
    """Add an item; how many of its first tokens were there already."""
    return max(forest.add(sequences[at].tolist(), int(sequences.starts[at]))[0] for at in reversed(members))


def _digest(sequences: Sequences, packs: list[IntArray]) -> str:
    digest = hashlib.sha256(sequences.ids.astype("<i4").tobytes())
    for array in (sequences.bounds, sequences.starts, *packs):
        digest.update(array.astype("<i8").tobytes())
    return digest.hexdigest()
