"""Scores to Parquet and back: verbatim ids, float64 values, and nothing but numbers when private."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.adapters.run import score_tables
from auditor.adapters.run.score_tables import ITEMS, TOKENS, item_parts, score_key, token_parts
from auditor.core.scores import CheckpointScores, ScoredItem

ENGINE = {"dtype": "float32", "end": "auto"}
ODD = "id \u2028 \U0001f308, \"quoted\" 'too'"


@pytest.fixture(scope="module")
def scores() -> list[CheckpointScores]:
    probes = [probe_of(pair("1", surface="xs", frame="f"), pair(ODD, cluster="1"), name=name) for name in ("p", "q")]
    table = {name: {"1": 0.1 + at, ODD: -1 / 3} for at, name in enumerate(("base", "dpo"))}
    scorer = FakeScorer(margins(table))
    return [scorer.score(one, probes) for one in series_of(*table).checkpoints]


def items_table(scores: list[CheckpointScores], engine: dict[str, str], *, private: bool) -> pa.Table:
    return pa.concat_tables([part for one in scores for part in item_parts(one, engine, private=private)])


def tokens_table(scores: list[CheckpointScores], **options: Any) -> pa.Table:
    parts = [part for one in scores for part in token_parts(one, **{"private": False, **options})]
    return pa.concat_tables([TOKENS.empty_table(), *parts])


@pytest.mark.parametrize("private", [False, True])
def test_schemas(scores: list[CheckpointScores], private: bool) -> None:
    assert items_table(scores, ENGINE, private=private).schema.equals(ITEMS)
    assert tokens_table(scores, private=private).schema.equals(TOKENS)
    assert items_table(scores, ENGINE, private=private).num_rows == 2 * 2 * 2 * 2


def test_values(scores: list[CheckpointScores]) -> None:
    rows = items_table(scores, ENGINE, private=False).to_pylist()
    (row,) = (
        one
        for one in rows
        if (one["checkpoint"], one["probe"], one["item"], one["candidate"]) == ("dpo", "q", ODD, "harmful")
    )
    assert row["value"] == -1 / 3 - 5
    assert (row["text"], row["quantity"], row["tokens"], row["cluster"]) == ("bad", "logprob", 1, "1")


def test_private_rows(scores: list[CheckpointScores]) -> None:
    rows = items_table(scores, ENGINE, private=True).to_pylist()
    assert {(one["text"], one["context"], one["surface"], one["frame"]) for one in rows if one["item"] == "1"} == {
        (None, None, None, None)
    }
    assert {one["item"] for one in rows} == {"1", ODD}
    # Both rows are of the cluster "1", whose name is gone and which is one cluster still.
    assert len({one["cluster"] for one in rows}) == 1
    assert {one["cluster"] for one in rows} != {"1"}
    assert {one["token"] for one in tokens_table(scores, private=True).to_pylist()} == {None}


def test_key_is_what_the_documentation_says() -> None:
    ids = np.array([1, 2, 300], dtype=np.int32)
    head = b'2 {"dtype": "float32", "end": "auto"}\n'
    assert score_key(ids, 2, ENGINE) == hashlib.sha256(head + struct.pack("<3q", 1, 2, 300)).hexdigest()


def test_every_row_is_what_its_object_says(scores: list[CheckpointScores]) -> None:
    items = iter(items_table(scores, ENGINE, private=False).to_pylist())
    tokens = iter(tokens_table(scores).to_pylist())
    for one in scores:
        for (probe, render, item), scored in one.scored.items():
            for candidate, score in zip(scored.item.candidates, scored.candidates, strict=True):
                place = {"probe": probe, "item": item, "render": render, "checkpoint": one.checkpoint}
                place["candidate"] = candidate.label
                row = next(items)
                assert {key: row[key] for key in place} == place
                assert (row["text"], row["value"], row["tokens"]) == (candidate.text, score.total, len(score.tokens))
                assert (row["context"], row["prompt"]) == (scored.context, scored.item.context + scored.item.prefix)
                assert row["key"] == score_key(
                    np.concatenate([score.prefix_ids, score.token_ids]), len(score.prefix_ids), ENGINE
                )
                columns = (score.token_ids, score.tokens, score.starts, score.ends, score.logprobs)
                for at, (token_id, token, start, end, logprob) in enumerate(zip(*columns, strict=True)):
                    own = {"token_id": token_id, "token": token, "start": start, "end": end, "logprob": logprob}
                    assert next(tokens) == {**place, "position": at, **own}
    assert next(items, None) is next(tokens, None) is None


def test_parts_are_one_table(scores: list[CheckpointScores], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = items_table(scores, ENGINE, private=False), tokens_table(scores)
    monkeypatch.setattr(score_tables, "_ITEMS_A_PART", 1)
    monkeypatch.setattr(score_tables, "_ITEMS_OF_TOKENS_A_PART", 1)
    assert len(list(item_parts(scores[0], ENGINE, private=False))) == 4
    assert items_table(scores, ENGINE, private=False).equals(whole[0])
    assert tokens_table(scores).equals(whole[1])


def test_tokens_of_chosen_items_alone(scores: list[CheckpointScores]) -> None:
    whole = tokens_table(scores).to_pylist()
    chosen = {"p": frozenset([ODD]), "q": frozenset[str]()}
    found = tokens_table(scores, chosen=chosen).to_pylist()
    assert found == [row for row in whole if (row["probe"], row["item"]) == ("p", ODD)]
    assert {row["checkpoint"] for row in found} == {"base", "dpo"}
    assert tokens_table(scores, chosen={}).num_rows == 0


@pytest.fixture(scope="module")
def rewards() -> list[CheckpointScores]:
    """One number a text, of one token and of two."""
    probe = probe_of(pair("1"), pair(ODD, cluster="1"), name="p")
    ids = [[5], [7, 8]]

    def reward(one: ScoredItem) -> ScoredItem:
        sides = zip(one.candidates, ids, strict=True)
        known = tuple(replace(side, token_ids=np.array(own), n_tokens=len(own)) for side, own in sides)
        return replace(one, candidates=known, kind="reward")

    found = FakeScorer(margins({"rm": {"1": 0.5, ODD: -0.5}})).score(series_of("rm")["rm"], [probe])
    return [replace(found, scored={key: reward(one) for key, one in found.scored.items()})]


class TestTokensOfRewards:
    def test_they_stand_beside_the_reward(self, rewards: list[CheckpointScores]) -> None:
        table = items_table(rewards, ENGINE, private=False)
        assert table.schema.equals(ITEMS)
        rows = table.to_pylist()
        assert [row["token_ids"] for row in rows] == [[5], [7, 8]] * 2
        assert [row["value"] for row in rows] == [-4.5, -5.0, -5.5, -5.0]
        assert {(row["tokens"], row["bytes"], row["key"]) for row in rows} == {(None, None, None)}
        assert tokens_table(rewards).num_rows == 0

    def test_private_runs_have_none(self, rewards: list[CheckpointScores]) -> None:
        rows = items_table(rewards, ENGINE, private=True).to_pylist()
        assert {row["token_ids"] for row in rows} == {None}

    def test_of_chosen_items_alone(self, rewards: list[CheckpointScores]) -> None:
        (part,) = item_parts(rewards[0], ENGINE, private=False, chosen={"p": frozenset([ODD])})
        assert [row["token_ids"] for row in part.to_pylist()] == [None, None, [5], [7, 8]]
        (part,) = item_parts(rewards[0], ENGINE, private=False, chosen={})
        assert {row["token_ids"] for row in part.to_pylist()} == {None}

    def test_of_log_probabilities_they_stand_in_the_other_table(self, scores: list[CheckpointScores]) -> None:
        assert {row["token_ids"] for row in items_table(scores, ENGINE, private=False).to_pylist()} == {None}
