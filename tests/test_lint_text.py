"""Words, stems, content and templates."""

from __future__ import annotations

import pytest

from auditor.adapters.probe_lint.english_stems import stem
from auditor.adapters.probe_lint.lint_text import (
    Vocabulary,
    changed_words,
    is_english,
    last_word,
    quoted,
    template_of,
    words_of,
)


def test_words_keep_slots_hyphens_and_apostrophes() -> None:
    assert words_of("{Other.they} aren\u2019t second-rate, Ann's \u00dcbel!") == [
        "{other.they}", "aren't", "second-rate", "ann's", "\u00fcbel",
    ]  # fmt: skip


@pytest.mark.parametrize(("language", "expected"), [("en", True), ("en-GB", True), ("de", False), ("", False)])
def test_what_is_english(language: str, expected: bool) -> None:
    assert is_english(language) is expected


def test_content_of_english_leaves_the_closed_classes_out() -> None:
    assert Vocabulary(english=True).content(words_of("They are a danger to the {people} of 2 towns")) == {
        stem("danger"): "danger",
        stem("towns"): "towns",
    }


def test_content_of_another_language_is_long_and_unfamiliar() -> None:
    german = Vocabulary(english=False, familiar=frozenset({"finde"}))
    assert german.content(words_of("ich finde sie sind gef\u00e4hrlich")) == {"gef\u00e4hrlich": "gef\u00e4hrlich"}


def test_words_that_tell_two_texts_apart() -> None:
    apart = Vocabulary(english=True).apart("prone to violent acts", "prone to kindly acts")
    assert apart == ({stem("violent"): "violent"}, {stem("kindly"): "kindly"})


def test_templates() -> None:
    assert template_of("a danger to the old town") == template_of("a great joy for our street")
    assert template_of("a danger") != template_of("dangerous")
    assert template_of("far away") == template_of("close by")
    assert template_of("out of hope") == template_of("full of hope")
    assert template_of("ahead at the bridge") == template_of("behind at the bridge")
    assert template_of("{they} lied") == ("slot", "content")


def test_the_last_word_keeps_the_space_after_it() -> None:
    assert [last_word(text) for text in ("They are", "She is an ", "", "one")] == ["are", "an ", "", "one"]


def test_changed_words_stand_in_one_place() -> None:
    assert list(changed_words("able to cook", "unable to cook")) == [("able", "unable")]
    assert list(changed_words("able", "not able")) == []


def test_long_texts_are_quoted_by_their_ends() -> None:
    assert quoted(" It's\nshort ") == '"It\'s\\nshort"'
    shown = quoted("first " + "x" * 10_000 + " last")
    assert shown.startswith("'first xxx")
    assert shown.endswith("xxx last'")
    assert "x [...] x" in shown
    assert len(shown) < 250
