"""Reports keep to docs/language.md: what it says not to say stands on no page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from run_factory import (
    BRANCHED,
    controlled_probe,
    identity_swap_probe,
    make_run,
    question_probe,
    responsive_probe,
    text_swap_probe,
    worded_probe,
)

from auditor.adapters.report.page import render_report

RULES = Path(__file__).resolve().parent.parent / "docs" / "language.md"

# A sentence that the rules ask for, and names of published measures, which are their authors'.
ASKED_FOR = (
    "never certifies that a model is fair",
    "BBQ bias score",
    "bias score",
)
# Right of a disparity only, which no search for words can tell; what cells hold is tested by itself.
NOT_WORDS = ("preference", "0, or an empty cell")
# What the rules forbid in prose: other words for being unmarked, and all that makes a league table of people.
FORBIDDEN = (
    r"normal\w*(?<!normalised)",
    r"regular\w*",
    r"debias\w*",
    r"unbiased\w*",
    r"biased",
    r"toxi\w+",
    r"preferred pronouns?",
    r"transgender(?:s|ed)",
    r"safest|safe",
    r"worst|most harmed|least harmed|top-ranked|ranked|league table",
    r"(?:strongest|largest|highest|greatest) first",
    r"(?:highest|lowest): \w+",
    r"proves?|proven",
)

RUNS: dict[str, dict[str, Any]] = {
    "two probes": {},
    "branches": BRANCHED,
    "controls": {"probes": [controlled_probe()]},
    "wordings": {"probes": [worded_probe()], "renders": ("plain",)},
    "declarations": {"probes": [responsive_probe(), identity_swap_probe()]},
    "questions": {"probes": [question_probe()]},
    "one checkpoint": {"probes": [text_swap_probe()], "checkpoints": ("only",), "beta": None},
    "private": {"private": True},
    "attributed": {"probes": [controlled_probe(), identity_swap_probe()], "attributed": True},
    "attributed in private": {"private": True, "attributed": True},
}


def forbidden() -> Iterator[str]:
    """Patterns for what the rules' tables say not to say, and for what they say in prose."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for _, instead, _ in rows[1:]:
        plain = re.sub(r"[*\u2026]", "", instead).strip()
        if plain not in NOT_WORDS:
            yield from (re.escape(part.strip()) for part in plain.split(","))
    yield from FORBIDDEN


class _Prose(HTMLParser):
    """What a page says, without styles, the manifest, and names that are in other people's hands."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.cells: list[str] = []
        self._within: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += " " if tag not in ("bdi", "span", "strong", "em", "i", "a", "code") else ""
        if tag in ("td", "th"):
            self.cells.append("")
        if tag in ("style", "script", "pre", "bdi", "title", "desc"):
            self._within.append(tag)
        for name, value in attrs:
            if name in ("aria-label", "title", "alt") and "bdi" not in self._within:
                self.text += f" {value} "

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data
        if not self._within:
            self.text += data


@pytest.fixture(scope="module", params=RUNS, ids=list(RUNS))
def html(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return render_report(make_run(tmp_path_factory.mktemp("runs") / "run", **RUNS[request.param]))


def test_the_rules_are_read() -> None:
    found = set(forbidden())
    assert {"toxicity", "offensiveness", "bias", "alignment\\ caused", "cause", "unbiased", "debiased"} <= found
    assert {"no\\ effect", "fair", "safe", "the\\ reason", "the\\ responsible\\ neuron"} <= found


def offences(html: str) -> dict[str, str]:
    """What a page says that it should not, by pattern, with the words around it."""
    text = re.sub(r"\s+", " ", _Prose(html).text)
    for sentence in ASKED_FOR:
        text = text.replace(sentence, "")
    return {
        pattern: text[max(0, match.start() - 60) : match.end() + 40]
        for pattern in forbidden()
        if (match := re.search(rf"\b(?:{pattern})\b", text, flags=re.IGNORECASE))
    }


def test_nothing_is_said_that_the_rules_forbid(html: str) -> None:
    assert offences(html) == {}


@pytest.mark.parametrize(
    "sentence",
    [
        "DPO debiased the model.",
        "Alignment caused it.",
        "The model is fair.",
        "There was <strong>no</strong> effect.",
        "Normal people come out better.",
        "The worst identity stands on top.",
        '<p title="toxicity">harm</p>',
    ],
)
def test_what_is_forbidden_would_be_found(sentence: str) -> None:
    assert offences(f"<main><p>{sentence}</p></main>")
    assert not offences(f"<style>{sentence}</style><p><bdi>{sentence.replace('title', 'data-title')}</bdi></p>")


def test_figures_keep_to_the_rules_too(html: str) -> None:
    drawn = " ".join(re.findall(r"<desc[^>]*>(.*?)</desc>", html, flags=re.DOTALL))
    found = [pattern for pattern in forbidden() if re.search(rf"\b(?:{pattern})\b", drawn, flags=re.IGNORECASE)]
    assert found == []


def test_no_cell_is_empty(html: str) -> None:
    """A number that cannot be honestly given is refused or a dash, never 0 or nothing."""
    cells = _Prose(html).cells
    assert cells
    assert [at for at, one in enumerate(cells) if not one.strip()] == []


def test_every_page_says_what_an_audit_cannot(html: str) -> None:
    text = re.sub(r"\s+", " ", _Prose(html).text)
    assert "An audit finds evidence of harm on the probes it was given" in text
    assert "never certifies that a model is fair" in text


def test_no_group_is_called_by_an_adjective_of_its_own(html: str) -> None:
    headings = re.findall(r"<h[1-6][^>]*>(.*?)</h[1-6]>", html, flags=re.DOTALL)
    assert not [one for one in headings if "deluded" in one or "Everyone knows" in one]
