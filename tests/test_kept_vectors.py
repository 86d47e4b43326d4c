"""Twin of auditor.adapters.hf.kept_vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf.kept_scores import scope_of
from auditor.adapters.hf.kept_vectors import KeptVectors, vector_key, vector_scope
from auditor.adapters.hf.sequences import Sequences

ENGINE = {"dtype": "float32"}
SCOPE = vector_scope("path", {"nodes": "8"}, ["a" * 64, "b" * 64], ENGINE)
KEYS = [bytes([at]) * 32 for at in range(3)]
ONE, TWO = np.array([1, -2, 0.5], np.float32), np.array([np.nan], np.float32)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[ScoreStore]]:
    opened = [ScoreStore.open(tmp_path / name) for name in "ab"]
    yield opened
    for one in opened:
        one.close()


class TestVectors:
    def test_what_was_kept_is_found(self, stores: list[ScoreStore]) -> None:
        kept = KeptVectors(stores[:1])
        assert kept.find(SCOPE, KEYS) == [None] * 3
        kept.keep(SCOPE, [(KEYS[2], ONE), (KEYS[0], TWO)])
        first, none, last = kept.find(SCOPE, KEYS)
        assert none is None
        np.testing.assert_array_equal(first, TWO)
        np.testing.assert_array_equal(last, ONE)

    def test_goes_to_the_last_store_and_comes_from_all(self, stores: list[ScoreStore]) -> None:
        KeptVectors(stores[:1]).keep(SCOPE, [(KEYS[0], ONE)])
        both = KeptVectors(stores)
        both.keep(SCOPE, [(KEYS[1], ONE)])
        for store, there in ((stores[:1], [True, False, False]), (stores[1:], [False, True, False])):
            assert [one is not None for one in KeptVectors(store).find(SCOPE, KEYS)] == there
        assert [one is not None for one in both.find(SCOPE, KEYS)] == [True, True, False]

    def test_float64_comes_back_to_the_bit(self, stores: list[ScoreStore]) -> None:
        values = np.array([1 / 3, -1e-300, np.nan, np.pi])
        KeptVectors(stores).keep(SCOPE, [(KEYS[0], values.view(np.float32))])
        (found, *_) = KeptVectors(stores).find(SCOPE, KEYS)
        assert found is not None
        np.testing.assert_array_equal(found.view(np.float64), values)

    def test_facts(self, stores: list[ScoreStore]) -> None:
        kept = KeptVectors(stores)
        assert kept.facts(SCOPE) is None
        KeptVectors(stores[:1]).keep_facts(SCOPE, {"a": [1, 2]})
        assert kept.facts(SCOPE) == {"a": [1, 2]}

    def test_without_a_store(self) -> None:
        kept = KeptVectors([])
        kept.keep(SCOPE, [(KEYS[0], ONE)])
        kept.keep_facts(SCOPE, {})
        assert kept.find(SCOPE, KEYS) == [None] * 3
        assert kept.facts(SCOPE) is None


def test_all_that_decides_a_vector_is_in_its_scope() -> None:
    both = ["a" * 64, "b" * 64]
    others = (
        vector_scope("ig", {"nodes": "8"}, both, ENGINE),
        vector_scope("path", {"nodes": "16"}, both, ENGINE),
        vector_scope("path", {"nodes": "8"}, both[::-1], ENGINE),
        vector_scope("path", {"nodes": "8"}, both, {"dtype": "bfloat16"}),
        scope_of("a" * 64, ENGINE),
    )
    assert len({SCOPE, *others}) == 6
    assert len(bytes.fromhex(SCOPE)) == 32


def test_all_that_decides_an_item_is_in_its_key() -> None:
    rows = [([1, 2, 3], 1), ([1, 2, 4], 1), ([1, 2, 3], 2), ([1, 2, 3, 1, 2], 1), ([4], 1)]
    pairs = Sequences.of(rows)
    named = {vector_key(pairs, np.array(one)) for one in ([0, 1], [1, 0], [2, 1], [0], [3, 4], [0, 2])}
    assert len(named) == 6
    assert all(len(one) == 32 for one in named)
    assert vector_key(pairs, np.array([0, 1])) == vector_key(Sequences.of([([9], 1), *rows]), np.array([1, 2]))
