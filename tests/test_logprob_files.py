"""What another engine gave, held against what it was asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_scores import pair, probe_of
from request_factory import answer, lines_of, requests_file
from transformers import PreTrainedTokenizerFast

from auditor.adapters.external.logprob_files import Logprobs, read_logprobs
from auditor.adapters.external.request_files import Requests, read_requests
from auditor.errors import NotComparableError, UsageError

PROBE = probe_of(pair("q1", context="They are "), pair("q2", context="You are "))
HEADER: dict[str, Any] = {"format": "auditor-logprobs", "version": 1, "engine": "abacus 2"}


@pytest.fixture
def asked(tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast) -> Requests:
    path = requests_file(tmp_path / "requests.jsonl", [PROBE], {"base": byte_tokenizer})
    return read_requests(path, [PROBE])


def given(asked: Requests, name: str = "base", header: dict[str, Any] | None = None) -> Path:
    return answer(asked.path.parent / f"{name}.jsonl", asked.path, lambda one, at: -1.0 - at - one["start"], header)


def read(asked: Requests, *paths: Path, engine: str | None = None) -> list[Logprobs]:
    return read_logprobs(asked, [(None, path) for path in paths], engine)


def test_values_stand_at_their_sequences(asked: Requests) -> None:
    (found,) = read(asked, given(asked), engine="abacus")
    bounds = asked.sequences[0].cuts.scored
    for at, one in enumerate(lines_of(asked.path)):
        expected = [-1.0 - place - one["start"] for place in range(len(one["ids"]) - one["start"])]
        assert found.values[bounds[at] : bounds[at + 1]].tolist() == expected
    assert found.scored.all()
    assert (found.name, found.engine, found.tokenizer) == ("base", "abacus", 0)


def test_order_does_not_matter_and_what_is_missing_stays_unknown(asked: Requests) -> None:
    path = given(asked)
    lines = path.read_text(encoding="utf-8").splitlines()
    (whole,) = read(asked, path, engine="x")
    path.write_text("\n".join([*lines[:0:-1], ""]), encoding="utf-8")
    (found,) = read(asked, path, engine="x")
    assert found.scored.tolist() == [False] + [True] * (len(lines) - 1)
    kept = ~np.isnan(found.values)
    assert np.array_equal(found.values[kept], whole.values[kept])
    assert kept.sum() == whole.values.size - asked.sequences[0].cuts.scored[1]


def test_header_and_option(asked: Requests) -> None:
    (found,) = read(asked, given(asked, "x", {**HEADER, "checkpoint": "base", "requests": asked.header.digest}))
    assert (found.name, found.engine) == ("base", "abacus 2")
    (found,) = read_logprobs(asked, [("mine", given(asked, "x", HEADER))], "abacus 2")
    assert (found.name, found.engine) == ("mine", "abacus 2")
    with pytest.raises(UsageError, match=r"abacus 2.*the command line .abacus 3") as caught:
        read(asked, given(asked, "x", HEADER), engine="abacus 3")
    assert "--engine" in caught.value.where


def test_engines_are_not_mixed(asked: Requests) -> None:
    paths = given(asked, "a", HEADER), given(asked, "b", {**HEADER, "engine": "abacus 3"})
    with pytest.raises(NotComparableError, match=r"abacus 3.*abacus 2") as caught:
        read(asked, *paths)
    assert caught.value.exit_code == 3
    with pytest.raises(NotComparableError):
        read(asked, paths[0], given(asked, "c"), engine="abacus 1")
    assert len(read(asked, paths[0], given(asked, "c"), engine="abacus 2")) == 2


def test_an_engine_must_be_said(asked: Requests) -> None:
    with pytest.raises(UsageError, match="which engine"):
        read(asked, given(asked))


@pytest.mark.parametrize(
    "header",
    [{**HEADER, "requests": "0" * 64}, {**HEADER, "version": 2}, {**HEADER, "engine": ""}, {"format": "other"}],
)
def test_other_headers(asked: Requests, header: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        read(asked, given(asked, header=header), engine="x")
    assert "line 1" in caught.value.where


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "ffff"}, "hold no id 'ffff'"),
        ({"id": 5}, "holds no id"),
        ({"id": None}, "holds no id"),
        ({"logprobs": [-1.0]}, "for a scored span of"),
        ({"logprobs": []}, "0 log-probabilities"),
        ({"logprobs": None}, "no list"),
        ({"logprobs": -1.0}, "no list"),
        (float("nan"), "nan is no log-probability"),
        (0.5, "0.5 is no log-probability"),
        (float("inf"), "inf is no log-probability"),
        (-(10**400), "no log-probability"),
        (-1e300, "-1e.300 is no log-probability"),
        (True, "is no number"),
        ("-1", "is no number"),
        (None, "is no number"),
    ],
)
def test_lines_without_sense(asked: Requests, changes: Any, words: str) -> None:
    path = given(asked)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    values = {"logprobs": [changes] * len(lines[2]["logprobs"])} if not isinstance(changes, dict) else changes
    lines[2] = {**lines[2], **values}
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    with pytest.raises(UsageError, match=words) as caught:
        read(asked, path, engine="x")
    assert caught.value.where == f"{path}, line 3"
    assert caught.value.fix


def test_repeated_and_malformed_lines(asked: Requests) -> None:
    path = given(asked)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]), encoding="utf-8")
    with pytest.raises(UsageError, match="stands on line 2 already") as caught:
        read(asked, path, engine="x")
    assert caught.value.where == f"{path}, line {len(lines) + 1}"
    path.write_text("\n".join([*lines, "{"]), encoding="utf-8")
    with pytest.raises(UsageError, match="malformed JSON"):
        read(asked, path, engine="x")


def test_rounding_above_zero_and_certainty_are_let_pass(asked: Requests) -> None:
    path = answer(asked.path.parent / "b.jsonl", asked.path, lambda _, at: 1e-6 if at else -float("inf"))
    (found,) = read(asked, path, engine="x")
    assert np.isneginf(found.values).any()
    assert found.scored.all()


def test_two_files_of_one_name(asked: Requests) -> None:
    path = given(asked)
    with pytest.raises(UsageError, match="two files are of 'base'"):
        read(asked, path, path, engine="x")
    with pytest.raises(UsageError, match="is no name"):
        read_logprobs(asked, [("a\nb", path)], "x")


def test_several_tokenizers(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast, metaspace_tokenizer: PreTrainedTokenizerFast
) -> None:
    path = requests_file(tmp_path / "two.jsonl", [PROBE], {"a": byte_tokenizer, "b": metaspace_tokenizer})
    asked = read_requests(path, [PROBE])
    own = {at: [one for one in lines_of(path) if one["tokenizer"] == at] for at in (0, 1)}
    files = []
    for at, name in enumerate("ab"):
        lines = [{"id": one["id"], "logprobs": [-1.0] * len(one["tokens"])} for one in own[at]]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    found = read(asked, *files, engine="x")
    assert [one.tokenizer for one in found] == [0, 1]
    assert all(one.scored.all() for one in found)
    with pytest.raises(UsageError, match="several tokenizers"):
        read_logprobs(asked, [("c", files[0])], "x")
    with pytest.raises(UsageError, match="hold no id"):
        read_logprobs(asked, [("a", files[1])], "x")


def test_the_header_is_the_first_line_that_holds_anything(asked: Requests) -> None:
    path = given(asked, "x", HEADER)
    path.write_text("\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    (found,) = read(asked, path)
    assert found.scored.all()
    path.write_text("{\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UsageError, match="malformed JSON") as caught:
        read(asked, path)
    assert caught.value.where == f"{path}, line 1"
