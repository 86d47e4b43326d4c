"""The published schemas are the package's, and hold of the files it writes and reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from fake_scores import pair, probe_of
from pydantic import TypeAdapter
from request_factory import requests_file
from transformers import PreTrainedTokenizerFast

from auditor.adapters.external.request_schema import LogprobHeader, LogprobLine, RequestHeader, RequestLine

SCHEMAS = Path(__file__).resolve().parent.parent / "docs" / "schema"
FILES = {"requests": RequestHeader | RequestLine, "logprobs": LogprobHeader | LogprobLine}


@pytest.mark.parametrize("name", FILES)
def test_published_schemas_are_the_packages(name: str) -> None:
    schema = TypeAdapter(FILES[name]).json_schema()
    path = SCHEMAS / f"{name}.schema.json"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == schema, "write it with: UPDATE_DOCS=1 make docs"


def test_every_key_is_explained() -> None:
    text = (SCHEMAS.parent / "external-scores.md").read_text(encoding="utf-8")
    for model in (RequestHeader, RequestLine, LogprobHeader, LogprobLine):
        for key in model.model_fields:
            assert f"`{key}`" in text, f"{model.__name__}.{key}"


def test_lines_follow_the_schema(tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast) -> None:
    path = requests_file(tmp_path / "requests.jsonl", [probe_of(pair("q", context="They "))], {"a": byte_tokenizer})
    validator = jsonschema.Draft202012Validator(TypeAdapter(FILES["requests"]).json_schema())
    for line in path.read_text(encoding="utf-8").splitlines():
        validator.validate(json.loads(line))
    validator = jsonschema.Draft202012Validator(TypeAdapter(FILES["logprobs"]).json_schema())
    validator.validate({"format": "auditor-logprobs", "version": 1, "engine": "x"})
    validator.validate({"id": "0", "logprobs": [-1.5]})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"id": "0"})
