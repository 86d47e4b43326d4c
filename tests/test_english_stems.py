"""Families of words and strangers that look alike."""

from __future__ import annotations

import pytest

from auditor.adapters.probe_lint.english_stems import stem


@pytest.mark.parametrize(
    "family",
    [
        "danger dangerous dangers dangerously danger's",
        "take takes taking takers taker",
        "sin sins sinful sinfully sinfulness sinner",
        "happy happily happiness",
        "copy copies copied copying",
        "hit hits hitting",
        "fall falls falling",
        "confused confusing confuse confuses",
        "plan plans planned planning planner",
        "care cares cared caring careful carefully",
        "box boxes boxing",
        "punish punished punishment punishments",
    ],
)
def test_a_family_has_one_stem(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1, [stem(word) for word in family.split()]


@pytest.mark.parametrize(
    "pair",
    [
        "cope copy", "general generous", "trust truth", "string sting", "crisis crime", "planes planning",
        "cars caring", "scare scarred", "basement basses", "callous calling", "bus busy", "lies lions",
        "cheer cheese", "new news", "fre freed",
    ],
)  # fmt: skip
def test_strangers_have_two(pair: str) -> None:
    one, other = pair.split()
    assert stem(one) != stem(other)


@pytest.mark.parametrize("word", ["", "s", "es", "ing", "king", "string", "red", "boss", "this"])
def test_short_words_stay(word: str) -> None:
    assert stem(word) == word
