"""Twin of auditor.adapters.report.wordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_factory import make_run, worded_probe

from auditor.adapters.report.page import render_report
from auditor.adapters.report.report_data import read_report
from auditor.adapters.report.wordings import Wordings
from auditor.adapters.run.results_schema import ReliabilityRow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[worded_probe()])


def test_what_could_be_parted_at_the_leaf(run: Path) -> None:
    found = read_report(run).probes[0].leaves[0].wordings
    assert found is not None
    assert [(words, one.facet, one.checkpoint) for words, one in found.reliabilities] == [
        ("wordings", "paraphrase", "dpo<b>")
    ]
    assert [words for words, _ in found.scorings] == [
        "the mean token",
        "the mean byte",
        "the tokens both sides share",
    ]


def test_the_page_says_whether_wordings_agree(run: Path) -> None:
    page = render_report(run)
    assert "Other wordings order these identities much alike" in page
    assert "4 identities" in page


def row(reliability: float | None, facet: str = "paraphrase") -> tuple[str, ReliabilityRow]:
    place = {"probe": "p", "design": "text_swap", "render": "plain", "checkpoint": "dpo"}
    numbers = {"correlation": 0.5, "low": 0.1, "high": 0.9, "identities": 5}
    return "words", ReliabilityRow.model_validate({**place, **numbers, "facet": facet, "reliability": reliability})


def test_identities_may_be_ranked_from_the_lowest_of_all_facets() -> None:
    good = Wordings((row(0.9), row(0.7, "frame")), ())
    assert (good.lowest, good.rankable) == (0.7, True)
    poor = replace(good, reliabilities=(*good.reliabilities, row(0.69, "surface")))
    assert (poor.lowest, poor.rankable) == (0.69, False)


def test_without_paraphrases_nothing_is_ranked() -> None:
    found = Wordings((row(0.9, "frame"),), ())
    assert (found.lowest, found.rankable) == (None, False)
