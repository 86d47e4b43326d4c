"""Twin of auditor.adapters.summaries.run_summary: held against results.json itself and against the page's own data."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from run_factory import (
    BRANCHED,
    HARMED,
    MIXED,
    controlled_probe,
    identity_swap_probe,
    make_run,
    question_probe,
    responsive_probe,
    text_swap_probe,
    worded_probe,
)

from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries.run_summary import summary_json, summary_of
from auditor.adapters.summaries.summary_schema import RunSummary
from auditor.core.verdicts import Rule
from auditor.errors import UsageError

PROBES = (text_swap_probe(), controlled_probe(), worded_probe(), responsive_probe(), identity_swap_probe())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=PROBES, **BRANCHED)


@pytest.fixture(scope="module")
def results(run: Path) -> Results:
    return read_results(run)


def summary(run: Path, checkpoint: str | None = None) -> RunSummary:
    return summary_of(read_results(run), read_manifest(run), checkpoint)


def test_every_judged_level_where_training_ends_is_a_cell_once(run: Path, results: Results) -> None:
    def key(one: object) -> tuple[object, ...]:
        names = ("probe", "identity", "axis", "design", "render", "checkpoint", "estimate", "low_adjusted", "verdict")
        return tuple(getattr(one, name) for name in names)

    wanted = [
        key(one)
        for one in results.effects
        if (one.measure, one.role, one.valence, one.theme) == ("level", "marked", "harm", None)
        and one.contrast in ("raw", "excess")
        and one.checkpoint in ("dpo<b>", "dpo2")
    ]
    cells = [key(one) for one in summary(run).cells]
    assert len(cells) == len(set(cells))
    assert set(cells) == set(wanted)


def test_the_headline_cells_are_those_the_page_counts(run: Path) -> None:
    found, page = summary(run), read_report(run)
    assert found.render == page.render
    assert [leaf.checkpoint for leaf in found.leaves] == [branch.leaf for branch in page.branches]
    for at, leaf in enumerate(found.leaves):
        judged = {
            (probe.name, cell.identity, cell.last.verdict)
            for probe in page.probes
            for cell in probe.leaves[at].headline
        }
        assert leaf.harmed == tuple(sorted({who for _, who, verdict in judged if verdict == "harm"}))
        assert leaf.inconclusive == tuple(sorted({who for _, who, verdict in judged if verdict == "inconclusive"}))
        assert leaf.probes_with_harm == len({name for name, _, verdict in judged if verdict == "harm"})
        assert leaf.probes_read == len({probe.name for probe in page.probes})
        cells = [cell.last for probe in page.probes for cell in probe.leaves[at].headline]
        own = [one for one in found.cells if one.headline and one.checkpoint == leaf.checkpoint]
        assert sorted((one.probe, one.identity, one.estimate or 0) for one in own) == sorted(
            (one.probe, one.identity or "", one.estimate or 0) for one in cells
        )
        for verdict, count in leaf.counts.items():
            assert count == sum(one.verdict == verdict for one in cells)
    assert HARMED in found.leaves[0].harmed


def test_stages_are_the_shifts_of_the_path(run: Path, results: Results) -> None:
    cells = [one for one in summary(run).cells if one.probe == "controlled" and one.headline]
    assert cells
    for cell in cells:
        path = ["sft", cell.checkpoint]
        assert [one.checkpoint for one in cell.stages] == path
        assert [one.measure_from for one in cell.stages] == ["base", "sft"]
        for stage in cell.stages:
            (shift,) = (
                one
                for one in results.effects
                if (one.measure, one.contrast, one.theme, one.role) == ("shift", "excess", None, "marked")
                and (one.probe, one.identity, one.render) == (cell.probe, cell.identity, cell.render)
                and (one.checkpoint, one.valence) == (stage.checkpoint, "harm")
            )
            assert (stage.estimate, stage.origin, stage.verdict) == (shift.estimate, shift.origin, shift.verdict)
        assert cell.origin == cell.stages[-1].origin
    assert any(one.origin == "unresolved" for one in cells)


def test_odds_are_exp_of_nats(run: Path) -> None:
    for cell in summary(run).cells:
        assert (cell.odds is None) == (cell.estimate is None)
        if cell.estimate is not None and cell.odds is not None:
            assert math.log(cell.odds) == pytest.approx(cell.estimate, abs=1e-12)


def test_what_alters_a_verdict_is_named(run: Path, results: Results) -> None:
    fragile = [one for one in summary(run).cells if one.fragile]
    assert fragile
    assert all(one.fragile_in for one in fragile)
    assert not any(one.fragile_in for one in summary(run).cells if one.fragile is False)
    assert sum(one.count for one in summary(run).refusals) == sum(one.count for one in results.refusals)


def test_the_status_is_the_manifests(run: Path) -> None:
    manifest = {**read_manifest(run), "status": "interrupted"}
    assert summary_of(read_results(run), manifest).status == "interrupted"
    assert json.loads(summary_json(summary(run)))["status"] == "complete"


def test_one_checkpoint_alone_leaf_or_not(run: Path) -> None:
    found = summary(run, "sft")
    assert [(leaf.checkpoint, leaf.path) for leaf in found.leaves] == [("sft", ("base", "sft"))]
    assert {one.checkpoint for one in found.cells} == {"sft"}
    assert {one.checkpoint for one in found.metrics} == {"sft"}
    with pytest.raises(UsageError, match="no checkpoint 'dpo3'"):
        summary(run, "dpo3")


def test_published_metrics_stand_alone_where_nothing_has_a_harmful_side(tmp_path: Path) -> None:
    found = summary(make_run(tmp_path / "run", probes=[question_probe()]))
    assert found.cells == ()
    assert found.headline.startswith("Published metrics only")
    # All answers are "unknown", which leaves the bias score nothing to count.
    assert {one.measure for one in found.metrics} == {"bbq_accuracy_ambiguous"}
    assert {one.checkpoint for one in found.metrics} == {"dpo<b>"}


def test_whatever_a_manifest_lacks_is_left_empty(results: Results) -> None:
    found = summary_of(results, {"probes": [{}, "no card"], "finished": 3})
    assert found.status == "complete"
    assert (found.auditor, found.command, found.created) == ("", "", "")
    assert [(one.name, one.title, one.items) for one in found.probes] == [("", "", 0)]
    assert {one.fingerprint for one in found.series} == {""}
    assert json.loads(summary_json(found))["headline"] == found.headline


def test_each_end_of_training_has_the_unit_and_the_bound_of_its_levels(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", rule=Rule(0.25, 0, 0.5), **MIXED)
    summary = summary_of(read_results(run), read_manifest(run))
    assert [(one.checkpoint, one.unit, one.sesoi, one.harmed) for one in summary.leaves] == [
        ("dpo<b>", "nats", 0.25, (HARMED,)),
        ("rm", "reward", 0.5, (HARMED,)),
    ]
    assert (summary.unit, summary.sesoi) == ("nats", 0.25)
    assert [one.quantity for one in summary.series] == ["logprob", "logprob", "logprob", "reward"]
    assert all(one.odds is None for one in summary.cells if one.checkpoint == "rm")
    assert summary.headline == "1 identity shows harm at dpo<b>, 1 at rm"
    alone = summary_of(read_results(run), read_manifest(run), "rm")
    assert (alone.unit, alone.sesoi, [one.unit for one in alone.leaves]) == ("reward", 0.5, ["reward"])


def test_where_nothing_was_scored_there_is_no_harm_to_deny(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", checkpoints=("dpo<b>", "rm"), rewards=("rm",), probes=[text_swap_probe()])
    whole = read_results(run)
    lost = whole.model_copy(update={"effects": tuple(one for one in whole.effects if one.checkpoint != "rm")})
    before, after = summary_of(whole, {}), summary_of(lost, {})
    assert [leaf.probes_read for leaf in before.leaves] == [1, 1]
    assert [leaf.probes_read for leaf in after.leaves] == [1, 0]
    assert "rm" in before.headline
    assert "nothing could be read" not in before.headline
    assert after.headline.endswith("; nothing could be read at rm")
    assert after.basis.startswith("Read in plain rendering")
