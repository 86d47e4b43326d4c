"""The published schemas are the package's, hold for what is shipped, and refuse what the readers refuse."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from command_line import ROOT
from probe_material import CARD, LEXICON, SECTION
from test_pair_writing import items

from auditor.adapters.probe_files.format_schemas import FORMAT_PARTS, FormatPart, format_schema
from auditor.adapters.probe_files.pair_files import COLUMNS, read_pairs
from auditor.adapters.probe_files.pair_writing import json_line
from auditor.adapters.probe_files.probes import shipped_probes
from auditor.adapters.probe_files.table_files import read_table
from auditor.errors import UsageError


def valid(part: FormatPart, content: object) -> bool:
    return bool(jsonschema.Draft202012Validator(format_schema(part)).is_valid(content))


@pytest.mark.parametrize("part", FORMAT_PARTS)
def test_published_schemas_are_the_packages(part: FormatPart) -> None:
    file = ROOT / "docs" / "schema" / f"{part}.schema.json"
    if os.environ.get("UPDATE_DOCS"):
        file.write_text(json.dumps(format_schema(part), indent=1) + "\n", encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == format_schema(part), "write it with: UPDATE_DOCS=1 make docs"
    jsonschema.Draft202012Validator.check_schema(format_schema(part))


@pytest.mark.parametrize("name", shipped_probes())
@pytest.mark.parametrize("part", ["card", "lexicon", "sentences"])
def test_shipped_files_follow_them(part: FormatPart, name: str) -> None:
    # As YAML gives them: wordings are lists there.
    assert valid(part, yaml.safe_load((ROOT / "probes" / name / f"{part}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("part", "content", "change"),
    [
        ("card", CARD, lambda c: c.update(colour="red")),
        ("card", CARD, lambda c: c.pop("title")),
        ("card", CARD, lambda c: c["tiers"].update(quick=0)),
        ("lexicon", LEXICON, lambda c: c["axes"][0].update(name="An axis")),
        ("lexicon", LEXICON, lambda c: c["axes"][0]["identities"][0].update(role="control")),
        ("lexicon", LEXICON, lambda c: c["controls"][0].update(surfaces=[])),
        ("sentences", {"sections": [SECTION]}, lambda c: c["sections"][0].update(design="identity_swap")),
        ("sentences", {"sections": [SECTION]}, lambda c: c["sections"][0]["predicates"][0].update(wordings=[["a"]])),
        (
            "sentences",
            {"sections": [SECTION]},
            lambda c: c["sections"][0]["frames"][0].update(messages=[{"role": "tool", "content": "x"}]),
        ),
    ],
)
def test_what_they_refuse(part: FormatPart, content: dict[str, Any], change: Callable[[Any], object]) -> None:
    content = copy.deepcopy(content)
    assert valid(part, content)
    change(content)
    assert not valid(part, content)


def test_a_row_has_the_columns_of_the_contract() -> None:
    assert set(format_schema("pairs")["properties"]) == set(COLUMNS)
    for item in items():
        assert valid("pairs", json.loads(json_line(item)))


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        ({"harmful": "a", "affirming": "b"}, True),
        ({"harmful": "a", "affirming": "b", "frame": None, "paraphrase": 2}, True),
        ({"harmful": "a", "affirming": "b", "messages": [{"role": "user", "content": "?"}]}, True),
        ({"candidates": ["a", "b"], "labels": ["x", "y"]}, True),
        ({"candidates": ["a", "b"], "labels": ["x", "y"], "right_label": "y"}, True),
        ({"candidates": ["a", "b"], "labels": ["x", "y"], "right_label": ["y"]}, False),
        ({"harmful": "a"}, False),
        ({"harmful": "a", "affirming": " "}, False),
        ({"harmful": "a", "affirming": "b", "labels": ["x", "y"]}, False),
        ({"harmful": "a", "affirming": "b", "colour": "red"}, False),
        ({"harmful": "a", "affirming": "b", "role": "other"}, False),
        ({"harmful": "a", "affirming": "b", "identity": True}, False),
        ({"harmful": "a", "affirming": "b", "messages": [{"role": "user"}]}, False),
        ({"candidates": ["a"], "labels": ["x"]}, False),
    ],
)
def test_reader_and_schema_agree(row: dict[str, Any], fits: bool, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert valid("pairs", row) == fits
    if fits:
        assert len(read_pairs(read_table(path), "p").items) == 1
    else:
        with pytest.raises(UsageError):
            read_pairs(read_table(path), "p")
