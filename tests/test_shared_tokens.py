"""Which tokens two sides share."""

import numpy as np
from fake_scores import pair, scored

from auditor.core.scores import CandidateScore
from auditor.core.shared_tokens import shared_tokens


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
