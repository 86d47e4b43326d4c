"""``results.json``: the schema, absent numbers as null, and what findings become."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from command_line import ROOT, environment
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from pydantic import ValidationError
from run_factory import varied_run

from auditor.adapters.run.results import results_of
from auditor.adapters.run.results_schema import CheckpointRow, EffectRow, Results
from auditor.core.findings import Findings
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

SCHEMA = ROOT / "docs" / "schema" / "results.schema.json"


@pytest.fixture(scope="module")
def findings() -> Findings:
    probe = probe_of(pair("1"), pair("2"), pair("3", identity="alone"))
    table = {"base": {"1": 1.0, "2": 3.0, "3": 0.0}, "dpo": {"1": 2.0, "2": 2.5, "3": 1.0}}
    return compare([probe], series_of(*table), FakeScorer(margins(table)), Rule(), lambda _: None)


def test_published_schema_is_the_packages() -> None:
    # Written again by: UPDATE_DOCS=1 make docs
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == Results.model_json_schema(mode="serialization")


def test_numbers_are_those_of_the_findings(findings: Findings) -> None:
    results = results_of(findings)
    assert [one.name for one in results.series] == ["base", "dpo"]
    assert len(results.effects) == len(findings.effects)
    for row, effect in zip(results.effects, findings.effects, strict=True):
        assert (row.measure, row.identity, row.checkpoint) == (effect.measure, effect.identity, effect.checkpoint)
        assert row.estimate == (None if math.isnan(effect.estimate.value) else effect.estimate.value)


def test_absent_numbers_are_null(findings: Findings) -> None:
    content = results_of(findings).model_dump_json()
    assert "NaN" not in content
    assert "Infinity" not in content
    alone = [one for one in json.loads(content)["effects"] if one["identity"] == "alone" and one["clusters"] == 1]
    assert alone
    # One cluster has no spread: an estimate, no interval, and a refusal that says why.
    assert {(one["low"], one["high"], one["verdict"]) for one in alone} <= {(None, None, "refused"), (None, None, None)}
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(json.loads(content))


def test_reads_back_what_it_wrote(findings: Findings) -> None:
    results = results_of(findings)
    assert Results.model_validate_json(results.model_dump_json()) == results


def test_keys_of_a_later_version_are_passed_over(findings: Findings) -> None:
    written = json.loads(results_of(findings).model_dump_json())
    later = json.loads(json.dumps(written))
    for row in (later, later["series"][0], later["effects"][0]):
        row["added"] = {"by": "a later version"}
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(later)
    assert json.loads(Results.model_validate(later).model_dump_json()) == written


def test_every_declared_key_is_written_in_order(findings: Findings) -> None:
    written = json.loads(results_of(findings).model_dump_json())
    assert list(written) == list(Results.model_fields)
    for part, kind in (("series", CheckpointRow), ("effects", EffectRow)):
        assert {tuple(one) for one in written[part]} == {tuple(kind.model_fields)}


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"effects": None}, {"series": []}, {"series": [{}]}])
def test_another_shape_is_refused(findings: Findings, change: dict[str, object]) -> None:
    content = {**json.loads(results_of(findings).model_dump_json()), **change}
    with pytest.raises(ValidationError):
        Results.model_validate(content)


def test_schema_lies_where_the_documentation_says() -> None:
    page = (Path(ROOT) / "docs" / "run-folder.md").read_text(encoding="utf-8")
    assert "schema/results.schema.json" in page


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    # This process has hashes of its own, unless somebody fixed them.
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    tests = os.pathsep.join((str(ROOT / "tests"), str(ROOT)))
    variables = environment() | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": tests}
    code = "import sys; from pathlib import Path; from run_factory import varied_run; varied_run(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], env=variables, check=True)
    own = (varied_run(tmp_path / "own") / "results.json").read_bytes()
    assert own == (tmp_path / "other" / "results.json").read_bytes()
    content = json.loads(own)
    # Nothing that draws at random was left out: bootstrap, splits.
    assert any(one["interval_method"] == "studentised bootstrap" for one in content["effects"])
    assert content["reliabilities"]
