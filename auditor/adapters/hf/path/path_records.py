"""What is known of the parts along a path between two checkpoints, node by node: from the stores, or from just now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.adapters.cache.score_store import Float32Array
from auditor.adapters.hf.kept_vectors import KeptVectors
from auditor.adapters.hf.path.weight_units import WeightMap, units_of
from auditor.core.score_columns import Mask
from auditor.core.scores import FloatArray


def gauss_legendre(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Places and weights of the rule on [0, 1], each of shape (nodes,); exact for polynomials of degree 2 x nodes - 1.

    Raises:
        ValueError: there is no rule of so many nodes.
    """
    if nodes < 1:
        raise ValueError(f"a rule has at least one node, not {nodes}")
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


class PathRecord:
    """Parts of each item at each node; those of tensors that do not move are 0 and are not held.

    Args:
        kept: where it is read from and written to.
        scopes: of the whole path first, then of each node.
        keys: of each item.

    Attributes:
        weights: the model's tensors, None while no checkpoint of the path was ever loaded.
        before: margins in nats, NaN where not known, shape (n_items,); ``after`` likewise.
        known: which parts are known, shape (n_items, n_nodes).
    """

    def __init__(self, kept: KeptVectors, scopes: Sequence[str], keys: Sequence[bytes]) -> None:
        self._kept, self._scopes, self._keys = kept, scopes, keys
        self.before, self.after = np.full((2, len(keys)), np.nan)
        self.known: Mask = np.zeros((len(keys), len(scopes) - 1), dtype=bool)
        facts = kept.facts(scopes[0])
        self.weights = None if facts is None else WeightMap.from_json(facts)
        self._parts = self._room()
        if self.weights is not None:
            self._recall()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to compute."""
        return self.weights is not None and bool(self.known.all() and np.isfinite(self.before + self.after).all())

    def begin(self, weights: WeightMap, before: FloatArray, after: FloatArray) -> None:
        """Both checkpoints are loaded: note what they are made of and their margins, shape (n_items,)."""
        if self.weights != weights:
            self.weights, self._parts = weights, self._room(weights)
            self.known[:] = False
        self.before[:], self.after[:] = before, after
        self._kept.keep_facts(self._scopes[0], weights.to_json())
        # The same bits as pairs of float32, which is what a store holds.
        ends = np.stack([self.before, self.after], axis=1).view(np.float32)
        self._kept.keep(self._scopes[0], list(zip(self._keys, ends, strict=True)))

    def add(self, item: int, node: int, parts: Float32Array) -> None:
        """Keep the parts of one item at one node, unweighted, of the units that move."""
        self._parts[item, node] = parts
        self.known[item, node] = True
        self._kept.keep(self._scopes[1 + node], [(self._keys[item], parts)])

    def integral(self) -> FloatArray:
        """Parts of all units, moved or not, summed over the nodes, nats, shape (n_items, n_units)."""
        if self.weights is None:
            raise ValueError("no checkpoint of this path was loaded")
        moves = np.concatenate([[one.weight.moves] * len(one.units) for one in units_of(self.weights)])
        values = np.zeros((len(self._keys), len(moves)))
        for node, weight in enumerate(gauss_legendre(len(self._scopes) - 1)[1]):
            values[:, moves] += weight * self._parts[:, node].astype(np.float64)
        return values

    def _room(self, weights: WeightMap | None = None) -> Float32Array:
        tensors = () if weights is None else units_of(weights)
        moving = sum(len(one.units) for one in tensors if one.weight.moves)
        return np.zeros((*self.known.shape, moving), dtype=np.float32)

    def _recall(self) -> None:
        self._parts = self._room(self.weights)
        for item, ends in enumerate(self._kept.find(self._scopes[0], self._keys)):
            if ends is not None and len(ends) == 4:
                self.before[item], self.after[item] = ends.view(np.float64)
        for node, scope in enumerate(self._scopes[1:]):
            for item, parts in enumerate(self._kept.find(scope, self._keys)):
                if parts is not None and len(parts) == self._parts.shape[-1]:
                    self._parts[item, node] = parts
                    self.known[item, node] = True
