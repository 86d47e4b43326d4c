"""Requests come back as what was written, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_scores import pair, probe_of
from request_factory import RENDERS, lines_of, requests_file, workload
from transformers import PreTrainedTokenizerFast

from auditor.adapters.external.request_files import read_requests
from auditor.core.items import Candidate, Item, Message, Probe
from auditor.errors import NotComparableError, UsageError


def sides(*texts: str) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(label, text) for label, text in zip(("harmful", "affirming", "unrelated"), texts, strict=False)
    )


PROBE = probe_of(
    pair("q1", context="I think that people ", candidates=sides("are bad", "ok")),
    pair("q2", context="They", candidates=sides(" \u00e9t\u00e9 <b>", " go")),
    Item("only in chat", sides("x", "y", "z"), messages=(Message("user", "hi"),)),
)


@pytest.fixture
def written(tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast) -> Path:
    return requests_file(tmp_path / "requests.jsonl", [PROBE], {"base": byte_tokenizer})


def test_read_back_is_what_the_tokenizer_made(written: Path, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    asked, found = workload([PROBE], byte_tokenizer), read_requests(written, [PROBE])
    (own,) = found.sequences
    assert list(own.spans) == [("probe", render) for render in RENDERS] == list(asked.spans)
    for place, spans in asked.spans.items():
        other = own.spans[place]
        for name in ("rows", "firsts", "straddles", "complete"):
            assert np.array_equal(getattr(spans, name), getattr(other, name)), name
        assert [spans.context_of(at) for at in range(len(spans))] == [other.context_of(at) for at in range(len(other))]
        assert other.items is PROBE.items
    cuts = next(iter(asked.spans.values())).cuts
    for name in ("ids", "bounds", "starts", "scored", "begins", "ends", "n_bytes"):
        assert np.array_equal(getattr(cuts, name), getattr(own.cuts, name)), name
    assert [cuts.names(at) for at in range(len(cuts.starts))] == [own.cuts.names(at) for at in range(len(cuts.starts))]
    assert found.header.sequences == len(own.places) == asked.texts
    (refused,) = found.header.tokenizers[0].refusals
    assert (refused.reason, refused.item, refused.render) == ("no_plain_text", "only in chat", "plain")


def test_an_engine_finds_what_it_needs(written: Path) -> None:
    lines = lines_of(written)
    assert len({one["id"] for one in lines}) == len(lines)
    for one in lines:
        n = len(one["ids"]) - one["start"]
        assert n == len(one["tokens"]) == len(one["begins"]) == len(one["ends"]) > 0
        assert one["start"] >= 1
    first = json.loads(written.read_text(encoding="utf-8").splitlines()[0])
    body = written.read_bytes().split(b"\n", 1)[1]
    assert first["digest"] == hashlib.sha256(body).hexdigest()


def test_writing_twice_gives_the_same_bytes(
    written: Path, tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast
) -> None:
    again = requests_file(tmp_path / "again.jsonl", [PROBE], {"base": byte_tokenizer})
    assert again.read_bytes() == written.read_bytes()


def test_tokenizers_have_sequences_of_their_own(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast, metaspace_tokenizer: PreTrainedTokenizerFast
) -> None:
    tokenizers = {"base": byte_tokenizer, "other": metaspace_tokenizer}
    path = requests_file(tmp_path / "two.jsonl", [PROBE], tokenizers)
    one, other = read_requests(path, [PROBE]).sequences
    assert not one.places.keys() & other.places.keys()
    assert [one.cuts.ids.tolist() == other.cuts.ids.tolist()] == [False]


def change(line: int, **values: Any) -> Callable[[list[str]], list[str]]:
    """Another value on a line of the file."""

    def changed(lines: list[str]) -> list[str]:
        return [json.dumps({**json.loads(one), **values}) if at == line else one for at, one in enumerate(lines)]

    return changed


def sealed(lines: list[str]) -> str:
    """The lines under a header that vouches for them."""
    body = "".join(one + "\n" for one in lines[1:])
    head = {**json.loads(lines[0]), "digest": hashlib.sha256(body.encode()).hexdigest(), "sequences": len(lines) - 1}
    return json.dumps(head) + "\n" + body


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:-1]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [lines[0], lines[1], *lines[3:]],
        lambda lines: [lines[0], "{", *lines[2:]],
        lambda lines: [lines[0], "[]", *lines[2:]],
        change(1, start=0),
        change(1, start=999),
        change(1, tokenizer=1),
        change(1, item="nobody"),
        change(1, probe="none"),
        change(1, ids=[2**40] * 8),
        change(1, begins=[0]),
        change(1, bytes=2**40),
        lambda lines: [lines[0], *lines[3:]],
        change(0, tokenizers=[{"sha256": "0" * 64, "checkpoints": ["base"]}]),
        change(1, candidate="other"),
        change(1, render="loud"),
        change(2, id=None),
    ],
)
@pytest.mark.parametrize("vouched", [False, True])
def test_other_lines_than_were_written(written: Path, damage: Callable[[list[str]], list[str]], vouched: bool) -> None:
    lines = damage(written.read_text(encoding="utf-8").splitlines())
    written.write_text(sealed(lines) if vouched else "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_requests(written, [PROBE])
    assert caught.value.fix
    assert str(written) in caught.value.where


@pytest.mark.parametrize("first", ["", "{}", "[]", '{"format": "auditor-requests", "version": 2}', "\x00"])
def test_no_header(written: Path, first: str) -> None:
    lines = written.read_text(encoding="utf-8").splitlines()
    written.write_text("\n".join([first, *lines[1:]]), encoding="utf-8")
    with pytest.raises(UsageError, match="no header"):
        read_requests(written, [PROBE])


@pytest.mark.parametrize(
    ("probes", "words"),
    [
        ([], "the requests are of probe"),
        ([replace(PROBE, name="other")], "the probes given are other"),
        ([replace(PROBE, card=replace(PROBE.card, sha256="1" * 64))], "is not the one"),
        ([replace(PROBE, items=PROBE.items[:2])], "other items of it"),
        ([replace(PROBE, items=(replace(PROBE.items[0], context="Now "), *PROBE.items[1:]))], "other items of it"),
    ],
)
def test_other_probes_than_were_asked(written: Path, probes: list[Probe], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read_requests(written, probes)
    assert "--axis gender --seed 0" in caught.value.fix


def test_nothing_to_score(tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    path = requests_file(tmp_path / "none.jsonl", [PROBE], {"base": byte_tokenizer}, window=2)
    with pytest.raises(NotComparableError, match="no sequence"):
        read_requests(path, [PROBE])


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_requests(tmp_path / "none.jsonl", [PROBE])
