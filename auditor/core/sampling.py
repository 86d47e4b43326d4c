"""A smaller audit that is still an audit, of whole clusters; and items to keep the tokens of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from auditor.core.items import Item, Probe
from auditor.core.statistics import IntArray
from auditor.core.tables import codes_of


def limit_clusters(probe: Probe, limit: int, seed: int) -> Probe:
    """Keep whole groups of a probe's items until there are ``limit`` of them; the last group may exceed it.

    What shares a cluster or a declared match key belongs together: a row never loses a reference or a
    control. Groups are drawn in an order that depends on the seed alone. One that holds harmful rows comes
    first; from then on groups that hold only neutral ones, the form-matched controls, alternate with them
    while there are both; one that stands right behind a harmful group, as a twin does behind its predicate,
    comes with it.
    """
    group = _groups(probe.items)
    sizes = np.bincount(group)
    harmful = np.zeros(len(sizes), dtype=bool)
    harmful[[code for code, item in zip(group, probe.items, strict=True) if item.valence == "harm"]] = True
    generator = np.random.default_rng(seed)
    drawn, others = (generator.permutation(np.flatnonzero(kind)).tolist() for kind in (harmful, ~harmful))
    order = np.array(_in_turn(drawn, others, harmful), dtype=np.intp)
    kept = order[np.cumsum(sizes[order]) - sizes[order] < limit]
    is_kept = np.isin(group, kept)
    items = tuple(item for item, stays in zip(probe.items, is_kept, strict=True) if stays)
    return Probe(probe.name, items, probe.card, probe.refusals)


def _in_turn(drawn: Sequence[int], others: Sequence[int], harmful: NDArray[np.bool_]) -> list[int]:
    """Groups of harmful rows as they were drawn, each with a neutral one: its twin, or else the next of the others."""
    # Groups are numbered as they come up in the probe.
    twins = {code: code + 1 for code in drawn if code + 1 < len(harmful) and not harmful[code + 1]}
    # Those that are nobody's twin are taken first where one is lacking.
    waiting = dict.fromkeys(sorted(others, key=set(twins.values()).__contains__))
    order: list[int] = []
    for code in drawn:
        own = twins.get(code, -1)
        partner = own if own in waiting else next(iter(waiting), -1)
        waiting.pop(partner, None)
        order += [code] if partner < 0 else [code, partner]
    return [*order, *waiting]


def _groups(items: tuple[Item, ...]) -> IntArray:
    """Number the groups of items that are linked by a cluster or a match key, shape (n,)."""
    n = len(items)
    cluster = codes_of(item.cluster for item in items)
    match = codes_of(item.match or ("no match", item.id) for item in items)
    # A graph of items, clusters and match keys: an edge from each item to its own two.
    first_match = n + int(cluster.max()) + 1
    size = first_match + int(match.max()) + 1
    rows = np.concatenate([np.arange(n), np.arange(n)])
    columns = np.concatenate([n + cluster, first_match + match])
    _, component = connected_components(
        coo_array((np.ones(2 * n), (rows, columns)), shape=(size, size)), directed=False
    )
    return codes_of(component[:n].tolist())


@dataclass(frozen=True, slots=True)
class TokenSample:
    """Of which items the tokens are kept.

    Attributes:
        name: whether all, a sample or none.
        chosen: ids of the items by probe, None for all.
        items: how many; None for all where nobody has counted.
    """

    name: Literal["all", "sample", "none"]
    chosen: Mapping[str, frozenset[str]] | None
    items: int | None = None


ALL_TOKENS = TokenSample("all", None)
# Under so many items all tokens are kept unless something else is asked for; of more, those of a sample of this size.
MANY_ITEMS, SAMPLE_SIZE = 50_000, 5_000


def sample_tokens(
    probes: Sequence[Probe], asked: Literal["auto", "all", "sample", "none"], seed: int, size: int = SAMPLE_SIZE
) -> TokenSample:
    """Choose the items whose tokens are kept, in proportion from each identity of each probe; ``auto`` by their number.

    Args:
        seed: of the sample.
        size: of the sample; all items where there are no more.
    """
    n = sum(len(probe.items) for probe in probes)
    if asked == "none":
        return TokenSample("none", {}, 0)
    if asked == "all" or (asked == "auto" and n < MANY_ITEMS):
        return TokenSample("all", None, n)
    stratum = codes_of((probe.name, item.identity) for probe in probes for item in probe.items)
    taken = np.zeros(n, dtype=bool)
    taken[in_turn(stratum, seed)[:size]] = True
    chosen, first = {}, 0
    for probe in probes:
        own = np.flatnonzero(taken[first : first + len(probe.items)]).tolist()
        chosen[probe.name] = frozenset(probe.items[at].id for at in own)
        first += len(probe.items)
    return TokenSample("sample", chosen, int(taken.sum()))


def in_turn(stratum: IntArray, seed: int) -> IntArray:
    """An order of n items in which every beginning holds of each stratum in proportion to its size, shape (n,).

    Args:
        stratum: code of each item's stratum, from 0, shape (n,).
        seed: of the order within a stratum and of where each begins.
    """
    n = len(stratum)
    generator = np.random.default_rng(seed)
    order = np.lexsort((generator.random(n), stratum))
    sizes = np.bincount(stratum)
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Strata take turns in proportion to their sizes; each begins by chance, so that small ones get their share.
    turn = (rank + generator.random(len(sizes))[stratum]) / sizes[stratum]
    return np.argsort(turn, kind="stable")
