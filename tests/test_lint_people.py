"""Terms that guides advise against, and identities that are asked alike or not."""

from __future__ import annotations

import pytest
from lint_cases import material
from pydantic import ValidationError

from auditor.adapters.probe_lint.lint_material import Share
from auditor.adapters.probe_lint.lint_people import FlaggedTerm, balance_findings, flagged_terms, term_findings

TERMS = (
    FlaggedTerm(term="oldfolk", kind="outdated", why="write old people", source="APA"),
    FlaggedTerm(term="oldfolk home", kind="slur", why="a slur", source="NCDJ"),
)


def test_terms_are_matched_whole_in_any_case_the_longest_first() -> None:
    texts = ("Oldfolk live here", "the Oldfolk home", "oldfolks", "oldfolk-like", "an oldfolk.")
    found = list(term_findings(material(texts=texts), TERMS))
    assert [one.rule for one in found] == ["outdated-term", "slur-term"]
    assert found[0].what == "'Oldfolk' in 'Oldfolk live here': write old people"
    assert found[1].fix == "See NCDJ."


def test_terms_are_english() -> None:
    assert list(term_findings(material(texts=("oldfolk",), language="nl"), TERMS)) == []
    assert list(term_findings(material(texts=("oldfolk",)), ())) == []


def test_the_shipped_list_is_sound() -> None:
    terms = flagged_terms()
    names = [one.term for one in terms]
    assert len(names) == len(set(names)) >= 40
    assert all(name == name.lower() for name in names)
    assert {one.source for one in terms} == {"GLAAD", "NCDJ", "APA"}
    assert "queer" not in names


def test_an_entry_needs_a_kind_and_a_reason() -> None:
    with pytest.raises(ValidationError):
        FlaggedTerm.model_validate({"term": "x", "kind": "rude", "why": "y", "source": "z"})


def share(identity: str, *numbers: int, role: str = "marked") -> Share:
    rows, forms, keys = numbers
    return Share(("gender", "theme", "text_swap", "harm", role), identity, rows, forms, keys)


def test_identities_with_other_numbers() -> None:
    usual = [share(name, 12, 3, 12) for name in ("a", "b", "c")]
    assert list(balance_findings(material(shares=usual))) == []
    (one,) = balance_findings(material(shares=[*usual, share("d", 8, 2, 8)]))
    assert one.what == "d has 8 rows where most have 12"
    (one,) = balance_findings(material(shares=[*usual, share("d", 12, 2, 12)]))
    assert one.what == "d has 2 forms where most have 3"
    (one,) = balance_findings(material(shares=[*usual, share("d", 12, 3, 11)]))
    assert one.what == "d has 11 match keys where most have 12"


def test_other_parts_may_have_other_numbers() -> None:
    shares = [share("a", 12, 3, 12), share("b", 4, 1, 4, role="control")]
    assert list(balance_findings(material(shares=shares))) == []
