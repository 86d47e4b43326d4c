"""Twin of auditor.adapters.run.reward_rows: what is written is what the kernel found."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from run_factory import MIXED, make_run

from auditor.adapters.run.results import results_of
from auditor.adapters.run.run_folder import read_results
from auditor.core.findings import Findings
from auditor.core.verdicts import Rule
from auditor.pipeline import compare


@pytest.fixture(scope="module")
def findings() -> Findings:
    people = (("x", "marked"), ("ref", "reference"))
    items = [
        pair(f"{who}{at}", identity=who, cluster=str(at), match=str(at), role=role)
        for at in range(12)
        for who, role in people
    ]
    rng = np.random.default_rng(4)
    table = {name: {item.id: rng.normal() for item in items} for name in ("base", "sft", "dpo", "rm")}
    series = series_of(*table, quantities={"rm": "reward"}, other_references={"dpo": ("base",)})
    return compare([probe_of(*items)], series, FakeScorer(margins(table)), Rule(), lambda _: None)


def test_rows_are_the_findings(findings: Findings) -> None:
    results = results_of(findings)
    assert len(results.agreements) == 3
    for row, one in zip(results.agreements, findings.agreements, strict=True):
        assert (row.kind, row.other_checkpoint, row.ties) == (one.kind, one.other_checkpoint, one.ties)
        assert (row.correlation, row.low, row.high) == (one.correlation, one.interval.low, one.interval.high)
        assert (row.equal_signs_low, row.equal_signs_high) == (
            one.equal_signs_interval.low,
            one.equal_signs_interval.high,
        )
    for row, one in zip(results.reward_harms, findings.reward_harms, strict=True):
        assert (row.standardised, row.low, row.high, row.verdict) == (
            one.standardised,
            one.interval.low,
            one.interval.high,
            one.verdict,
        )


def test_a_correlation_of_the_series_own_with_itself_is_null(findings: Findings) -> None:
    rows = results_of(findings).sensitivities
    assert [row.variant for row in rows] == ["own", "other_reference", "summed", "per_token"]
    assert (rows[0].correlation, rows[0].correlation_low) == (None, None)
    for row, one in zip(rows[1:], findings.sensitivities[1:], strict=True):
        assert row.correlation == one.correlation
        assert (row.correlation_low, row.correlation_high) == (
            one.correlation_interval.low,
            one.correlation_interval.high,
        )
        assert (row.estimate, row.low, row.high) == (one.estimate, one.interval.low, one.interval.high)
        assert math.isfinite(one.correlation)


def test_they_come_back_from_the_file(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run", **MIXED))
    assert {one.kind for one in results.reward_harms} == {"explicit_reward", "implicit_reward", "preference"}
    assert {one.variant for one in results.sensitivities} == {"own", "summed", "per_token"}
