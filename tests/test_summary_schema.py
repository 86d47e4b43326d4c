"""``report.json``: the published schema is the package's, and every key is explained."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from command_line import ROOT
from pydantic import BaseModel, ValidationError
from run_factory import BRANCHED, make_run

from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries import summary_schema
from auditor.adapters.summaries.run_summary import summary_json, summary_of
from auditor.adapters.summaries.summary_schema import RunSummary

SCHEMA = ROOT / "docs" / "schema" / "report.schema.json"


def test_published_schema_is_the_packages() -> None:
    schema = RunSummary.model_json_schema(mode="serialization")
    if os.environ.get("UPDATE_DOCS"):
        SCHEMA.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
    written = "write it with: UPDATE_DOCS=1 python -m pytest tests/test_summary_schema.py"
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema, written


def test_a_summary_follows_it_and_reads_back(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", **BRANCHED)
    summary = summary_of(read_results(run), read_manifest(run))
    text = summary_json(summary)
    assert "NaN" not in text
    assert "Infinity" not in text
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(json.loads(text))
    assert RunSummary.model_validate_json(text) == summary
    later = {**json.loads(text), "added": "by a later version"}
    assert RunSummary.model_validate(later) == summary


def test_every_key_is_explained() -> None:
    said = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")))
    models = [one for one in vars(summary_schema).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    keys = {key for model in models for key in model.model_fields}
    assert len(keys) > 30
    assert sorted(keys - said) == []
    assert "schema/report.schema.json" in (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"series": []}, {"leaves": []}, {"headline": None}])
def test_another_shape_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    run = make_run(tmp_path / "run", checkpoints=("only",), renders=("plain",))
    content = json.loads(summary_json(summary_of(read_results(run), read_manifest(run))))
    with pytest.raises(ValidationError):
        RunSummary.model_validate({**content, **change})
