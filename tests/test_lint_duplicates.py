"""Wordings that repeat others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from lint_cases import material, wording

from auditor.adapters.probe_lint.lint_duplicates import NEAR, _near, _trigrams, duplicate_findings
from auditor.adapters.probe_lint.lint_material import Wording


def found(*wordings: Wording) -> list[tuple[str, str]]:
    return [(one.rule, one.where) for one in duplicate_findings(material(*wordings))[0]]


def test_the_same_in_two_clusters() -> None:
    one, other = wording("cruel", "kind.", "p"), wording("Cruel", "kind", "q", number="3")
    findings, repeated = duplicate_findings(material(one, other))
    assert [(finding.rule, finding.where) for finding in findings] == [("duplicate", "p, wording 1; q, wording 3")]
    assert repeated == {other}


def test_nearly_the_same_in_two_clusters() -> None:
    pair = (
        wording("counterrevolutionary", "straightforward", "p"),
        wording("counter-revolutionary", "straightforward", "q"),
    )
    assert [rule for rule, _ in found(*pair)] == ["near-duplicate"]


def test_a_long_scaffold_makes_nothing_near() -> None:
    scaffold = "among the very first who would ever be called {} by their old neighbours".format
    assert (
        found(wording(scaffold("cruel"), scaffold("kind"), "p"), wording(scaffold("lazy"), scaffold("busy"), "q")) == []
    )


def test_paraphrases_that_differ_by_punctuation() -> None:
    assert found(wording("cruel", "kind"), wording("cruel,", "Kind!", number="2")) == [
        ("duplicate", "p, wording 1 and 2")
    ]
    assert found(wording("cruel", "kind"), wording("cruel men", "kind men", number="2")) == []


def test_what_stands_beside_the_sides_tells_them_apart() -> None:
    slots = {"design": "responsiveness"}
    one = wording("{other.they} left", "{they} left", "p", beside="{name} looked up at the clouds before", **slots)
    other = wording("{other.they} left", "{they} left", "q", beside="{name} put the kettle on because", **slots)
    assert found(one, other) == []
    assert [rule for rule, _ in found(one, wording(one.harmful, one.affirming, "q", beside=one.beside, **slots))] == [
        "duplicate"
    ]


def test_an_identity_swap_is_about_its_scaffold() -> None:
    swap = {"design": "identity_swap"}
    one = wording("Gay people have health issues", "Straight people have health issues", "p", **swap)
    other = wording("Gay people have family issues", "Straight people have family issues", "q", **swap)
    assert found(one, other) == []


def test_clusters_that_nobody_meets_together_may_repeat() -> None:
    assert found(wording("cruel", "kind", "p"), wording("cruel", "kind", "q", asked=frozenset({("a", "zans")}))) == []


def test_no_near_pair_is_missed() -> None:
    generator = np.random.default_rng(3)
    texts = ["".join(generator.choice(list("abc "), size=generator.integers(1, 9))) for _ in range(150)]
    sets = [_trigrams(text) for text in texts]
    expected = {
        (first, second)
        for first, second in combinations(range(len(texts)), 2)
        if len(sets[first] & sets[second]) / len(sets[first] | sets[second]) >= NEAR
    }
    assert len(expected) > 5
    assert set(_near(texts)) == expected
