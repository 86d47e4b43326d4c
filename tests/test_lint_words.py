"""Content words that clusters share where their sides differ."""

from __future__ import annotations

from lint_cases import material, wording

from auditor.adapters.probe_lint.lint_material import Finding, Wording
from auditor.adapters.probe_lint.lint_words import word_findings


def found(*wordings: Wording, language: str = "en", repeated: tuple[Wording, ...] = ()) -> list[Finding]:
    return list(word_findings(material(*wordings, language=language), repeated))


def test_a_word_on_one_side_of_a_theme() -> None:
    (one,) = found(wording("cruel bosses", "kind bosses", "p"), wording("cruelly proud", "humbly proud", "q"))
    assert (one.rule, one.where) == ("one-sided-word", "theme t: p, q")
    assert one.what == "'cruel' and 'cruelly': on harmful sides only, in 2 predicates of the theme"
    (other,) = found(wording("mean", "kind", "p"), wording("rude", "kind", "q"))
    assert "on affirming sides only" in other.what


def test_a_word_on_both_sides() -> None:
    (one,) = found(wording("proud", "humble", "p"), wording("timid", "proud", "q", theme="u"))
    assert (one.rule, one.where) == ("both-sides", "p, q")


def test_a_word_in_two_themes_or_in_a_control() -> None:
    (one,) = found(wording("cruel", "kind", "p"), wording("cruel", "sweet", "q", theme="u"))
    assert one.rule == "shared-word"
    (control,) = found(wording("damp", "kind", "p"), wording("damp", "dry", "q", valence="neutral"))
    assert control.rule == "shared-word"


def test_scaffolds_paraphrases_and_function_words_may_repeat() -> None:
    assert found(wording("prone to lies", "prone to truth", "p"), wording("prone to fits", "prone to fun", "q")) == []
    assert found(wording("cruel", "kind", "p"), wording("cruel men", "kind men", "p", number="2")) == []
    assert found(wording("cruel to them", "kind", "p"), wording("nasty to them", "sweet", "q")) == []
    assert found(wording("taking more", "giving more", "p"), wording("giving less", "taking less", "p")) == []


def test_clusters_that_nobody_meets_together_share_what_they_like() -> None:
    others = frozenset({("a", "zans")})
    apart = wording("cruel", "kind", "p"), wording("cruel", "sweet", "q", asked=others)
    assert found(*apart) == []
    # Somebody who meets both joins them.
    both = wording("cruel", "dear", "r", asked=others | {("a", "xans")})
    assert [one.where for one in found(*apart, both)] == ["theme t: p, r, q"]


def test_what_repeats_another_is_left_to_that_rule() -> None:
    twice = wording("cruel", "kind", "p"), wording("cruel", "kind", "q")
    assert len(found(*twice)) == 2
    assert found(*twice, repeated=(twice[1],)) == []


def test_other_languages_share_long_words_that_no_frame_holds() -> None:
    german = (
        wording("eine Gefahr f\u00fcr alle", "ein Gewinn f\u00fcr alle", "p"),
        wording("eine Gefahr im Haus", "eine Hilfe im Haus", "q"),
    )
    (one,) = found(*german, language="de")
    assert one.what.startswith("'gefahr'")
    familiar = tuple((("met", "Gefahr?"),) for _ in german)
    framed = [wording(one.harmful, one.affirming, one.cluster, contexts=familiar[0]) for one in german]
    assert found(*framed, language="de") == []


def test_other_designs_are_left_alone() -> None:
    swap = wording("cruel", "kind", "p", design="identity_swap"), wording("cruel", "dear", "q", design="identity_swap")
    assert found(*swap) == []
