"""Twin of auditor.adapters.report.citations."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from run_factory import HOSTILE

from auditor.adapters.report.citations import METHOD_ARXIV, METHOD_AUTHORS, METHOD_TITLE, bibtex

CITATION = Path(__file__).resolve().parent.parent / "CITATION.cff"
MANIFEST = {"created": "2026-01-02T03:04:05Z", "auditor": "0.1.0"}


def entries(text: str) -> dict[str, dict[str, str]]:
    """A small reading of BibTeX: keys, and the fields of each."""
    found = {}
    for kind, key, body in re.findall(r"@(\w+)\{([^,]+),\n(.*?)\n\}", text, flags=re.DOTALL):
        found[key] = {"kind": kind, **dict(re.findall(r"^  (\w+) = \{(.*)\},$", body, flags=re.MULTILINE))}
    return found


def test_the_method_is_cited_as_the_package_asks() -> None:
    (paper,) = yaml.safe_load(CITATION.read_text(encoding="utf-8"))["references"]
    authors = tuple(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert paper["title"] == METHOD_TITLE
    assert authors == METHOD_AUTHORS
    assert paper["url"].endswith(METHOD_ARXIV)
    method = entries(bibtex(MANIFEST, ()))["ovalle2024root"]
    assert method["author"].split(" and ") == list(authors)
    assert (method["year"], method["eprint"]) == (str(paper["year"]), METHOD_ARXIV)


def test_the_package_in_the_version_of_the_run() -> None:
    package = entries(bibtex(MANIFEST, ()))["auditor"]
    assert (package["kind"], package["version"], package["year"]) == ("software", "0.1.0", "2026")
    assert "year" not in entries(bibtex({}, ()))["auditor"]


def test_probes_that_ask_for_it() -> None:
    cards = [{"name": "a", "citation": ""}, {"name": "b", "title": "The b set", "citation": "Lee 2023,\n arXiv 1"}]
    found = entries(bibtex(MANIFEST, cards))
    assert set(found) == {"auditor", "ovalle2024root", "probe2"}
    assert (found["probe2"]["title"], found["probe2"]["note"]) == ("The b set", "Lee 2023, arXiv 1")


def test_nothing_in_a_card_ends_its_field() -> None:
    cards = [{"title": text, "citation": f"}}\n@misc{{x, {text}"} for text in HOSTILE]
    found = entries(bibtex(MANIFEST, cards))
    assert len(found) == 2 + len(HOSTILE)
    for card in list(found.values())[2:]:
        assert set(card) == {"kind", "title", "note"}
        assert not re.search(r"[{}]|(?<!\\)[%&#$_]", card["title"] + card["note"])
