"""Packs: the distinct prefixes of many sequences in one row, each there once.

A *node* is a prefix that has to go through the model because it predicts a scored token or leads to one
that does; its token stands in the row, its depth is its position, and it may look at its ancestors
only. A sequence's last token is predicted, never read, so it is no node.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.adapters.hf.sequences import Sequences
from auditor.core.scores import IntArray


class Forest:
    """A prefix forest that grows by one sequence at a time.

    Attributes:
        tokens: token id of each node; node 0 stands above all first tokens and has none.
        parents: parent of each node, which always comes before it.
        depths: tokens before each node's own.
        predictions: (node, token) asked for, and their order.
        predicting: nodes that predict something.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = [-1]
        self.parents: list[int] = [-1]
        self.depths: list[int] = [-1]
        self.predictions: dict[int, int] = {}
        self.predicting: dict[int, None] = {}
        self._children: dict[int, int] = {}
        # The sequence added last and the nodes of all its tokens but the last: the next one mostly begins alike.
        self._ids: list[int] = []
        self._path: list[int] = []

    def __len__(self) -> int:
        return len(self.tokens) - 1

    def add(self, ids: list[int], start: int) -> tuple[int, list[int]]:
        """Add one sequence.

        Returns:
            How many of its first tokens were nodes already, and where in ``predictions`` each of its
            scored tokens stands.
        """
        path, last = self._path, len(ids) - 1
        known = min(shared_beginning(self._ids, ids), len(path), last)
        # What was asked of the sequence before is walked again for what is asked now.
        begin = min(known, start)
        del path[begin:]
        node, new = (path[-1] if path else 0), False
        wanted: list[int] = []
        children, predictions = self._children, self.predictions
        for at in range(begin, len(ids)):
            # One number in place of a pair: token ids end below 2^31.
            key = node << 32 | ids[at]
            if at >= start:
                wanted.append(predictions.setdefault(key, len(predictions)))
                self.predicting[node] = None
            if at == last:
                break
            child = children.get(key)
            if child is None:
                child = children[key] = self._grow(node, ids[at], at)
                new = True
            elif not new:
                known = max(known, at + 1)
            node = child
            path.append(node)
        self._ids = ids
        return known, wanted

    def _grow(self, parent: int, token: int, depth: int) -> int:
        self.tokens.append(token)
        self.parents.append(parent)
        self.depths.append(depth)
        return len(self.tokens) - 1


def shared_beginning(one: list[int], other: list[int]) -> int:
    """How many elements both begin with."""
    # Slices are compared at once, elements one by one.
    stride, at, end = 16, 0, min(len(one), len(other))
    while at < end and one[at : at + stride] == other[at : at + stride]:
        at += stride
    while at < end and one[at] == other[at]:
        at += 1
    return min(at, end)


@dataclass(frozen=True, slots=True)
class Pack:
    """One row for one forward pass; the nodes that predict something stand last.

    Attributes:
        tokens: token ids, shape (nodes,).
        depths: position of each node in its own sequence, same shape.
        enters: a node is an ancestor of another (or itself) if the other enters at or after it and before it
            leaves; same shape.
        leaves: see ``enters``.
        n_predicting: how many nodes at the end of the row predict something.
        rows: of each prediction its node, counted from the first that predicts, never falling, shape (predictions,).
        targets: the token id it asks for, same shape.
        wanted: index of a prediction for each scored token of all sequences, one sequence after the other.
        bounds: where each sequence begins in ``wanted``, and where the last ends.
    """

    tokens: IntArray
    depths: IntArray
    enters: IntArray
    leaves: IntArray
    n_predicting: int
    rows: IntArray
    targets: IntArray
    wanted: IntArray
    bounds: IntArray

    @classmethod
    def of(cls, sequences: Sequences) -> Pack:
        """Lay out all sequences in one row, the same one whatever order they come in."""
        forest = Forest()
        wanted: list[list[int]] = [[]] * len(sequences)
        for at in sorted(range(len(sequences)), key=sequences.sorting_key):
            wanted[at] = forest.add(sequences[at].tolist(), int(sequences.starts[at]))[1]
        enters, leaves = _intervals(forest.parents)
        predicting = np.zeros(len(forest.tokens), dtype=bool)
        predicting[list(forest.predicting)] = True
        # Node 0 is nobody's token.
        order = 1 + np.argsort(predicting[1:], kind="stable")
        row_of = np.empty(len(forest.tokens), dtype=np.int64)
        row_of[order] = np.arange(len(order))
        n_predicting = len(forest.predicting)
        keys = np.fromiter(forest.predictions, dtype=np.int64)
        rows = row_of[keys >> 32] - (len(order) - n_predicting)
        by_row = np.argsort(rows, kind="stable")
        place = np.empty_like(by_row)
        place[by_row] = np.arange(len(by_row))
        return cls(
            tokens=np.array(forest.tokens)[order],
            depths=np.array(forest.depths)[order],
            enters=enters[order],
            leaves=leaves[order],
            n_predicting=n_predicting,
            rows=rows[by_row],
            targets=(keys & 0xFFFFFFFF)[by_row],
            wanted=place[np.array([one for own in wanted for one in own], dtype=np.int64)],
            bounds=sequences.scored_bounds,
        )


def _intervals(parents: list[int]) -> tuple[IntArray, IntArray]:
    """Each node's place in a walk of the forest, and one past the last place in its own branch."""
    sizes = [1] * len(parents)
    for node in range(len(parents) - 1, 0, -1):
        sizes[parents[node]] += sizes[node]
    enters, free = [0] * len(parents), [1] * len(parents)
    for node in range(1, len(parents)):
        parent = parents[node]
        enters[node] = free[parent]
        free[parent] += sizes[node]
        free[node] = enters[node] + 1
    places = np.array(enters, dtype=np.int64)
    return places, places + np.array(sizes, dtype=np.int64)
