"""Twin of auditor.adapters.hf.token_words: which words a pair's tokens carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_scores import pair
from model_factory import CHAT_TEMPLATE
from token_cases import bpe
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from auditor.adapters.hf.rendering import ChatTemplate, render_plain
from auditor.adapters.hf.token_words import SideWords, side_words
from auditor.adapters.hf.tokens import Encoded, Encoder, End
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item, Message

TRIMMING = "{% for m in messages %}[{{ m.role }}:{{ m.content | trim }}]{% endfor %}"


def row(context: str, harmful: str = " cat", affirming: str = " car", **fields: Any) -> Item:
    return pair(
        "1", context=context, candidates=(Candidate(HARMFUL, harmful), Candidate(AFFIRMING, affirming)), **fields
    )


def sides(
    tokenizer: Any, item: Item, template: str | None = None, end: End = "auto"
) -> tuple[tuple[SideWords, SideWords], list[list[str]]]:
    """Both sides, and the names of all their tokens."""
    encoder = Encoder(tokenizer, end)
    chat = None if template is None else ChatTemplate(tokenizer, template=template)
    rendered = render_plain(item) if chat is None else chat.render(item)
    assert rendered is not None
    encoded = next(encoder.encode([rendered]))
    assert isinstance(encoded, Encoded)
    places = encoder.places(rendered, encoded)
    at = 0 if chat is None else chat.context_place(item, rendered)
    found = side_words(item, rendered, encoded, places, at, encoder.vocabulary)
    names = [[encoder.vocabulary[one] for one in side.ids.tolist()] for side in found]
    for side in found:
        total = side.shares.sum(axis=1)
        assert np.isclose(total[total > 0], 1).all()
        assert side.shares.shape == (len(side.ids), len(side.words))
        assert len(side.tokens) == side.counted.sum()
    return found, names


def carried(side: SideWords, names: list[str]) -> list[tuple[str, str]]:
    """(token, word) wherever a token belongs to one."""
    return [(names[at], side.words[word].name) for at, word in np.argwhere(side.shares > 0).tolist()]


def test_sub_tokens_belong_to_their_word_and_bos_to_none() -> None:
    item = row("the ox", " cat", " car")
    (harmful, affirming), names = sides(bpe(), item)
    assert carried(harmful, names[0]) == [
        ("the", "the"),
        ("\u0120", "ox"),
        ("o", "ox"),
        ("x", "ox"),
        ("\u0120cat", "cat"),
    ]
    assert [(one.name, one.candidate, one.start, one.end) for one in harmful.words] == [
        ("the", None, 0, 3),
        ("ox", None, 4, 6),
        ("cat", HARMFUL, 1, 4),
    ]
    assert harmful.words[:2] == affirming.words[:2]
    assert harmful.tokens[:4] == affirming.tokens[:4]
    assert [(one.number, one.name, one.candidate, one.start, one.end) for one in affirming.tokens][3:] == [
        (3, "x", None, 5, 6),
        (0, "\u0120car", AFFIRMING, 0, 4),
    ]


def test_white_space_belongs_to_the_word_after_it_and_at_an_end_to_the_last() -> None:
    (harmful, _), names = sides(bpe(), row("the \n\n the\n", "cat \n", "car"))
    assert carried(harmful, names[0]) == [
        ("the", "the"),
        *[(name, "the") for name in ("\u0120\u010a", "\u010a", "\u0120", "the", "\u010a")],
        ("cat", "cat"),
        ("\u0120\u010a", "cat"),
    ]
    # The second "the", not the first.
    assert harmful.shares[1:6, 1].tolist() == [1, 1, 1, 1, 1]


def test_a_token_of_two_words_is_shared_by_characters() -> None:
    tokenizer = bpe(("t h", "th e", "the ,"))
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    (harmful, _), names = sides(tokenizer, row("the,", " c", " d"))
    assert names[0][-3] == "the,"
    assert harmful.shares[-3].tolist() == [0.75, 0.25, 0.0]


def test_a_token_across_the_boundary_belongs_to_both() -> None:
    (harmful, affirming), names = sides(bpe(), row("th", "e x", "a x"))
    assert names[0][harmful.start] == "the"
    assert harmful.shares[harmful.start].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert affirming.words[0] == harmful.words[0]
    assert (harmful.tokens[0].candidate, harmful.tokens[0].start, harmful.tokens[0].end) == (HARMFUL, 0, 1)


def test_what_the_template_writes_belongs_to_nobody(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    item = row(" She bakes. ", " She is kind.", " She is rude.", prefix=" Well,")
    (harmful, _), names = sides(byte_tokenizer, item, TRIMMING)
    text = {}
    for token, word in carried(harmful, names[0]):
        text[word] = text.get(word, "") + token
    assert {word: one.replace("\u0120", " ").strip() for word, one in text.items()}["bakes"] == "bakes"
    assert [unit.name for unit in harmful.words] == ["She", "bakes", ".", "Well", ",", "She", "is", "kind", "."]
    whole = [item.context + item.prefix, item.candidates[0].text]
    for unit in harmful.words:
        assert whole[unit.candidate is not None][unit.start : unit.end] == unit.name
    free = [name for name, counted in zip(names[0], harmful.counted, strict=True) if not counted]
    assert "".join(free).replace("\u0120", " ") == "[user:][assistant:]"
    for unit in harmful.tokens:
        named = unit.name.replace("\u0120", " ")
        assert whole[unit.candidate is not None][unit.start : unit.end] == named


def test_turns_in_place_of_the_context_belong_to_nobody(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    item = row("She bakes.", " Yes", " No", messages=(Message("user", "She bakes."),))
    (harmful, _), _ = sides(byte_tokenizer, item, CHAT_TEMPLATE)
    assert [unit.name for unit in harmful.words] == ["Yes"]
    assert harmful.counted.sum() == harmful.counted[harmful.start :].sum() > 0


@pytest.mark.parametrize("kind", ["byte_tokenizer", "metaspace_tokenizer"])
@pytest.mark.parametrize(
    "context",
    ["", " ", "...", "\U0001f468\u200d\U0001f469 cafe\u0301", "\u05e9\u05dc\u05d5\u05dd \u202eabc", "</s><s>"],
)
@pytest.mark.parametrize("end", ["none", "eos"])
def test_hostile_texts_lose_no_token_of_a_word(
    kind: str, context: str, end: End, request: pytest.FixtureRequest
) -> None:
    item = row(context, " \U0001f600 rude", " kind")
    found, names = sides(request.getfixturevalue(kind), item, None, end)
    for side, own in zip(found, names, strict=True):
        assert {word for word in range(len(side.words)) if side.shares[:, word].any()} == set(range(len(side.words)))
        assert (own[-1] == "</s>") == (end == "eos")
        assert not (end == "eos" and side.counted[-1])


def test_only_pairs_have_sides(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    one = Item("1", (Candidate("x", " a"), Candidate("y", " b")), context="c")
    with pytest.raises(ValueError, match="pairs"):
        sides(byte_tokenizer, one)
