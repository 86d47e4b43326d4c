"""What is made ready for scoring is what the encoder gives for each item alone, in flat arrays."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_scores import probe_of
from real_scores import pairs
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from auditor.adapters.hf import tokens as tokens_module
from auditor.adapters.hf.rendering import ChatTemplate, Rendered, render_plain
from auditor.adapters.hf.tokens import Encoded, Encoder
from auditor.adapters.hf.workload import Workload, prepare, tokenizer_identity
from auditor.core.items import Candidate, Item, Message, Probe
from auditor.core.score_columns import Spans
from auditor.core.scores import Render

TALK = (Message("user", "Who?"), Message("assistant", "Me."))
SIDES = (Candidate("harmful", " rude"), Candidate("affirming", " kind \U0001f600 and fair"))
FIRST = probe_of(
    Item("talk", SIDES, messages=TALK),
    *pairs([("They are", " rude", " kind"), ("They", "", " b"), ("", "She is.", "He is."), ("They", "#" * 90, " b")]),
    Item("k", tuple(Candidate(one, f" {one}") for one in ("she", "he", "they")), context="Then", prefix=" said"),
    Item("last", SIDES, messages=TALK),
    name="first",
)
SECOND = probe_of(*pairs([("They are", " wrong", " right")] * 1), name="second")
WINDOW = 90


@pytest.fixture(scope="module")
def tokenizer(llama_series: dict[str, Path]) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(llama_series["dpo"])
    return loaded


class Texts:
    """Both renderings."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._template = ChatTemplate(tokenizer)

    def __call__(self, item: Item, render: Render) -> Rendered | None:
        return render_plain(item) if render == "plain" else self._template.render(item)


@pytest.fixture
def work(tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch) -> Workload:
    # So few at a time that the encoder stops between items that have a text and ones that have none.
    monkeypatch.setattr(tokens_module, "_CHUNK", 2)
    encoder = Encoder(tokenizer, "auto")
    return prepare([FIRST, SECOND], ("plain", "chat"), Texts(tokenizer), encoder, WINDOW)


def _assert_block(probe: Probe, spans: Spans, tokenizer: PreTrainedTokenizerBase) -> None:
    """Every item that is there has the tokens it has alone."""
    cuts, texts = spans.cuts, Texts(tokenizer)
    for at, row in enumerate(spans.rows.tolist()):
        text = texts(probe.items[row], spans.render)
        assert text is not None
        (alone,) = Encoder(tokenizer, "auto").encode([text])
        assert isinstance(alone, Encoded)
        assert spans.item(at) is probe.items[row]
        assert spans.context_of(at) == text.context
        assert (spans.straddles[at], spans.complete[at]) == (alone.straddles, alone.complete)
        assert spans.firsts[at + 1] - spans.firsts[at] == len(alone.spans)
        for sequence, span, words in zip(
            range(spans.firsts[at], spans.firsts[at + 1]), alone.spans, text.texts, strict=True
        ):
            scored = slice(cuts.scored[sequence], cuts.scored[sequence + 1])
            assert cuts.ids[cuts.bounds[sequence] : cuts.bounds[sequence + 1]].tolist() == span.ids.tolist()
            assert cuts.starts[sequence] == span.start
            assert cuts.names(sequence) == span.tokens
            assert cuts.begins[scored].tolist() == span.starts.tolist()
            assert cuts.ends[scored].tolist() == span.ends.tolist()
            assert cuts.n_bytes[sequence] == len(words.encode())


def test_every_item_as_it_is_alone(work: Workload, tokenizer: PreTrainedTokenizerBase) -> None:
    assert list(work.spans) == [("first", "plain"), ("first", "chat"), ("second", "plain"), ("second", "chat")]
    probes = {"first": FIRST, "second": SECOND}
    for (probe, render), spans in work.spans.items():
        assert spans.render == render
        _assert_block(probes[probe], spans, tokenizer)
    assert [len(spans) for spans in work.spans.values()] == [3, 5, 1, 1]


def test_sequences_are_those_of_the_spans(work: Workload) -> None:
    sequences = work.sequences
    assert (work.items, work.texts, work.tokens) == (10, len(sequences), len(sequences.ids))
    assert sequences.items.tolist() == sorted(sequences.items.tolist())
    number = 0
    for spans in work.spans.values():
        assert spans.cuts.ids is sequences.ids
        assert (spans.cuts.scored == sequences.scored_bounds).all()
        for at in range(len(spans)):
            own = sequences.items[spans.firsts[at] : spans.firsts[at + 1]]
            assert own.tolist() == [number] * len(spans.item(at).candidates)
            number += 1


def test_refusals_in_the_order_of_the_items(work: Workload) -> None:
    found = [(one.reason, one.probe, one.item, one.render, one.checkpoint) for one in work.refusals]
    assert found == [
        ("no_plain_text", "first", "talk", "plain", None),
        ("empty_span", "first", "1", "plain", None),
        ("too_long", "first", "3", "plain", None),
        ("no_plain_text", "first", "last", "plain", None),
        ("empty_span", "first", "1", "chat", None),
        ("too_long", "first", "3", "chat", None),
    ]


def test_a_rendering_without_a_text_is_named_in_the_refusal(tokenizer: PreTrainedTokenizerBase) -> None:
    probe = probe_of(Item("talk", SIDES, "Hi.", messages=TALK), Item("1", SIDES, "Hi."))

    def render(item: Item, _: Render) -> Rendered | None:
        return None if item.messages else render_plain(item)

    work = prepare([probe], ("plain", "chat"), render, Encoder(tokenizer, "auto"), None)
    found = [(one.reason, one.item, one.render) for one in work.refusals]
    assert found == [("no_plain_text", "talk", "plain"), ("no_chat_text", "talk", "chat")]
    assert work.items == 2


def test_nothing_to_score(tokenizer: PreTrainedTokenizerBase) -> None:
    probe = probe_of(Item("talk", SIDES, messages=TALK))
    work = prepare([probe], ("plain",), Texts(tokenizer), Encoder(tokenizer, "auto"), None)
    assert (work.items, work.texts, work.tokens, len(work.refusals)) == (0, 0, 0, 1)


def test_contexts_of_a_chat_are_kept_once(tokenizer: PreTrainedTokenizerBase) -> None:
    rows = pairs([("They are", f" bad {at}", f" good {at}") for at in range(5)])
    work = prepare([probe_of(*rows)], ("chat",), Texts(tokenizer), Encoder(tokenizer, "auto"), None)
    (spans,) = work.spans.values()
    assert len({id(spans.context_of(at)) for at in range(5)}) == 1


def test_identity_of_a_tokenizer(llama_series: dict[str, Path], tokenizer: PreTrainedTokenizerBase) -> None:
    same = AutoTokenizer.from_pretrained(llama_series["base"])
    assert tokenizer_identity(same) == tokenizer_identity(tokenizer)
    other = AutoTokenizer.from_pretrained(llama_series["base"])
    other.add_tokens(["<new>"])
    assert tokenizer_identity(other) != tokenizer_identity(tokenizer)
    endless = AutoTokenizer.from_pretrained(llama_series["base"])
    endless.eos_token = "<s>"
    assert tokenizer_identity(endless) != tokenizer_identity(tokenizer)
