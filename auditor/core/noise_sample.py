"""Which items of a half-precision audit are scored once more in float32.

Whole match keys, so that the rounding error of an excess is seen on the rows it is made of; every identity, role and
valence served as evenly as the keys allow; two keys of one cluster at a time where it has two, so that what rows of a
cluster share can be told from what rows of one identity share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from auditor.core.contrasts import match_key
from auditor.core.items import Item, Probe
from auditor.core.statistics import IntArray
from auditor.core.tables import codes_of

# Items of a probe, its baselines not counted.
NOISE_SAMPLE = 200


def sample_for_noise(probe: Probe, seed: int, size: int = NOISE_SAMPLE) -> Probe:
    """The probe with at least ``size`` of its pairs, or all of them, and their baselines.

    Args:
        size: the last match key taken may exceed it.
    """
    pairs = [item for item in probe.items if _has_margin(item)]
    chosen = {pairs[row].id for row in _draw(pairs, size, np.random.default_rng(seed))}
    chosen |= {item.baseline for item in pairs if item.id in chosen and item.baseline}
    return replace(probe, items=tuple(item for item in probe.items if item.id in chosen), refusals=())


def _has_margin(item: Item) -> bool:
    return item.pair is not None and item.design != "naming" and not item.is_baseline


def _draw(items: Sequence[Item], size: int, generator: np.random.Generator) -> list[int]:
    """Places of the drawn items: again and again the next key of whoever has the fewest rows so far."""
    if len(items) <= size:
        return list(range(len(items)))
    key = codes_of(map(match_key, items))
    cluster = codes_of((item.axis, item.valence, item.cluster) for item in items)
    who = codes_of((item.identity, item.axis, item.role, item.valence, item.design) for item in items)
    by_key = np.argsort(key, kind="stable")
    bounds = np.searchsorted(key[by_key], np.arange(int(key.max()) + 2))
    cluster_of = cluster[by_key[bounds[:-1]]]
    ranks = generator.permutation(len(cluster_of)), generator.permutation(int(cluster.max()) + 1)[cluster_of]
    waiting = [_queue(np.unique(key[who == one]), *ranks) for one in range(int(who.max()) + 1)]
    served = np.zeros(len(waiting), dtype=np.intp)
    taken: set[int] = set()
    chosen: list[int] = []
    while len(chosen) < size:
        for keys in waiting:
            while keys and keys[-1] in taken:
                keys.pop()
        least = min((one for one, keys in enumerate(waiting) if keys), key=served.__getitem__)
        taken.add(drawn := waiting[least].pop())
        rows = by_key[bounds[drawn] : bounds[drawn + 1]]
        np.add.at(served, who[rows], 1)
        chosen += rows.tolist()
    return chosen


def _queue(keys: IntArray, key_rank: IntArray, cluster_rank: IntArray) -> list[int]:
    """Match keys in which a group is asked, the next at the end: two of each cluster in turn, by rank."""
    keys = keys[np.lexsort((key_rank[keys], cluster_rank[keys]))]
    _, first, own = np.unique(cluster_rank[keys], return_index=True, return_inverse=True)
    turn = (np.arange(len(keys)) - first[own]) // 2
    queue: list[int] = keys[np.argsort(turn, kind="stable")][::-1].tolist()
    return queue
