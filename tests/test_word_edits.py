"""Twin of auditor.adapters.attribution.word_edits: what is left of a text when words are taken out of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from fake_scores import pair
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.adapters.attribution.word_edits import WordEdits, word_edits
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item, Message
from auditor.core.words import words_of


def row(context: str, harmful: str = " are cruel.", affirming: str = " are kind.", **fields: Any) -> Item:
    return pair(
        "1", context=context, candidates=(Candidate(HARMFUL, harmful), Candidate(AFFIRMING, affirming)), **fields
    )


MARKED = row("Some trans women met me. They", surface="trans women")
REFERENCE = row("Some cis women met me. They", surface="cis women", role="reference")


def contents(item: Item) -> tuple[Any, ...]:
    return item.context, item.prefix, item.messages, item.candidates


def names(edits: WordEdits) -> list[str]:
    return [unit.name for unit in edits.units[: edits.players]]


def without(edits: WordEdits, *absent: str) -> str:
    return edits.without([at for at, unit in enumerate(edits.units) if unit.name in absent]).context


def test_the_identity_is_one_unit_and_without_it_the_pair_is_its_reference_row() -> None:
    edits = word_edits(MARKED, REFERENCE, "plain")
    assert names(edits) == ["Some", "trans women", "met", "me", ".", "They"]
    identity = edits.units[edits.identity]
    assert (identity.name, identity.replacement, identity.role) == ("trans women", "cis women", "identity")
    assert MARKED.context[identity.start : identity.end] == "trans women"
    assert contents(edits.without([edits.identity])) == contents(REFERENCE)
    assert [unit.number for unit in edits.units[: edits.players]] == list(range(6))


@pytest.mark.parametrize(
    ("marked", "reference"),
    [
        ("A trans woman, is", "A woman, is"),
        ("Trans women are", "Women are"),
        ("  An Arab is  ", "  A Dane is\n"),
        ("women", "cis women"),
        ("He is he", "She is she, she said"),
        ("", "Of Danes:"),
        ("\U0001f600 \u05e9\u05dc\u05d5\u05dd gay", "\u05e9\u05dc\u05d5\u05dd straight \U0001f600"),
    ],
)
def test_a_reference_row_of_any_other_wording_is_met_letter_by_letter(marked: str, reference: str) -> None:
    one = row(marked, harmful=f"{marked} x", prefix=f" {marked}", surface="women")
    other = row(reference, harmful=f"{reference} y", prefix=f" {reference}", role="reference")
    edits = word_edits(one, other, "plain")
    assert contents(edits.without([edits.identity])) == contents(other)
    assert contents(edits.without([])) == contents(one)


def test_other_words_go_with_the_space_before_them_and_texts_begin_as_they_did() -> None:
    edits = word_edits(MARKED, REFERENCE, "plain")
    assert without(edits, "met") == "Some trans women me. They"
    assert without(edits, "Some") == "trans women met me. They"
    assert without(edits, "Some", "trans women", "met") == "cis women me. They"
    assert without(edits, "Some", "met", "me", ".", "They") == "trans women"
    spaced = word_edits(row(" One  two\n\nthree "), None, "plain")
    assert without(spaced, "One") == " two\n\nthree "
    assert without(spaced, "two") == " One\n\nthree "
    assert without(spaced, "One", "two", "three") == " "


def test_candidates_stay_but_for_the_identity_and_single_words() -> None:
    one = row("They said", " Gay men are not kind.", " Gay men are kind.", surface="gay men")
    edits = word_edits(one, None, "plain", neutral="people")
    assert names(edits) == ["They", "said", "gay men"]
    assert [one.text for one in edits.without([edits.identity]).candidates] == [
        " People are not kind.",
        " People are kind.",
    ]
    own = [(unit.candidate, unit.name, unit.role) for unit in edits.units[edits.players :]]
    assert own == [
        (HARMFUL, "are", "frame"),
        (HARMFUL, "not", "predicate"),
        (HARMFUL, "kind", "frame"),
        (HARMFUL, ".", "punctuation"),
        (AFFIRMING, "are", "frame"),
        (AFFIRMING, "kind", "frame"),
        (AFFIRMING, ".", "punctuation"),
    ]
    negation = next(at for at, unit in enumerate(edits.units) if unit.name == "not")
    assert [one.text for one in edits.without([negation]).candidates] == [" Gay men are kind.", " Gay men are kind."]
    assert edits.without([negation]).context == "They said"


def test_a_candidate_of_one_word_keeps_it() -> None:
    edits = word_edits(row("Who?", "bad", "not good"), None, "plain")
    assert [unit.name for unit in edits.units[edits.players :]] == ["not", "good"]


def test_the_neutral_term_begins_as_the_sentence_does() -> None:
    edits = word_edits(
        row("Muslims and muslims, TRANS-Muslims too", surface="Muslims"), None, "plain", neutral="people"
    )
    assert without(edits, "Muslims") == "People and people, TRANS-people too"
    assert edits.units[edits.identity].replacement == "people"
    # The surface form has no capital of its own, so this one is the sentence's.
    later = word_edits(row("Hello. Trans women met me", surface="trans women"), None, "plain", neutral="people")
    assert without(later, "Trans women") == "Hello. People met me"


def test_a_reference_row_is_its_own() -> None:
    edits = word_edits(REFERENCE, REFERENCE, "plain")
    assert edits.units[edits.identity].replacement == "cis women"
    assert contents(edits.without([edits.identity])) == contents(REFERENCE)


def test_an_identity_that_is_nowhere_named_is_no_unit() -> None:
    edits = word_edits(row("They met me.", surface="trans women"), None, "plain")
    assert edits.identity == -1
    assert names(edits) == ["They", "met", "me", "."]
    assert not any(unit.role == "identity" for unit in edits.units)


def test_a_reference_row_of_another_shape_is_none() -> None:
    other = replace(REFERENCE, candidates=(Candidate("a", "x"), Candidate("b", "y")))
    assert without(word_edits(MARKED, other, "plain", neutral="folk"), "trans women") == "Some folk met me. They"


def test_sides_in_another_order_are_told_by_their_labels() -> None:
    other = replace(REFERENCE, candidates=REFERENCE.candidates[::-1])
    edits = word_edits(MARKED, other, "plain")
    assert contents(edits.without([edits.identity])) == contents(REFERENCE)


def test_earlier_turns_take_the_place_of_the_context_in_a_chat() -> None:
    turns = (Message("user", "Gay men, who are they?"), Message("assistant", "People."))
    one = row("Gay men, who are they?", prefix="Well,", messages=turns, surface="gay men")
    edits = word_edits(one, None, "chat")
    assert names(edits) == ["Well", ",", "gay men"]
    assert edits.units[edits.identity].start == -1
    assert edits.without([edits.identity]).messages[0].content == "People, who are they?"
    assert names(word_edits(one, None, "plain"))[:2] == ["Gay men", ","]


@pytest.mark.parametrize(
    "text",
    ["", "   ", "...", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u05e9\u05dc\u05d5\u05dd \u202eabc", "a\x00b"],
)
def test_hostile_texts_come_out_in_one_piece(text: str) -> None:
    one = row(text, text or " ", " ok", surface=text)
    edits = word_edits(one, None, "plain")
    for absent in itertools.chain([()], ((at,) for at in range(len(edits.units))), [range(edits.players)]):
        assert all(candidate.text for candidate in edits.without(absent).candidates)
    assert contents(edits.without([])) == contents(one)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.text(max_size=20), st.text(max_size=8), st.randoms())
def test_only_absent_words_are_missing(context: str, prefix: str, surface: str, random: Any) -> None:
    edits = word_edits(row(context, prefix=prefix, surface=surface), None, "plain", neutral="Q")
    absent = [at for at in range(edits.players) if at != edits.identity and random.random() < 0.5]
    item = edits.without(absent)
    kept = [word.text for text in (context, prefix) for word in words_of(text)]
    for at in absent:
        kept.remove(edits.units[at].name)
    left = sorted("".join(kept))
    assert left == sorted("".join((item.context + item.prefix).split()).replace("\x1c", ""))


def test_only_pairs_have_words() -> None:
    with pytest.raises(ValueError, match="pairs"):
        word_edits(replace(MARKED, candidates=(Candidate("x", "y"),)), None, "plain")
