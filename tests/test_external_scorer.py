"""The port of scores made elsewhere: columns on the asked spans, and refusals for what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_scores import pair, probe_of, series_of
from request_factory import answer, requests_file
from transformers import PreTrainedTokenizerFast

from auditor.adapters.external.external_scorer import ExternalScorer, is_constant, scores_of
from auditor.adapters.external.logprob_files import read_logprobs
from auditor.adapters.external.request_files import Requests, read_requests
from auditor.core.items import Candidate, Item, Message
from auditor.core.score_columns import ScoreColumns
from auditor.core.scores import CheckpointScores

PROBE = probe_of(
    pair("q1", context="They are ", identity="us"),
    pair("q2", context="You are "),
    Item("talk", (Candidate("harmful", "no"), Candidate("affirming", "yes")), messages=(Message("user", "hi"),)),
)


@pytest.fixture
def asked(tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast) -> Requests:
    return read_requests(requests_file(tmp_path / "requests.jsonl", [PROBE], {"base": byte_tokenizer}), [PROBE])


def scores(asked: Requests, path: Path) -> CheckpointScores:
    return scores_of(asked, read_logprobs(asked, [("base", path)], "abacus")[0])


def test_scores_are_the_files(asked: Requests) -> None:
    found = scores(asked, answer(asked.path.parent / "b.jsonl", asked.path, lambda one, at: -1.0 / (at + one["start"])))
    assert isinstance(found.scored, ScoreColumns)
    assert len(found.scored) == 5
    one = found.scored["probe", "chat", "q1"]
    side = one.candidates[0]
    start = len(side.prefix_ids)
    assert side.logprobs.tolist() == [-1.0 / (at + start) for at in range(len(side.token_ids))]
    assert one.complete
    assert [(each.reason, each.item, each.render) for each in found.refusals] == [("no_plain_text", "talk", "plain")]
    assert found.notes == ("base: log-probabilities by abacus",)
    assert len(found.fingerprint) == 64


def test_items_without_all_scores_are_refused_and_named(asked: Requests) -> None:
    path = answer(
        asked.path.parent / "b.jsonl",
        asked.path,
        lambda one, at: -float("inf") if (one["item"], one["candidate"], at) == ("q2", "affirming", 0) else -1.0,
    )
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # The affirming side of the first item is not there.
    path.write_text("".join([lines[0], *lines[2:]]), encoding="utf-8")
    found = scores(asked, path)
    reasons = {(one.item, one.render): one.reason for one in found.refusals}
    assert reasons == {
        ("talk", "plain"): "no_plain_text",
        ("q1", "plain"): "not_scored",
        ("q2", "plain"): "not_finite",
        ("q2", "chat"): "not_finite",
    }
    assert list(found.scored) == [("probe", "chat", "q1"), ("probe", "chat", "talk")]
    assert next(one for one in found.refusals if one.item == "q1").identity == "us"


@pytest.mark.parametrize(("last", "constant"), [(-1.0, True), (-2.0, False)])
def test_scores_that_are_all_the_same(asked: Requests, tmp_path: Path, last: float, constant: bool) -> None:
    ids = [one for own in asked.sequences for one in own.places]
    path = answer(tmp_path / "a.jsonl", asked.path, lambda one, _: last if one["id"] == ids[-1] else -1.0)
    (found,) = read_logprobs(asked, [("a", path)], "mine")
    assert is_constant(scores_of(asked, found)) is constant


def test_scorer_looks_up() -> None:
    known = {"a": CheckpointScores("a", {}), "b": CheckpointScores("b", {})}
    scorer = ExternalScorer(("plain",), known.__getitem__)
    assert scorer.renders == ("plain",)
    assert scorer.score(series_of("a", "b").checkpoints[1], []) is known["b"]
