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


@given(st.lists(st.sampled_from("abcd"), max_size=6), st.lists(st.sampled_from("abcd"), max_size=6))
def test_what_is_shared_is_the_same_on_both_sides(one: list[str], other: list[str]) -> None:
    item = _pair(" ".join(one), " ".join(other))
    shared = [[text for text, role in _told(item, side) if role == "frame"] for side in (0, 1)]
    assert shared[0] == shared[1]
    turned = _pair(" ".join(other), " ".join(one))
    assert _told(turned, 1) == _told(item, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u0932\u094b\u0917"],  # Hindi, vowel signs and a virama
        ["cafe\u0301", "n\u0303"],  # accents by themselves
        ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0628\u0648\u062f"],  # Persian, a joiner within
        ["\u0e1c\u0e39\u0e49\u0e2b\u0e0d\u0e34\u0e07"],  # Thai, vowels above and below
    ],
)
def test_marks_on_letters_belong_to_the_word(words: list[str]) -> None:
    found = words_of(" ".join(words) + " !")
    assert [word.text for word in found] == [*words, "!"]
    assert [word.is_punctuation for word in found] == [False] * len(words) + [True]


def test_marks_on_no_letter_are_signs() -> None:
    # A heart and the mark that asks for its colour.
    assert [word.text for word in words_of("a \u2764\ufe0f b")] == ["a", "\u2764\ufe0f", "b"]


def test_a_surface_with_a_mark_behind_it_is_another_word() -> None:
    assert surface_places("ex ex\u0301 ex", "ex") == ((0, 2), (7, 9))


def test_a_surface_may_begin_within_a_word_that_ends_like_it() -> None:
    assert surface_places("aa a a", "a a") == ((3, 6),)
    # None begins within another.
    assert surface_places("a a a", "a a") == ((0, 3),)


def test_no_surface_stands_nowhere_and_signs_in_one_are_literal() -> None:
    assert surface_places("anything", " ") == ()
    assert surface_places("a (b) c", "(b)") == ((2, 5),)
