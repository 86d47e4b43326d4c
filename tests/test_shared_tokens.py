"""Which tokens two sides share."""

import random
from difflib import SequenceMatcher

import numpy as np
import pytest
from fake_scores import pair, scored

from auditor.core.score_columns import Column
from auditor.core.scores import CandidateScore
from auditor.core.shared_tokens import matching_blocks, shared_positions, shared_tokens


def _sides(harmful: list[int], affirming: list[int]) -> tuple[CandidateScore, CandidateScore]:
    one = scored(pair("a"), [[-1.0] * len(harmful), [-1.0] * len(affirming)], [harmful, affirming])
    return one.candidates[0], one.candidates[1]


def test_positions_of_equal_tokens_on_either_side() -> None:
    shared = shared_tokens(*_sides([5, 6, 7, 8], [9, 6, 7, 4, 8]))
    assert shared.harmful.tolist() == [1, 2, 3]
    assert shared.affirming.tolist() == [1, 2, 4]


def test_nothing_shared() -> None:
    shared = shared_tokens(*_sides([5], [6]))
    assert (len(shared.harmful), len(shared.affirming)) == (0, 0)


def test_a_token_that_only_ends_the_turn_is_left_out() -> None:
    harmful, affirming = _sides([5, 3], [6, 3])
    closed = []
    for side in (harmful, affirming):
        # The text is one character long, and the last token stands behind it.
        fields = {"starts": np.array([0, 1]), "ends": np.array([1, 1])}
        names = ("label", "prefix_ids", "token_ids", "tokens", "logprobs", "n_bytes")
        closed.append(CandidateScore(**{name: getattr(side, name) for name in names}, **fields))
    assert len(shared_tokens(*closed).harmful) == 0


@pytest.mark.parametrize("vocabulary", [2, 5, 40])
def test_blocks_are_those_of_difflib(vocabulary: int) -> None:
    rng = random.Random(vocabulary)

    def words(most: int) -> list[int]:
        return [rng.randrange(vocabulary) for _ in range(rng.randint(0, most))]

    for _ in range(3000):
        head, tail = words(6), words(3)
        one, other = (head + words(5) + tail for _ in range(2))
        expected = SequenceMatcher(a=one, b=other).get_matching_blocks()
        pairs = {(block.a + at, block.b + at) for block in expected for at in range(block.size)}
        assert {(a + at, b + at) for a, b, size in matching_blocks(one, other) for at in range(size)} == pairs


def test_of_long_sides_difflib_leaves_out_what_is_frequent() -> None:
    one, other = [1, 2, 3], [1] * 250
    assert matching_blocks(one, other) == [
        (block.a, block.b, block.size) for block in SequenceMatcher(a=one, b=other).get_matching_blocks()
    ]


def test_many_pairs_at_once() -> None:
    rng = np.random.default_rng(0)
    given = []
    for at in range(40):
        ids = [rng.integers(0, 6, rng.integers(1, 9)).tolist() for _ in range(2)]
        one = scored(pair(str(at)), [[-1.0] * len(own) for own in ids], ids)
        for side in one.candidates:
            n = len(side.starts) - int(rng.integers(0, 2))
            side.starts[n:], side.ends[n:] = n, n
        given.append(one)
    cuts = Column.of(given).spans.cuts
    positions, lengths = shared_positions(cuts, np.arange(2 * len(given)).reshape(-1, 2)[5:])
    expected = [side for one in given[5:] for side in shared_tokens(*one.candidates)]
    assert lengths.tolist() == [len(side) for side in expected]
    flat = [cuts.scored[10 + at] + place for at, side in enumerate(expected) for place in side.tolist()]
    assert positions.tolist() == flat
