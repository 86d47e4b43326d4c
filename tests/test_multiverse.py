"""Twin of auditor.adapters.report.multiverse."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import HARMED, controlled_probe, make_run

from auditor.adapters.report.multiverse import Multiverse
from auditor.adapters.report.page import render_report
from auditor.adapters.report.report_data import read_report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()])


@pytest.fixture(scope="module")
def multiverse(run: Path) -> Multiverse:
    found = read_report(run).probes[0].leaves[0].multiverse
    assert found is not None
    return found


def test_curves_rise_and_follow_the_verdict_table(run: Path, multiverse: Multiverse) -> None:
    leaf = read_report(run).probes[0].leaves[0]
    assert [curve.cell.identity for curve in multiverse.curves] == [cell.identity for cell in leaf.headline]
    for curve in multiverse.curves:
        estimates = [one.estimate for one in curve.points]
        assert estimates == sorted(estimates)
        assert len(estimates) == sum(one.examined for one in curve.agreements.values())


def test_every_dimension_examined_has_words(multiverse: Multiverse) -> None:
    assert {dimension for dimension, _ in multiverse.dimensions} == {"scoring", "render", "cluster"}
    assert all(words and "_" not in words for _, words in multiverse.dimensions)


def test_the_page_names_what_alters_a_verdict(run: Path, multiverse: Multiverse) -> None:
    page = render_report(run)
    assert 'id="robustness"' in page
    (harmed,) = (curve for curve in multiverse.curves if curve.cell.identity == HARMED)
    assert f"{harmed.agreements['cluster'].agreeing}/{harmed.agreements['cluster'].examined}" in page
