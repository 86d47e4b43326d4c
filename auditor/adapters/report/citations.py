"""How to cite an audit: BibTeX of the package, of the paper whose method it follows and of each probe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

METHOD_AUTHORS = (
    "Ovalle, Anaelia",
    "Lehman Pavasovic, Krunoslav",
    "Martin, Louis",
    "Zettlemoyer, Luke",
    "Smith, Eric Michael",
    "Chang, Kai-Wei",
    "Williams, Adina",
    "Sagun, Levent",
)
METHOD_TITLE = "The Root Shapes the Fruit: On the Persistence of Gender-Exclusive Harms in Aligned Language Models"
METHOD_ARXIV = "2411.03700"


def bibtex(manifest: Mapping[str, Any], probes: Sequence[Mapping[str, Any]]) -> str:
    """Entries for the package in the run's version, the method, and each probe whose card asks for a citation.

    Args:
        manifest: of the run.
        probes: its entries for probes.
    """
    year = re.match(r"\d{4}", str(manifest.get("created") or ""))
    package = {
        "title": "auditor",
        "author": "{The auditor contributors}",
        "version": _text(manifest.get("auditor")),
        "year": year[0] if year else "",
        "note": "An audit of language model checkpoints by paired log-likelihoods and implicit rewards",
    }
    method = {
        "title": METHOD_TITLE,
        "author": " and ".join(METHOD_AUTHORS),
        "year": "2024",
        "eprint": METHOD_ARXIV,
        "archiveprefix": "arXiv",
        "url": f"https://arxiv.org/abs/{METHOD_ARXIV}",
    }
    entries = [_entry("software", "auditor", package), _entry("misc", "ovalle2024root", method)]
    for at, probe in enumerate(probes, 1):
        citation = _text(probe.get("citation"))
        if citation:
            told = {"title": _text(probe.get("title") or probe.get("name")), "note": citation}
            entries.append(_entry("misc", f"probe{at}", told))
    return "\n\n".join(entries)


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _text(value: object) -> str:
    """A text of somebody else's in one line, without what BibTeX takes for its own."""
    line = " ".join(str(value or "").split())
    return re.sub(r"([%&#$_])", r"\\\1", re.sub(r"[{}\\]", "", line))
