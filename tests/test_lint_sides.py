"""Length, negation, template and register, each on wordings that are and are not at fault."""

from __future__ import annotations

import pytest
from lint_cases import material, wording

from auditor.adapters.probe_lint.lint_material import Wording
from auditor.adapters.probe_lint.lint_sides import CHARACTERS, WORDS, Unit, side_findings


def found(*wordings: Wording, language: str = "en", unit: Unit = WORDS) -> list[tuple[str, str]]:
    return [
        (one.rule, one.what.split(": ")[-1]) for one in side_findings(material(*wordings, language=language), [unit])
    ]


def test_lengths_of_single_wordings_and_of_a_theme() -> None:
    # +2, 0: beyond 1 alone, and +1 on average.
    longer = wording("cold hard dull", "warm"), wording("curt", "dear")
    assert found(*longer) == [
        ("length", "the harmful side is +2 words longer"),
        ("mean-length", "harmful sides are +1.00 words longer on average"),
    ]
    # +1 four times and -1 three times: 1/7 on average.
    balanced = [wording("cold hard", "warm")] * 4 + [wording("curt", "good dear")] * 3
    assert found(*balanced) == []
    assert found(wording("discourteous", "mean"), wording("mean", "discourteous"), unit=CHARACTERS) == []
    assert [rule for rule, _ in found(wording("discourteously", "mean"), unit=CHARACTERS)] == ["length", "mean-length"]


def test_neutral_pairs_stand_by_themselves_and_beside_the_harmful_ones() -> None:
    pairs = wording("cold hard", "warm"), wording("dry", "soaking wet", valence="neutral")
    assert found(*pairs) == [
        ("mean-length", "harmful sides are +1.00 words longer on average"),
        ("control-length", "harmful sides are longer by +2.00 words than those of the neutral twins"),
        ("mean-length", "harmful sides are -1.00 words longer on average"),
    ]
    # Each mean is 1/5, within the bound; together they are not.
    alike = [wording("curt", "warm")] * 4 + [wording("dry", "wet", valence="neutral")] * 4
    harmful, neutral = wording("cold hard", "warm"), wording("dry", "soaking wet", valence="neutral")
    assert found(*alike, harmful, neutral) == [
        ("control-length", "harmful sides are longer by +0.40 words than those of the neutral twins")
    ]


def test_slots_count_only_where_both_sides_have_them() -> None:
    seen: list[str] = []

    def lengths(texts: list[str]) -> list[int]:
        seen.extend(texts)
        return [0] * len(texts)

    unit = Unit("x", lengths, 0, 0.0, 0.0)  # type: ignore[arg-type]
    assert found(wording("{they} lied", "{they} sang"), wording("{wrong}", "{right}"), language="de", unit=unit) == []
    assert seen == [" lied", " sang"]


@pytest.mark.parametrize(
    ("harmful", "affirming", "faulty"),
    [
        ("never home", "always home", True),
        ("dishonest", "honest", True),
        ("capable", "incapable", True),
        ("people who don't care", "people who do care", True),
        ("without aim", "without fear", False),
        ("understanding", "derstanding kind", False),
        ("false", "frank", False),
    ],
)
def test_negation(harmful: str, affirming: str, faulty: bool) -> None:
    assert ("negation" in dict(found(wording(harmful, affirming)))) is faulty


@pytest.mark.parametrize(
    ("harmful", "affirming", "faulty"),
    [
        ("a danger to us", "a comfort for them", False),
        ("a danger to us", "kind to us", True),
        ("people who lie", "honest people", True),
        ("an ogre", "a saint", False),
    ],
)
def test_template(harmful: str, affirming: str, faulty: bool) -> None:
    assert ("template" in dict(found(wording(harmful, affirming)))) is faulty


@pytest.mark.parametrize(
    ("harmful", "affirming", "marks"),
    [
        ("rude!", "kind.", "1 exclamation marks"),
        ("rude?", "kind.", "1 question marks"),
        ("RUDE now", "kind now", "1 words in capitals"),
        ("rude", "kind.", "0 closing marks"),
        ("people we've met", "people we have met", "1 contractions"),
        ("kinda rude", "quite kind", "1 casual words"),
        ("rude henceforth", "kind now", "1 formal words"),
    ],
)
def test_register(harmful: str, affirming: str, marks: str) -> None:
    assert marks in next(what for rule, what in found(wording(harmful, affirming)) if rule == "register")
    swapped = dict(found(wording(affirming, harmful)))
    assert "register" in swapped
    assert "register" not in dict(found(wording(harmful, harmful.replace("u", "e"))))


def test_marks_are_seen_in_every_language_and_words_in_english_alone() -> None:
    assert [rule for rule, _ in found(wording("b\u00f6se!", "gut."), language="de")] == ["register"]
    assert found(wording("kinda gut", "never gut"), language="de") == []


def test_sides_of_other_designs_are_not_compared() -> None:
    assert found(wording("never a man!", "a woman", design="responsiveness")) == []
