"""Margins made of the sums of both sides."""

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import pair, scored

from auditor.core.items import Candidate
from auditor.core.score_columns import Column, Rows
from auditor.core.scores import ScoredItem, ScoreKind
from auditor.core.sides import Sides, sides_of

# Harmful: tokens -1, -2, -3 (6 bytes); affirming: -4, -6 (3 bytes); the last token of both is the same one.
ITEM = pair("a")
ONE = scored(ITEM, [[-1.0, -2.0, -3.0], [-4.0, -6.0]], [[5, 6, 9], [7, 9]])
BYTES = tuple(replace(side, n_bytes=n) for side, n in zip(ONE.candidates, (6, 3), strict=True))


def _rows(*scored: ScoredItem | None) -> Rows:
    there = [one is not None for one in scored]
    at = np.where(there, np.cumsum(there) - 1, -1)
    return Rows(Column.of([one for one in scored if one is not None]), at)


def _sides() -> Sides:
    return sides_of([_rows(replace(ONE, candidates=BYTES))])


def test_summed_margin() -> None:
    assert _sides().margins()[0, 0] == -6.0 + 10.0


def test_margin_of_the_mean_token_at_the_mean_length() -> None:
    # (-6/3 + 10/2) nats a token, times (3 + 2)/2 tokens.
    assert _sides().margins_per_token()[0, 0] == -2.0 + 5.0
    assert _sides().margins("per_token")[0, 0] == 3.0 * 2.5


def test_margin_of_the_mean_byte_at_the_mean_length() -> None:
    assert _sides().margins("per_byte")[0, 0] == pytest.approx((-6 / 6 + 10 / 3) * 4.5)


def test_sides_of_equal_length_keep_their_summed_margin() -> None:
    equal = sides_of([_rows(scored(ITEM, [[-1.0, -2.0], [-4.0, -6.0]]))])
    assert equal.margins("per_token") == pytest.approx(equal.margins())


def test_margin_of_shared_tokens() -> None:
    assert _sides().margins("shared_tokens")[0, 0] == -3.0 + 6.0
    assert np.isnan(sides_of([_rows(scored(ITEM, [[-1.0], [-2.0]]))]).margins("shared_tokens")).all()


def test_margin_without_the_end_of_turn() -> None:
    closed = tuple(
        replace(side, starts=np.array([*range(n - 1), n - 1]), ends=np.array([*range(1, n), n - 1]))
        for side, n in zip(ONE.candidates, (3, 2), strict=True)
    )
    complete = sides_of([_rows(replace(ONE, candidates=closed, complete=True))])
    assert complete.margins()[0, 0] == 4.0
    assert complete.margins("without_end")[0, 0] == -3.0 + 4.0
    assert _sides().margins("without_end")[0, 0] == 4.0, "nothing ends the turn there"


def test_a_baseline_is_taken_off_and_lengths_stay() -> None:
    baseline = sides_of([_rows(scored(ITEM, [[-1.0, -1.0, -1.0], [-1.0, -1.0]], [[5, 6, 9], [7, 9]]))])
    difference = _sides().minus(baseline)
    assert difference.margins()[0, 0] == 4.0 - (-3.0 + 2.0)
    assert difference.tokens.tolist() == [[[3.0, 2.0]]]


def test_rows_are_items_and_columns_checkpoints() -> None:
    sides = sides_of([_rows(ONE, scored(ITEM, [[-1.0], [-2.0]])), _rows(ONE, None)])
    assert sides.totals.shape == (2, 2, 2)
    assert sides.margins().tolist() == [[4.0, 4.0], [1.0, 0.0]]


def test_an_item_that_is_no_pair_has_no_margin() -> None:
    item = pair("b", candidates=(Candidate("x", "1"), Candidate("y", "2")))
    assert np.isnan(sides_of([_rows(scored(item, [[-1.0], [-2.0]]))]).margins()).all()


@pytest.mark.parametrize("kind", ["sum", "reward"])
def test_one_number_a_side_has_its_sum_and_nothing_else(kind: ScoreKind) -> None:
    """Whatever stands for the text says nothing of its tokens."""
    bare = replace(scored(ITEM, [[-6.0], [-10.0]]), kind=kind)
    sides = sides_of([_rows(bare, bare)])
    assert sides.margins()[:, 0].tolist() == [4.0, 4.0]
    for other in ("per_token", "per_byte", "shared_tokens", "without_end"):
        assert np.isnan(sides.margins(other)).all()


def test_one_number_a_side_may_be_known_to_be_of_so_many_tokens() -> None:
    bare = replace(scored(ITEM, [[-6.0], [-10.0]]), kind="reward")
    known = replace(
        bare, candidates=tuple(replace(one, n_tokens=n) for one, n in zip(bare.candidates, (3, 5), strict=True))
    )
    sides = sides_of([_rows(known)])
    assert sides.lengths.tolist() == [[[3.0, 5.0]]]
    # Nothing else of them is: no mean of tokens, and none without the end of turn.
    for other in ("per_token", "per_byte", "shared_tokens", "without_end"):
        assert np.isnan(sides.margins(other)).all()
    assert np.isnan(sides.tokens).all()
    assert np.isnan(sides_of([_rows(bare)]).lengths).all()
    assert _sides().lengths.tolist() == _sides().tokens.tolist()
    assert _sides().minus(_sides()).lengths.tolist() == _sides().lengths.tolist()
