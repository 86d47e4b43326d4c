"""Contexts and names that hold a word of one side."""

from __future__ import annotations

from typing import Any

from lint_cases import material, wording

from auditor.adapters.probe_lint.lint_context import context_findings
from auditor.adapters.probe_lint.lint_material import Finding, Wording


def found(*wordings: Wording, **changes: Any) -> list[Finding]:
    return list(context_findings(material(*wordings, **changes)))


def context(text: str) -> tuple[tuple[str, str], ...]:
    return (("plain", "I met some {people}."), ("telling", text))


def test_a_context_that_holds_a_word_of_one_side() -> None:
    (one,) = found(wording("dangerous", "kind", contexts=context("Is there any danger from {people}?")))
    assert one.where == "p, wording 1, frame telling"
    assert one.what == "what comes before holds 'dangerous', which the harmful side alone goes on with"
    (other,) = found(wording("rude", "kind", contexts=context("How kind are {people}?")))
    assert "which the affirming side alone" in other.what


def test_both_sides_or_none_or_a_scaffold_is_no_answer() -> None:
    assert found(wording("cruel", "kind", contexts=context("Are {people} kind or cruel?"))) == []
    assert found(wording("cruel", "kind")) == []
    assert found(wording("fond of fights", "fond of fun", contexts=context("What are {people} fond of?"))) == []


def test_a_name_that_holds_it() -> None:
    names = {("a", "xans"): ("xans", "people with mental illness")}
    (one,) = found(wording("mentally weak", "wholly well"), names=names)
    assert one.where == "p, wording 1, xans (a)"
    assert found(wording("mentally weak", "wholly well", asked=frozenset()), names=names) == []


def test_a_declaration_is_meant_to_be_taken_up() -> None:
    assert found(wording("a man", "a woman", design="responsiveness", contexts=context("I am a woman."))) == []


def test_other_languages_are_read_word_by_word() -> None:
    told = context("Sind {people} gef\u00e4hrlich?")
    assert len(found(wording("gef\u00e4hrlich", "freundlich", contexts=told), language="de")) == 1
    assert found(wording("gef\u00e4hrliche Leute", "nette Leute", contexts=told), language="de") == []
