"""Sums of all candidates at once are bit for bit those of each alone."""

from __future__ import annotations

import numpy as np
import pytest
from fake_scores import pair, scored

from auditor.core import column_sums
from auditor.core.column_sums import closing, segment_sums, text_totals, totals
from auditor.core.score_columns import Column
from auditor.core.scores import ScoredItem


def _scored(seed: int, longest: int) -> list[ScoredItem]:
    """Pairs of random lengths, whose last tokens may end the turn."""
    rng = np.random.default_rng(seed)
    found = []
    for at in range(60):
        logprobs = [rng.normal(-4, 3, rng.integers(1, longest)).astype(np.float32).tolist() for _ in range(2)]
        one = scored(pair(str(at)), logprobs)
        for side in one.candidates:
            closers = rng.integers(0, 3)
            n = max(len(side.starts) - int(closers), 0)
            side.starts[n:], side.ends[n:] = n, n
        found.append(one)
    return found


@pytest.mark.parametrize("longest", [9, 300])
@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_as_one_candidate_alone(monkeypatch: pytest.MonkeyPatch, longest: int, chunk: int) -> None:
    monkeypatch.setattr(column_sums, "_CHUNK", chunk)
    given = _scored(longest, longest)
    column = Column.of(given)
    sides = [side for one in given for side in one.candidates]
    for first, end in ((0, len(sides)), (3, 100)):
        arguments = column.spans.cuts, column.logprobs, first, end
        assert totals(*arguments).tolist() == [side.total for side in sides[first:end]]
        assert text_totals(*arguments).tolist() == [side.text_total for side in sides[first:end]]
        behind = np.concatenate([side.closes_turn for side in sides[first:end]])
        assert closing(column.spans.cuts, first, end).tolist() == behind.tolist()


def test_an_empty_segment_sums_to_nothing() -> None:
    assert segment_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0, 1, 0])).tolist() == [0.0, 3.0, 0.0, 4.0, 0.0]
    assert segment_sums(np.array([]), np.array([], dtype=np.int64)).tolist() == []


def test_sums_of_float32_are_taken_in_float64() -> None:
    values = np.array([1e8, 1.0, -1e8], dtype=np.float32)
    assert segment_sums(values, np.array([3])).tolist() == [1.0]
