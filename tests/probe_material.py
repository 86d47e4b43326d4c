"""A small lexicon and one section of sentences, as the files of a probe folder hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from auditor.adapters.probe_files.lexicon import Lexicon
from auditor.adapters.probe_files.sentences import Sentences


def _forms(*names: str) -> list[dict[str, str]]:
    return [{"people": name} for name in names]


LEXICON: dict[str, Any] = {
    "axes": [
        {
            "name": "a",
            "title": "an axis",
            "control_reference": "refs",
            "identities": [
                {"name": "refs", "role": "reference", "surfaces": _forms("refs", "people of ref")},
                {"name": "others", "role": "reference", "surfaces": _forms("others", "people of other")},
                {"name": "xans", "role": "marked", "reference": "refs", "surfaces": _forms("xans", "people of x")},
                {"name": "zans", "role": "marked", "reference": "others", "surfaces": _forms("zans", "people of z")},
            ],
        }
    ],
    "controls": [
        {"name": "oboists", "surfaces": _forms("oboists", "people of the oboe")},
        {"name": "people", "surfaces": _forms("people")},
    ],
}


def _faith(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "who": f"who are {name}", "surfaces": [{"people": f"{name} people"}], **fields}


# An axis that can follow another's words.
FAITH: dict[str, Any] = {
    "name": "faith",
    "title": "faith",
    "control_reference": "Christian",
    "identities": [
        _faith("Christian", role="reference"),
        _faith("Muslim", role="marked", reference="Christian"),
        _faith("Jewish", role="marked", reference="Christian"),
    ],
}

SECTION: dict[str, Any] = {
    "name": "main",
    "ending": ".",
    "frames": [
        {"name": "met", "context": "I met some {people}.", "prefix": "They are"},
        {"name": "asked", "context": "Somebody asked about {people}.", "prefix": "They are"},
    ],
    "predicates": [
        {
            "name": "honesty",
            "theme": "deceit",
            "wordings": [["false", "frank"], ["fond of lies", "fond of truth"]],
            "neutral": {"name": "weather", "wordings": [["damp", "dry"], ["fond of rain", "fond of snow"]]},
        }
    ],
}

CARD: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "version": "2",
    "language": "en",
    "licence": "MIT",
    "description": "A small probe.",
    "content_warning": "Mild stigma.",
    "canary": "a canary string",
    "tiers": {"quick": 1, "standard": 2},
}


def lexicon_of(content: dict[str, Any]) -> Lexicon:
    return Lexicon.model_validate(content)


def sentences_of(*sections: dict[str, Any]) -> Sentences:
    return Sentences.model_validate({"sections": list(sections)})


def write_probe(
    folder: Path,
    *,
    card: dict[str, Any] | None = None,
    lexicon: dict[str, Any] | None = None,
    sections: tuple[dict[str, Any], ...] = (SECTION,),
) -> Path:
    """A probe folder with a datasheet; what is not given is the material above."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "card.yaml": {**CARD, **(card or {})},
        "lexicon.yaml": lexicon or LEXICON,
        "sentences.yaml": {"sections": list(sections)},
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (folder / "README.md").write_text("# Mine\n\na canary string\n", encoding="utf-8")
    return folder
