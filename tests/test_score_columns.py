"""Scores in flat arrays give back the objects they were made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import pair, probe_of, scored

from auditor.core.items import Candidate
from auditor.core.score_columns import Column, ScoreColumns, rows_of
from auditor.core.scores import ScoredItem

THREE = pair("three", candidates=tuple(Candidate(one, one) for one in ("she", "he", "they")))
GIVEN = [
    scored(pair("a", context="So"), [[-1.0, -2.0, -1 / 3], [-4.0]], [[5, 6, 9], [7]]),
    replace(scored(THREE, [[-1.0], [-2.0, -0.1], [-3.0]]), straddles=True),
    replace(scored(pair("b"), [[-1.5], [-2.5]]), complete=True),
]
SCORED = {("p", "plain", one.item.id): one for one in GIVEN}
ARRAYS = ("prefix_ids", "token_ids", "starts", "ends", "logprobs")


def assert_same(one: ScoredItem, other: ScoredItem) -> None:
    for name in ("item", "render", "context", "straddles", "complete"):
        assert getattr(one, name) == getattr(other, name)
    for mine, theirs in zip(one.candidates, other.candidates, strict=True):
        assert (mine.label, mine.tokens, mine.n_bytes) == (theirs.label, theirs.tokens, theirs.n_bytes)
        for name in ARRAYS:
            assert getattr(mine, name).tolist() == getattr(theirs, name).tolist()
            assert getattr(mine, name).dtype == (np.float64 if name == "logprobs" else np.int64)


def test_objects_come_back() -> None:
    column = Column.of(GIVEN)
    for at, one in enumerate(GIVEN):
        assert_same(column.scored(at), one)


def test_a_mapping_like_the_one_it_was_made_of() -> None:
    columns = ScoreColumns.of({**SCORED, ("q", "plain", "a"): GIVEN[0]})
    assert list(columns) == [*SCORED, ("q", "plain", "a")]
    assert len(columns) == 4
    assert_same(columns["p", "plain", "b"], GIVEN[2])
    assert ("p", "plain", "c") not in columns
    assert ("p", "chat", "a") not in columns
    assert ScoreColumns.of(columns) is columns


def test_what_is_not_kept_is_not_there() -> None:
    column = Column.of(GIVEN)
    columns = ScoreColumns({("p", "plain"): replace(column, kept=np.array([True, False, True]))})
    assert list(columns) == [("p", "plain", "a"), ("p", "plain", "b")]
    assert ("p", "plain", "three") not in columns


@pytest.mark.parametrize("flat", [False, True])
def test_rows_stand_in_the_order_of_the_probe(flat: bool) -> None:
    probe = probe_of(pair("b"), pair("missing"), pair("a"), name="p")
    rows = rows_of(ScoreColumns.of(SCORED) if flat else SCORED, probe, "plain")
    assert (rows.at >= 0).tolist() == [True, False, True]
    assert [rows[at].item.id for at in (0, 2)] == ["b", "a"]
    taken = rows.take(np.array([2, -1, 0]))
    assert (taken[0].item.id, int(taken.at[1]), taken[2].item.id) == ("a", -1, "b")


def test_nothing_was_scored_in_a_rendering() -> None:
    for none in (SCORED, ScoreColumns.of(SCORED)):
        assert rows_of(none, probe_of(pair("a"), name="p"), "chat").at.tolist() == [-1]


def test_float32_is_given_out_as_float64() -> None:
    column = Column.of(GIVEN)
    narrow = replace(column, logprobs=column.logprobs.astype(np.float32))
    assert narrow.scored(0).candidates[0].logprobs.tolist() == np.float32([-1.0, -2.0, -1 / 3]).astype(float).tolist()


def test_one_number_of_many_tokens_comes_back_with_their_ids() -> None:
    item = pair("r")
    reward = replace(scored(item, [[-1.0], [2.0]], [[5, 6, 9], [7, 8]]), kind="reward")
    counted = tuple(replace(one, tokens=("",), n_tokens=len(one.token_ids)) for one in reward.candidates)
    known = replace(reward, candidates=counted)
    other = replace(known, item=pair("s"))
    column = Column.of([known, other])
    for at, one in enumerate((known, other)):
        back = column.scored(at)
        assert_same(back, one)
        assert back.kind == "reward"
        assert [side.n_tokens for side in back.candidates] == [3, 2]
        assert [side.total for side in back.candidates] == [-1.0, 2.0]
    assert Column.of(GIVEN).spans.cuts.n_tokens is None
    mixed = Column.of([known, replace(scored(item, [[0.0], [1.0]]), kind="reward")])
    assert mixed.spans.cuts.n_tokens is None, "one that is not known leaves none to count on"
