"""Twin of auditor.adapters.hf.packs: the forest against sets of prefixes, which know nothing of nodes."""

from __future__ import annotations

import numpy as np
from engine_cases import alike
from hypothesis import given
from hypothesis import strategies as st

from auditor.adapters.hf.packs import Forest, Pack
from auditor.adapters.hf.sequences import Sequences

# Few token ids, so that sequences often begin alike.
IDS = st.lists(st.integers(0, 3), min_size=2, max_size=7)
ROWS = st.lists(IDS.flatmap(lambda ids: st.tuples(st.just(ids), st.integers(1, len(ids) - 1))), min_size=1, max_size=12)


def prefixes(sequences: Sequences) -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
    """All that must go through the model, and of these all that predict a scored token."""
    rows = [(tuple(sequences[at].tolist()), int(start)) for at, start in enumerate(sequences.starts)]
    nodes = {ids[:end] for ids, _ in rows for end in range(1, len(ids))}
    return nodes, {ids[:end] for ids, start in rows for end in range(start, len(ids))}


def paths(pack: Pack) -> list[tuple[int, ...]]:
    """The prefix each node of the row stands for, read off the intervals as the mask is."""
    found = []
    for node in range(len(pack.tokens)):
        seen = np.flatnonzero((pack.enters <= pack.enters[node]) & (pack.enters[node] < pack.leaves))
        in_order = seen[np.argsort(pack.depths[seen])]
        assert pack.depths[in_order].tolist() == list(range(len(seen)))
        assert in_order[-1] == node
        found.append(tuple(pack.tokens[in_order].tolist()))
    return found


class TestForest:
    def test_by_hand(self) -> None:
        forest = Forest()
        # 5 and 5 6 are read; 5 6 predicts 7.
        assert forest.add([5, 6, 7], 2) == (0, [0])
        # Both nodes are known; 5 6 predicts 8 too.
        assert forest.add([5, 6, 8], 2) == (2, [1])
        # 5 predicts 6; 5 6 7 is new and predicts 9.
        assert forest.add([5, 6, 7, 9], 1) == (2, [2, 0, 3])
        assert len(forest) == 3
        assert forest.tokens[1:] == [5, 6, 7]
        assert forest.parents[1:] == [0, 1, 2]
        assert forest.depths[1:] == [0, 1, 2]
        assert len(forest.predicting) == 3

    @given(ROWS)
    def test_counts(self, rows: list[tuple[list[int], int]]) -> None:
        forest = Forest()
        for ids, start in rows:
            forest.add(ids, start)
        nodes, predicting = prefixes(Sequences.of(rows))
        assert (len(forest), len(forest.predicting)) == (len(nodes), len(predicting))


def check(sequences: Sequences) -> None:
    pack = Pack.of(sequences)
    nodes, predicting = prefixes(sequences)
    found = paths(pack)
    assert len(found) == len(set(found))
    assert set(found) == nodes
    assert set(found[len(found) - pack.n_predicting :]) == predicting
    behind = found[len(found) - pack.n_predicting :]
    for at in range(len(sequences)):
        ids, start = tuple(sequences[at].tolist()), int(sequences.starts[at])
        asked = pack.wanted[pack.bounds[at] : pack.bounds[at + 1]]
        assert [behind[pack.rows[one]] for one in asked] == [ids[:end] for end in range(start, len(ids))]
        assert pack.targets[asked].tolist() == list(ids[start:])


class TestPack:
    @given(ROWS)
    def test_every_prefix_once(self, rows: list[tuple[list[int], int]]) -> None:
        check(Sequences.of(rows))

    def test_items_that_begin_alike(self) -> None:
        check(alike())

    def test_one_token_candidates_cost_nothing(self) -> None:
        options = Pack.of(Sequences.of([([5, 6, option], 2) for option in range(10, 16)]))
        assert options.tokens.tolist() == [5, 6]
        assert options.n_predicting == 1
        assert sorted(options.targets) == list(range(10, 16))

    @given(ROWS, st.randoms())
    def test_order_of_sequences_does_not_matter(self, rows: list[tuple[list[int], int]], random: object) -> None:
        shuffled = list(range(len(rows)))
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        one, other = Pack.of(Sequences.of(rows)), Pack.of(Sequences.of([rows[at] for at in shuffled]))
        for name in ("tokens", "depths", "enters", "leaves"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()

    def test_largest_token_ids(self) -> None:
        check(Sequences.of([([2**31 - 1, 2**31 - 2, 0], 1), ([2**31 - 1, 1, 0], 1)]))
