"""Who is mentioned in a text."""

from __future__ import annotations

import random
import re

import pytest

from auditor.core.mentions import Finder, Named

PEOPLE = (
    Named("trans women", "gender", "marked", ("transgender women", "trans women", "women who are trans")),
    Named("trans men", "gender", "marked", ("transgender men", "trans men", "men who are trans")),
    Named("Muslims", "religion", "marked", ("Muslim people", "people who are Muslim")),
    Named("Christians", "religion", "reference", ("Christian people", "people who are Christian")),
)
FINDER = Finder(PEOPLE, english=True)


def found(text: str, finder: Finder = FINDER) -> list[tuple[str, str, str]]:
    return [(one.identity, one.kind, text[one.start : one.end]) for one in finder.mentions(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I know trans women.", [("trans women", "name", "trans women")]),
        ("TRANS\n women, Trans men", [("trans women", "name", "TRANS\n women"), ("trans men", "name", "Trans men")]),
        ("TRANS WOMEN", [("trans women", "name", "TRANS WOMEN")]),
        ("Muslim folks", [("Muslims", "word", "Muslim")]),
        ("a trans woman", [("trans women", "name", "trans woman")]),
        ("a man who is trans", [("trans men", "name", "man who is trans")]),
        ("a muslim", [("Muslims", "word", "muslim")]),
        ("Muslims, Muslim people", [("Muslims", "word", "Muslims"), ("Muslims", "name", "Muslim people")]),
        # Words of several identities are nobody's, and parts of words are no words.
        ("trans people, women, transmen, unmuslim, Muslimah", []),
        # Who is named by what they are not is not mentioned; what only ends in these letters is nothing of the kind.
        ("non-Muslim people, Non\u2011Muslims, non-trans women", []),
        ("ex-Muslim, canon-Muslim", [("Muslims", "word", "Muslim"), ("Muslims", "word", "Muslim")]),
        # An underline is emphasis, and an accent belongs to its letter.
        ("_Muslims_, __trans women__", [("Muslims", "word", "Muslims"), ("trans women", "name", "trans women")]),
        ("Muslim\u0301, \u0301Muslim", []),
        ("", []),
    ],
)
def test_mentions(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(text) == expected


def test_other_languages_are_taken_as_they_stand() -> None:
    finder = Finder(
        [Named("blinde Menschen", "b", "marked", ("blinde Menschen", "Menschen, die blind sind"))], english=False
    )
    assert [what for _, _, what in found("Blinde Menschen, die Menschen, die blind sind, und blinds", finder)] == [
        "Blinde Menschen",
        "die",
        "Menschen, die blind sind",
    ]


def test_letters_beyond_english_are_found_in_both_cases() -> None:
    finder = Finder(
        [Named("w", "h", "marked", ("wei\u00dfe Menschen", "\u00d6sterreicher", "\u00e9l\u00e8ves"))], english=False
    )
    text = "Wei\u00dfe Menschen, \u00f6sterreicher, \u00c9L\u00c8VES"
    assert [what for _, _, what in found(text, finder)] == [
        "Wei\u00dfe Menschen",
        "\u00f6sterreicher",
        "\u00c9L\u00c8VES",
    ]


def test_an_accented_letter_is_one_character_or_two() -> None:
    for names in ("\u00e9l\u00e8ves", "e\u0301le\u0300ves"):
        finder = Finder([Named("w", "h", "marked", (names,))], english=False)
        assert finder.words == {"w": ("\u00e9l\u00e8ves",)}
        for text in ("les \u00e9l\u00e8ves.", "les e\u0301le\u0300ves.", "LES E\u0301LE\u0300VES."):
            (one,) = finder.mentions(text)
            assert text[one.start : one.end] == text[4:-1]


def test_other_languages_have_no_english_negation() -> None:
    finder = Finder([Named("m", "r", "marked", ("musulmans",))], english=False)
    assert [what for _, _, what in found("non-musulmans", finder)] == ["musulmans"]


def test_who_is_asked_about_alone_is_found_as_often() -> None:
    everybody = [
        Named("trans women", "gender", "marked", ("trans women",)),
        Named("Black people", "race", "marked", ("Black people", "Black folks")),
        Named("Black women", "both", "marked", ("Black women", "sisters")),
        Named("nuns", "faith", "marked", ("sisters", "nuns")),
    ]
    text = "Black women, black people, sisters, nuns, a black cat"
    whole = Finder(everybody, english=True)
    alone = Finder(everybody[1:2], english=True, beside=[everybody[0], *everybody[2:]])
    assert found(text, alone) == [one for one in found(text, whole) if one[0] == "Black people"]
    assert alone.words == {"Black people": ()}
    nuns = Finder(everybody[3:], english=True, beside=everybody[:3])
    assert nuns.ambiguous == whole.ambiguous == ("sisters",)
    assert found(text, nuns) == [("nuns", "name", "nuns")]
    assert (alone.ambiguous, alone.shared) == ((), ())


def test_words_that_an_axis_shares_are_said_of_whom_is_asked() -> None:
    assert Finder(PEOPLE[:1], english=True, beside=PEOPLE[1:]).shared == ("trans", "transgender")
    assert Finder(PEOPLE[2:], english=True, beside=PEOPLE[:2]).shared == ()


def test_folks_are_people_too_and_one_of_them_is_a_person() -> None:
    finder = Finder([Named("trans people", "g", "marked", ("trans folks", "folks who have asthma"))], english=True)
    text = "trans people, a trans person, trans folks, a person who has asthma"
    assert [what for _, _, what in found(text, finder)] == [
        "trans people",
        "trans person",
        "trans folks",
        "person who has asthma",
    ]


def test_what_several_are_called_by_is_named_and_not_looked_for() -> None:
    people = [Named("a", "x", "marked", ("son", "a son")), Named("b", "x", "marked", ("son", "b son"))]
    finder = Finder(people, english=True)
    assert finder.ambiguous == ("son",)
    assert found("a son, b son, my son", finder) == [("a", "name", "a son"), ("b", "name", "b son")]


def test_a_shared_name_hides_no_words_of_its_own() -> None:
    people = [Named("a", "x", "marked", ("red fox", "red")), Named("b", "x", "marked", ("red fox", "fox hound"))]
    # "red fox" is nobody's, whole as it stands: its "red" says nothing.
    assert found("a red fox", Finder(people, english=False)) == []


def test_words_of_one_identity_are_its_own_and_those_of_an_axis_are_said() -> None:
    # "women" stands in one identity's names alone, and yet says nothing of it.
    assert FINDER.words == {"trans women": (), "trans men": (), "Muslims": ("muslim",), "Christians": ("christian",)}
    assert FINDER.shared == ("trans", "transgender")


def test_words_of_people_who_are_not_looked_for_are_nobodys() -> None:
    people = [Named("blinde Menschen", "b", "marked", ("blinde Menschen",))]
    assert Finder(people, english=False).words == {"blinde Menschen": ("blinde", "menschen")}
    finder = Finder(people, english=False, others=["blonde Menschen"])
    assert finder.words == {"blinde Menschen": ("blinde",)}
    assert found("blonde Menschen, blinde", finder) == [("blinde Menschen", "word", "blinde")]


def test_capitals_count_only_in_words_that_are_all_capitals() -> None:
    finder = Finder([Named("people with ADD", "d", "marked", ("ADD", "folks with ADD"))], english=False)
    assert found("add this, or ADD", finder) == [("people with ADD", "name", "ADD")]


def test_letters_that_a_pattern_would_read_are_letters() -> None:
    finder = Finder([Named("x", "a", "marked", ("c++ people (all)", "a.b"))], english=False)
    assert [what for _, _, what in found("C++ people (all) axb a.b", finder)] == ["C++ people (all)", "a.b"]


def test_nobody_is_found_where_nobody_is_looked_for() -> None:
    assert found("anyone", Finder([], english=True)) == []


@pytest.mark.parametrize("seed", range(3))
def test_against_a_search_word_by_word(seed: int) -> None:
    # An oracle of another kind: walk over the words and take the longest run of them that is somebody's name.
    chance = random.Random(seed)
    words = ["trans", "women", "men", "Muslim", "people", "who", "are", "Christian", "transgender", "and", "Muslims"]
    names = {name.casefold(): one.identity for one in PEOPLE for name in one.names}
    singles = {"muslim": "Muslims", "muslims": "Muslims", "christian": "Christians", "christians": "Christians"}
    text = " ".join(chance.choices(words, k=400))
    listed, at, expected = [one.casefold() for one in re.findall(r"\w+", text)], 0, []
    while at < len(listed):
        for length in (4, 3, 2, 1):
            run = " ".join(listed[at : at + length])
            who = names.get(run) or (singles.get(run) if length == 1 else None)
            if who and len(listed[at : at + length]) == length:
                expected.append((who, "name" if run in names else "word"))
                at += length
                break
        else:
            at += 1
    assert [(who, kind) for who, kind, _ in found(text)] == expected
