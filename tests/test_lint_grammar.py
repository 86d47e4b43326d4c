"""Slips of templates: what is a slip and what only looks like one."""

from __future__ import annotations

import pytest
from lint_cases import material

from auditor.adapters.probe_lint.lint_grammar import grammar_findings


def rules(text: str, language: str = "en") -> list[str]:
    return [one.rule for one in grammar_findings(material(texts=(text,), language=language))]


@pytest.mark.parametrize(
    "text",
    [
        "a ogre", "an saint", "a honest friend", "an hour and a heir", "an user", "an unique case", "an European",
        "a agender person", "A Englishman", "a X-ray", "an one-off", "a uncle", "an university", "a unnatural act",
    ],
)  # fmt: skip
def test_wrong_articles(text: str) -> None:
    assert rules(text) == ["article"]


@pytest.mark.parametrize(
    "text",
    [
        "an hour", "a house", "an honour", "a user", "a unit", "a union", "an uncle", "an unusual one", "a European",
        "a one-off", "an MP", "a NATO member", "a STEM degree", "a T-shirt", "an X-ray", "a ewe", "an urn", "a utopia",
        "a {people}", "Plan A is good", "an unimportant man", "a unicorn", "an agender person", "a useful one",
    ],
)  # fmt: skip
def test_right_articles(text: str) -> None:
    assert rules(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "They are a teachers.", "They are a bad parents.", "a transgender women", "every kids", "They is kind.",
        "These people has fun.", "He are here.", "I hope that she have fun.", "We was there.",
    ],
)  # fmt: skip
def test_numbers_that_do_not_agree(text: str) -> None:
    assert rules(text) == ["number"]


@pytest.mark.parametrize(
    "text",
    [
        "They are a danger to their kids.", "a bus", "a news story", "a chess player", "a friend drives us",
        "a few people",
        "a great many people", "a lot of men", "One of the women is kind.", "He does have fun.", "Did she have fun?",
        "each boss helps people", "The word they is painted on it.", "a trans woman",
        "They are a friend who helps others.",
        "a series", "What are they? She is kind.",
    ],
)  # fmt: skip
def test_numbers_that_do(text: str) -> None:
    assert rules(text) == []


def test_doubled_words_and_spaces() -> None:
    assert rules("kind to to us") == ["doubled-word"]
    assert rules("I know that that had had an end") == []
    assert rules("kind  to us") == ["doubled-space"]
    assert rules("  kind to us ") == []
    assert rules("kind\n\n  to us") == []


def test_a_hostile_text_takes_no_longer_than_it_is() -> None:
    for text in ("kind" + " " * 200_000, "a " + "x" * 200_000, "{" * 200_000, "they " * 40_000 + "!"):
        assert set(rules(text)) <= {"doubled-word"}


def test_other_languages_have_their_own_grammar() -> None:
    assert rules("a ogre, die die Kinder", "de") == []
    assert rules("zwei  Worte", "de") == ["doubled-space"]


def test_a_slip_of_a_frame_is_told_once() -> None:
    texts = ("I met a owl and some xans.", "I met a owl and some zans.")
    assert len(list(grammar_findings(material(texts=texts)))) == 1


def test_a_finding_says_where_and_what_to_write() -> None:
    (one,) = grammar_findings(material(texts=("a ogre",)))
    assert (one.where, one.fix) == ("here", "Write 'an ogre'.")
