"""Twin of auditor.adapters.report.answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_factory import BRANCHED, HARMED, controlled_probe, make_run, text_swap_probe, worded_probe

from auditor.adapters.report.answers import Answer, answers_of, tally
from auditor.adapters.report.cells import Cell
from auditor.adapters.report.report_data import ReportData, read_report
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.run_folder import read_results


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", probes=[text_swap_probe(), controlled_probe()], **BRANCHED)
    return read_report(run)


def answer(data: ReportData, probe: int = 0, leaf: int = 0, identity: str = HARMED) -> Answer:
    return next(one for one in data.probes[probe].leaves[leaf].answers if one.cell.identity == identity)


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> ReportData:
    """A run whose effects are not what they were."""
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        change(one)
    path.write_text(json.dumps(results), encoding="utf-8")
    return read_report(run)


def test_an_answer_for_every_leading_cell(data: ReportData) -> None:
    for probe in data.probes:
        for leaf in probe.leaves:
            assert tuple(one.cell for one in leaf.answers) == leaf.headline


def test_whom_a_disparity_is_compared_with(data: ReportData) -> None:
    assert answer(data).compared_with == ("cisgender people",)
    found = preferences(data)
    assert found
    assert all(one.compared_with == () for one in found)


def preferences(data: ReportData) -> list[Answer]:
    """The answers about preferences, which are compared with nobody."""
    cells = [cell for reading, cells in data.probes[0].leaves[0].readings if reading == "preference" for cell in cells]
    return list(answers_of(cells, data.branches[0], (), {("small", "gender identity", HARMED): ("cisgender people",)}))


def test_a_harm_arose_where_its_stage_says(data: ReportData) -> None:
    found = answer(data, probe=1)
    assert found.cell.last.verdict == "harm"
    last = next(stage.shift for stage in found.cell.stages if stage.shift.checkpoint == "dpo<b>")
    assert [(one.origin, one.before, one.after) for one in found.trace] == [(last.origin, "sft", "dpo<b>")]
    assert found.staged
    assert not found.at_start
    # Training's other path did not pass through the stage.
    assert answer(data, probe=1, leaf=1).trace == ()
    assert not answer(data, probe=1, leaf=1).staged


def test_a_harm_that_nothing_is_known_before(tmp_path: Path) -> None:
    def harm_at_base(one: dict[str, Any]) -> None:
        if (one["identity"], one["checkpoint"], one["measure"], one["contrast"]) == (HARMED, "base", "level", "excess"):
            one.update(verdict="harm")

    assert answer(changed(tmp_path, harm_at_base)).at_start


def test_what_alters_a_verdict_is_named_in_words(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", probes=[worded_probe()]))
    for found in data.probes[0].leaves[0].answers:
        rows = found.cell.last.robustness or ()
        assert found.examined == sum(one.examined for one in rows) > 0
        assert found.agreeing == sum(one.agreeing for one in rows)
        assert bool(found.altered_by) == bool(found.cell.last.fragile)
        assert all("_" not in words for words in found.altered_by)


def test_levels_within_themes(data: ReportData) -> None:
    found = answer(data)
    assert [one.theme for one in found.themes] == ["mind", "conduct"]
    for one in found.themes:
        assert (one.measure, one.contrast, one.checkpoint, one.render) == ("level", "excess", "dpo<b>", "plain")
        assert one.identity == HARMED
        assert one.valence == "harm"


def test_every_verdict_is_counted_once(data: ReportData) -> None:
    for probe in data.probes:
        for leaf in probe.leaves:
            found = tally(leaf.headline)
            parts = (found.harm, found.absent, found.inconclusive, found.lower, found.affirming, found.refused)
            assert sum(parts) == len(leaf.headline)
            assert found.judged == len(leaf.judged)
            assert found.leaning + found.withdrawn <= found.inconclusive


def test_why_a_verdict_stays_open(tmp_path: Path) -> None:
    def withdraw(one: dict[str, Any]) -> None:
        if one["verdict"] is not None and one["identity"] == HARMED:
            one.update(verdict="inconclusive", controls="failed_band", low_adjusted=0.5, high_adjusted=2.0)
        elif one["verdict"] is not None:
            one.update(verdict="inconclusive", controls=None, low_adjusted=0.1, high_adjusted=0.75)

    cells = changed(tmp_path, withdraw).probes[0].leaves[0].headline
    found = tally(cells)
    assert (found.inconclusive, found.withdrawn, found.leaning) == (2, 1, 1)
    # Whom controls withdrew lies above d: no bound is asked for it.
    assert (found.absent_from, found.unbounded) == ((0.75, 0.75), 0)


def test_nobody_is_counted_where_there_is_nobody() -> None:
    cells: tuple[Cell, ...] = ()
    assert tally(cells).absent_from is None
    assert answers_of(cells, Branch(("base",)), (), {}) == ()


def test_answers_use_the_numbers_of_the_results(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()])
    assert answer(read_report(run)).cell.last in read_results(run).effects
