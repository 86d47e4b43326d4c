"""Words of a text and the part each plays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.items import Candidate, Item
from auditor.core.words import candidate_roles, context_roles, shared_words, surface_places, words_of


def _pair(harmful: str, affirming: str, **fields: str) -> Item:
    candidates = (Candidate("harmful", harmful), Candidate("affirming", affirming))
    return Item("one", candidates, **fields)  # type: ignore[arg-type]


def _told(item: Item, side: int = 0) -> list[tuple[str, str]]:
    return [(word.text, role) for word, role in candidate_roles(item, side, 1 - side)]


def test_words_leave_nothing_out_but_white_space() -> None:
    text = " Trans women's well-being, e.g. theirs…  is \u00e9l\u00e9mentaire!"
    words = words_of(text)
    assert [word.text for word in words] == [
        "Trans", "women's", "well-being", ",", "e.g", ".", "theirs", "…", "is", "élémentaire", "!",
    ]  # fmt: skip
    assert all(text[word.start : word.end] == word.text for word in words)


@given(st.text())
def test_every_character_is_in_one_word_or_white_space(text: str) -> None:
    held = [at for word in words_of(text) for at in range(word.start, word.end)]
    assert len(held) == len(set(held))
    assert all(text[at].isspace() for at in set(range(len(text))) - set(held))


def test_a_predicate_is_what_the_sides_do_not_share() -> None:
    item = _pair(" are not honest, and they lie.", " are honest, and they care.")
    assert _told(item) == [
        ("are", "frame"),
        ("not", "predicate"),
        ("honest", "frame"),
        (",", "punctuation"),
        ("and", "frame"),
        ("they", "pronoun"),
        ("lie", "predicate"),
        (".", "punctuation"),
    ]
    assert ("care", "predicate") in _told(item, 1)


def test_where_the_identity_is_swapped_it_is_what_differs() -> None:
    item = _pair("Gay people are odd.", "Straight people are odd.", design="identity_swap")
    assert _told(item) == [
        ("Gay", "identity"),
        ("people", "predicate"),
        ("are", "predicate"),
        ("odd", "predicate"),
        (".", "punctuation"),
    ]


def test_the_surface_is_the_identity_wherever_it_stands() -> None:
    item = _pair(
        " are not Trans women.", " are people.", context="I met Trans women. Transwomen too.", surface="trans women"
    )
    assert [word.text for word, role in context_roles(item) if role == "identity"] == ["Trans", "women"]
    assert [text for text, role in _told(item) if role == "identity"] == ["Trans", "women"]


@pytest.mark.parametrize(("language", "role"), [("", "pronoun"), ("en-GB", "pronoun"), ("fr", "predicate")])
def test_pronouns_are_those_of_the_language(language: str, role: str) -> None:
    assert _told(_pair(" xe", " it", language=language)) == [("xe", role)]


def test_shared_words_rise_on_both_sides() -> None:
    found = shared_words(words_of("a b c b d"), words_of("b c x d"))
    assert found == ((1, 0), (2, 1), (4, 3))


def test_no_surface_stands_nowhere_and_signs_in_one_are_literal() -> None:
    assert surface_places("anything", " ") == ()
    assert surface_places("a (b) c", "(b)") == ((2, 5),)
