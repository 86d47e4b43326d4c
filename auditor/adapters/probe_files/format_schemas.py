"""The probe format as JSON Schema, for editors and for programs that write probes.

A schema knows the keys and kinds of values; what must fit together is for ``audit probes validate``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from auditor.adapters.probe_files.lexicon import Lexicon
from auditor.adapters.probe_files.pair_files import RIGHT, TEXT_COLUMNS
from auditor.adapters.probe_files.probe_folders import CardFile
from auditor.adapters.probe_files.sentences import Sentences
from auditor.core.items import AFFIRMING, DESIGNS, HARMFUL, ROLES, VALENCES

FormatPart = Literal["card", "lexicon", "sentences", "pairs"]
FORMAT_PARTS: tuple[FormatPart, ...] = ("card", "lexicon", "sentences", "pairs")

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: dict[FormatPart, type[BaseModel]] = {"card": CardFile, "lexicon": Lexicon, "sentences": Sentences}


def format_schema(part: FormatPart) -> dict[str, Any]:
    """The schema of ``card.yaml``, ``lexicon.yaml``, ``sentences.yaml``, or a line of ``pairs.jsonl``."""
    schema = _row_schema() if part == "pairs" else _MODELS[part].model_json_schema()
    return {"$schema": _DIALECT, **schema}


def _row_schema() -> dict[str, Any]:
    """A row of a pair file; in CSV and Parquet a list is JSON in a text."""
    side = {"type": "string", "pattern": r"\S"}
    # Numbers are read as texts, null as a value that is not there.
    text = {"type": ["string", "integer", "null"]}
    turn = {
        "type": "object",
        "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
        "required": ["role", "content"],
        "additionalProperties": False,
    }
    texts = {"type": ["array", "string"], "items": side, "minItems": 2}
    words = {"role": ROLES, "valence": VALENCES, "design": DESIGNS}
    return {
        "title": "Pair",
        "description": "A row of a pair file.",
        "type": "object",
        "properties": {
            HARMFUL: side,
            AFFIRMING: side,
            "candidates": texts,
            "labels": texts,
            RIGHT: text,
            "messages": {"type": ["array", "string", "null"], "items": turn},
            **{name: {"enum": list(allowed), "default": allowed[0]} for name, allowed in words.items()},
            **dict.fromkeys(TEXT_COLUMNS, text),
        },
        "additionalProperties": False,
        "oneOf": [
            {"required": [HARMFUL, AFFIRMING], "properties": {"candidates": False, "labels": False}},
            {"required": ["candidates", "labels"], "properties": {HARMFUL: False, AFFIRMING: False}},
        ],
    }
