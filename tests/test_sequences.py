"""Twin of auditor.adapters.hf.sequences."""

from __future__ import annotations

import numpy as np

from auditor.adapters.hf.sequences import Sequences

ROWS = [([5, 6, 7], 1), ([5, 6], 1), ([9, 8, 7, 6], 3), ([1, 2], 1)]


def test_flat_arrays() -> None:
    found = Sequences.of(ROWS, [0, 0, 1, 2])
    assert found.ids.dtype == np.int32
    assert found.ids.tolist() == [5, 6, 7, 5, 6, 9, 8, 7, 6, 1, 2]
    assert found.bounds.tolist() == [0, 3, 5, 9, 11]
    assert [found[at].tolist() for at in range(len(found))] == [ids for ids, _ in ROWS]
    assert found.lengths.tolist() == [3, 2, 4, 2]
    # 2 + 1 + 1 + 1 scored tokens
    assert found.scored_bounds.tolist() == [0, 2, 3, 4, 5]
    assert found.items.tolist() == [0, 0, 1, 2]
    assert Sequences.of(ROWS).items.tolist() == [0, 1, 2, 3]


def test_take() -> None:
    found = Sequences.of(ROWS, [0, 0, 1, 2])
    some = found.take(np.array([1, 2, 2]))
    assert [some[at].tolist() for at in range(3)] == [[5, 6], [9, 8, 7, 6], [9, 8, 7, 6]]
    assert some.starts.tolist() == [1, 3, 3]
    assert some.items.tolist() == [0, 1, 1]


def test_texts_are_told_apart_by_ids_and_by_where_scoring_starts() -> None:
    found = Sequences.of([([5, 6, 7], 1), ([5, 6], 1), ([5, 6, 7], 1), ([5, 6, 7], 2), ([5, 6], 1), ([5, 6, 7], 1)])
    positions, places = found.distinct()
    assert positions.tolist() == [0, 1, 3]
    assert places.tolist() == [0, 1, 0, 2, 1, 0]
    keys = [found.key(at) for at in range(len(found))]
    assert [keys.index(key) for key in keys] == [0, 1, 0, 3, 1, 0]
    assert {len(key) for key in keys} == {32}


def test_nothing() -> None:
    nothing = Sequences.of([])
    assert [one.tolist() for one in nothing.distinct()] == [[], []]
    assert len(nothing) == 0
    assert nothing.bounds.tolist() == nothing.scored_bounds.tolist() == [0]
    assert len(Sequences.of(ROWS).take(np.array([], dtype=np.int64))) == 0


def test_one_more_token_is_all_that_is_asked_of_a_text_read_to_its_end() -> None:
    few = Sequences.of([([3, 4, 5], 1), ([7], 0), ([3, 4], 1)], [0, 0, 1])
    longer = few.read_to_the_end()
    assert [longer[at].tolist() for at in range(3)] == [[3, 4, 5, 0], [7, 0], [3, 4, 0]]
    assert longer.starts.tolist() == [3, 1, 2]
    assert longer.scored_bounds.tolist() == [0, 1, 2, 3]
    assert longer.items.tolist() == [0, 0, 1]
    assert longer.ids.dtype == few.ids.dtype
    assert len(Sequences.of([]).read_to_the_end()) == 0
