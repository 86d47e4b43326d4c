"""Twin of auditor.adapters.hf.kept_scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf import kept_scores
from auditor.adapters.hf.kept_scores import Facts, KeptScores, scope_of
from auditor.adapters.hf.sequences import Scored, Sequences

ENGINE = {"dtype": "float32", "forward": "packed"}
SCOPE = scope_of("a" * 64, ENGINE)
# Two scored tokens, one, three.
SEQUENCES = Sequences.of([([5, 6, 7], 1), ([5, 6, 8], 2), ([1, 2, 3, 4], 1)], [0, 0, 1])
FIRST = Scored([0, 1], [np.array([-1, -2], np.float32), np.array([-3], np.float32)])
SECOND = Scored([2], [np.array([-4, -5, -np.inf], np.float32)])


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[ScoreStore]]:
    opened = [ScoreStore.open(tmp_path / name) for name in "ab"]
    yield opened
    for one in opened:
        one.close()


def found(stores: list[ScoreStore], sequences: Sequences = SEQUENCES, scope: str = SCOPE) -> list[float | None]:
    logprobs, known = KeptScores(stores, scope).find(sequences)
    assert logprobs.dtype == np.float32
    bounds = sequences.scored_bounds
    for at in range(len(sequences)):
        assert np.isnan(logprobs[bounds[at] : bounds[at + 1]]).all() == (not known[at])
    return [None if np.isnan(one) else float(one) for one in logprobs]


def kept(stores: list[ScoreStore], *passes: Scored) -> None:
    scores = KeptScores(stores, SCOPE)
    scores.find(SEQUENCES)
    for one in passes:
        scores.keep(one)


@pytest.mark.parametrize("at_once", [1, 2, 3, 50_000])
def test_asks_in_parts(stores: list[ScoreStore], at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_scores, "_AT_ONCE", at_once)
    kept(stores[:1], FIRST)
    kept(stores, SECOND)
    assert found(stores) == [-1, -2, -3, -4, -5, -np.inf]


class TestScores:
    def test_what_was_kept_is_found(self, stores: list[ScoreStore]) -> None:
        assert found(stores) == [None] * 6
        kept(stores[:1], SECOND)
        assert found(stores) == [None, None, None, -4, -5, -np.inf]
        kept(stores[:1], FIRST)
        assert found(stores) == [-1, -2, -3, -4, -5, -np.inf]

    def test_goes_to_the_last_store_and_comes_from_all(self, stores: list[ScoreStore]) -> None:
        kept(stores[:1], FIRST)
        kept(stores, SECOND)
        assert found(stores[:1]) == [-1, -2, -3, None, None, None]
        assert found(stores[1:]) == [None, None, None, -4, -5, -np.inf]
        assert found(stores) == [-1, -2, -3, -4, -5, -np.inf]

    def test_another_model_or_engine_finds_nothing(self, stores: list[ScoreStore]) -> None:
        kept(stores, FIRST, SECOND)
        for scope in (scope_of("b" * 64, ENGINE), scope_of("a" * 64, {**ENGINE, "dtype": "bfloat16"})):
            assert found(stores, scope=scope) == [None] * 6

    @pytest.mark.parametrize(
        ("ids", "start"), [([5, 6, 9], 1), ([5, 6, 7], 2), ([4, 6, 7], 1), ([5, 6, 7, 7], 1), ([0, 5, 6, 7], 2)]
    )
    def test_other_tokens_or_another_span_find_nothing(
        self, stores: list[ScoreStore], ids: list[int], start: int
    ) -> None:
        kept(stores, FIRST, SECOND)
        assert set(found(stores, Sequences.of([(ids, start)]))) == {None}

    def test_the_same_tokens_elsewhere_are_found(self, stores: list[ScoreStore]) -> None:
        kept(stores, FIRST)
        assert found(stores, Sequences.of([([9, 9], 1), ([5, 6, 8], 2)])) == [None, -3]

    def test_without_a_store(self) -> None:
        assert found([]) == [None] * 6
        kept([], FIRST)

    def test_seconds(self, stores: list[ScoreStore]) -> None:
        scores = KeptScores(stores, SCOPE)
        scores.find(SEQUENCES)
        before = scores.seconds
        scores.keep(FIRST)
        assert 0 < before < scores.seconds


class TestFacts:
    FACTS = Facts(("2 tensors are not used",), 400)

    def test_round_trip(self, stores: list[ScoreStore]) -> None:
        scores = KeptScores(stores, SCOPE)
        assert scores.facts is None
        scores.keep_facts(self.FACTS)
        assert scores.facts == self.FACTS
        assert KeptScores(stores[:1], SCOPE).facts is None
        assert KeptScores(stores, scope_of("b" * 64, ENGINE)).facts is None
