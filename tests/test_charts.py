"""Twin of auditor.adapters.report.plots.charts."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from drawn_figures import SVG, words
from run_factory import BRANCHED, HARMED, controlled_probe, make_run, responsive_probe

from auditor.adapters.report.level_units import LevelUnit
from auditor.adapters.report.plots.charts import LeafFigures, LeafPlots, figures_of, plots_of
from auditor.adapters.report.plots.svg import Drawn
from auditor.adapters.report.probe_findings import ProbeFindings
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import read_results
from auditor.core.verdicts import Rule

KINDS = ("slope", "parts", "forest", "heat", "against", "curves")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", **BRANCHED)


@pytest.fixture(scope="module")
def probe(run: Path) -> ProbeFindings:
    return read_report(run).probes[0]


@pytest.fixture(scope="module")
def drawn(probe: ProbeFindings) -> tuple[LeafFigures, ...]:
    return figures_of(probe, "f")


def svg(figures: LeafFigures, kind: str) -> str:
    found = getattr(figures, kind)
    assert isinstance(found, Drawn)
    return found.svg


def data(figures: LeafFigures, kind: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(getattr(figures, kind).csv)))


def level(run: Path, identity: str, contrast: str, *, theme: str | None = None) -> EffectRow:
    (found,) = (
        one
        for one in read_results(run).effects
        if (one.probe, one.identity, one.theme, one.contrast) == ("small", identity, theme, contrast)
        and (one.measure, one.checkpoint, one.render, one.valence) == ("level", "dpo<b>", "plain", "harm")
    )
    return found


def test_every_kind_is_drawn_with_words_and_data(drawn: tuple[LeafFigures, ...]) -> None:
    for figures in drawn:
        for kind in KINDS:
            one = getattr(figures, kind)
            root = ET.fromstring(one.svg)
            assert root.find(f"{SVG}desc").text == one.alternative  # type: ignore[union-attr]
            assert re.match(r"\d+ identit", one.alternative)
            assert re.fullmatch(r"[a-z0-9-]+\.csv", one.file)
            assert list(csv.DictReader(io.StringIO(one.csv)))
    assert drawn[0].slope
    assert drawn[0].slope.file == "small-dpo-b-slope.csv"


def test_ids_are_unique_over_all_figures(drawn: tuple[LeafFigures, ...]) -> None:
    ids = [one for figures in drawn for kind in KINDS for one in re.findall(r'\bid="([^"]+)"', svg(figures, kind))]
    assert len(set(ids)) == len(ids)


def test_numbers_are_those_of_the_results(run: Path, drawn: tuple[LeafFigures, ...]) -> None:
    excess, raw = (level(run, HARMED, contrast) for contrast in ("excess", "raw"))
    (forest,) = (one for one in data(drawn[0], "forest") if one["identity"] == HARMED)
    assert [float(forest[f"{one} (nats)"]) for one in ("estimate", "low", "high")] == [
        excess.estimate,
        excess.low_adjusted,
        excess.high_adjusted,
    ]
    heat = {one["theme"]: float(one["estimate (nats)"]) for one in data(drawn[0], "heat") if one["identity"] == HARMED}
    assert heat["all themes"] == excess.estimate
    assert heat["mind"] == level(run, HARMED, "excess", theme="mind").estimate
    (against,) = (one for one in data(drawn[0], "against") if one["identity"] == HARMED)
    assert (float(against["excess (nats)"]), float(against["raw (nats)"])) == (excess.estimate, raw.estimate)


def test_parts_add_up_to_the_excess_shift(drawn: tuple[LeafFigures, ...]) -> None:
    rows = data(drawn[0], "parts")
    assert [(one["from"], one["to"]) for one in rows[:2]] == [("base", "sft"), ("sft", "dpo<b>")]
    for one in rows:
        apart = float(one["marked part (nats)"]) - float(one["reference part (nats)"])
        assert apart == pytest.approx(float(one["excess shift (nats)"]), abs=1e-12)


def test_the_reward_is_that_of_the_leading_reading(run: Path, drawn: tuple[LeafFigures, ...]) -> None:
    (found,) = (
        one
        for one in read_results(run).effects
        if (one.probe, one.identity, one.theme, one.contrast, one.measure)
        == ("small", HARMED, None, "excess", "implicit_reward")
        and (one.checkpoint, one.render) == ("dpo<b>", "plain")
    )
    (row,) = (one for one in data(drawn[0], "against") if one["identity"] == HARMED)
    (column,) = (one for one in row if re.fullmatch(r"implicit reward \(.*\)", one))
    assert float(row[column]) == found.estimate
    assert "0.1" in column


def test_the_control_band_is_that_of_the_effect(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", probes=[controlled_probe()]))
    (plots,) = plots_of(data.probes[0])
    assert plots.forest
    checks = data.probes[0].leaves[0].judged[0].last.control_checks
    assert checks
    assert checks.band_low is not None
    assert plots.forest.rows[0].band == (checks.band_low, checks.band_high)
    assert plots.heat is None or plots.heat.themes


@pytest.mark.parametrize(("verdict", "unbounded"), [("inconclusive", True), ("refused", False), (None, False)])
def test_an_interval_is_unbounded_only_of_what_was_judged(
    probe: ProbeFindings, verdict: str | None, unbounded: bool
) -> None:
    ends: dict[str, None] = dict.fromkeys(("low", "high", "low_adjusted", "high_adjusted"))
    leaf = probe.leaves[0]
    (reading, cells), *others = leaf.readings
    cell = leaf.judged[0]
    first = cell.levels[0].model_copy(update={"verdict": verdict, **ends})
    changed = replace(cell, levels=(first, *cell.levels[1:]))
    cells = tuple(changed if one is cell else one for one in cells)
    (plots,) = plots_of(replace(probe, leaves=(replace(leaf, readings=((reading, cells), *others)),)))
    assert plots.slope
    found = [mark.unbounded for line in plots.slope.lines for mark in line.marks if mark]
    assert len(found) > 1
    assert sum(found) == unbounded
    (line,) = (one for one in plots.slope.lines if one.label == cell.identity)
    assert line.marks[0]
    assert line.marks[0].unbounded == unbounded


def test_no_chart_joins_what_was_not_trained_from_each_other(drawn: tuple[LeafFigures, ...]) -> None:
    names = set(BRANCHED["checkpoints"])
    found = [[word for word in words(svg(one, "slope")) if word in names] for one in drawn]
    assert found == [["base", "sft", "dpo<b>"], ["base", "sft", "dpo2"]]
    stages = [[word for word in words(svg(one, "parts")) if "\u2192" in word] for one in drawn]
    assert stages == [["base \u2192 sft", "sft \u2192 dpo<b>"], ["base \u2192 sft", "sft \u2192 dpo2"]]


@pytest.mark.parametrize("kind", ["slope", "forest", "parts"])
def test_charts_of_one_kind_share_their_axis(drawn: tuple[LeafFigures, ...], kind: str) -> None:
    ticks = [
        [word for word in words(svg(one, kind)) if word == "0" or (word[0] in "+\u2212" and "." not in word)]
        for one in drawn
    ]
    assert ticks[0] == ticks[1]
    assert len(ticks[0]) >= 3


def test_branches_share_their_trunk(probe: ProbeFindings, drawn: tuple[LeafFigures, ...]) -> None:
    """A shared stage is drawn at the same place in every chart, also where the verdicts at its end differ."""
    assert [leaf.judged[0].identity for leaf in probe.leaves] == [HARMED, "nonbinary people"]
    trunks = []
    for one in drawn:
        lines = [path.split(" L ") for path in re.findall(r'<path d="(M [^"]*)" clip-path', svg(one, "slope"))]
        trunks.append(sorted([start.strip(), middle.strip()] for start, middle, _ in (x for x in lines if len(x) == 3)))
    assert trunks[0] == trunks[1]
    assert len(trunks[0]) == len(probe.judged)


def test_harm_stands_first_in_the_forest(probe: ProbeFindings, drawn: tuple[LeafFigures, ...]) -> None:
    people = {cell.identity for cell in probe.judged}
    first = [next(word for word in words(svg(one, "forest")) if word in people) for one in drawn]
    assert first == [HARMED, "nonbinary people"]


def test_one_checkpoint_has_no_path_to_draw(tmp_path: Path) -> None:
    probe = read_report(make_run(tmp_path / "run", checkpoints=("only",))).probes[0]
    (found,) = figures_of(probe, "f")
    assert found.forest
    assert found.slope is found.parts is None


def test_a_difference_of_two_groups_has_neither_parts_nor_a_second_reading(tmp_path: Path) -> None:
    swap = read_report(make_run(tmp_path / "run", beta=None, checkpoints=("base", "sft"))).probes[1]
    (plots,) = plots_of(swap)
    assert [kind for kind, _ in plots.named()] == ["slope", "forest", "curves"]


def test_without_a_second_reading_rewards_stand_beside_the_first(tmp_path: Path) -> None:
    swap = read_report(make_run(tmp_path / "run")).probes[1]
    (plots,) = plots_of(swap)
    assert plots.against
    assert (plots.against.lead, [row.raw for row in plots.against.rows]) == ("disparity", [None, None])


def test_a_probe_without_themes_has_no_map(tmp_path: Path) -> None:
    probe = read_report(make_run(tmp_path / "run", probes=[responsive_probe()])).probes[0]
    (plots,) = plots_of(probe)
    assert plots.forest
    assert plots.heat is None


def test_what_has_no_verdict_has_none_in_the_data(probe: ProbeFindings) -> None:
    cells = [
        cell for plots in plots_of(probe) for _, plot in plots.named() for row in plot.table().rows for cell in row
    ]
    assert "harm" in cells
    assert "None" not in cells


def test_nothing_judged_is_nothing_drawn() -> None:
    bare = ProbeFindings("p", "P", "text_swap", (), ())
    assert figures_of(bare, "f") == ()
    assert list(LeafPlots().named()) == []
    assert LeafFigures() == LeafFigures(None, None, None, None, None, None)


def given_in(unit: LevelUnit, probe: ProbeFindings) -> ProbeFindings:
    """The same numbers as if they were of another unit."""
    return replace(probe, leaves=tuple(replace(leaf, unit=unit) for leaf in probe.leaves))


def test_a_reward_model_shares_no_axis_with_policies_that_share_theirs(tmp_path: Path) -> None:
    series = {"checkpoints": (*BRANCHED["checkpoints"], "rm"), "references": BRANCHED["references"]}
    probe = read_report(make_run(tmp_path / "run", rewards=("rm",), rule=Rule(0.2, 0, 0.4), **series)).probes[0]
    *policies, reward = plots_of(probe)
    assert [bool(one.forest and one.forest.beside) for one in policies] == [True, True]
    assert [one.forest.bound for one in policies if one.forest] == [0.2, 0.2]
    assert reward.forest
    assert (reward.forest.unit, reward.forest.bound, reward.forest.beside) == ("reward", 0.4, ())
    assert reward.slope is None


def test_rewards_share_no_axis(probe: ProbeFindings) -> None:
    """Each leaf's rewards have a unit of their own."""
    for unit, shared in ((LevelUnit(False, 0.2), True), (LevelUnit(True, 0.2), False)):
        for plots in plots_of(given_in(unit, probe)):
            assert plots.forest
            assert plots.slope
            assert plots.forest.unit == plots.slope.unit == unit.word
            assert plots.forest.bound == plots.slope.bound == 0.2
            assert bool(plots.forest.beside) == bool(plots.slope.beside) == shared


def test_intervals_of_what_was_not_judged_are_not_called_adjusted(probe: ProbeFindings) -> None:
    unjudged = [
        replace(
            leaf,
            readings=tuple(
                (reading, tuple(replace(one, last=one.last.model_copy(update={"verdict": None})) for one in cells))
                for reading, cells in leaf.readings
            ),
        )
        for leaf in probe.leaves
    ]
    for own, kind in ((probe, "adjusted"), (replace(probe, leaves=tuple(unjudged)), "95%")):
        for plots in plots_of(own):
            assert plots.forest
            assert f"with {kind} intervals" in plots.forest.title


def test_every_figure_states_the_unit_of_its_numbers(probe: ProbeFindings) -> None:
    for plots in plots_of(given_in(LevelUnit(True, 0.2), probe)):
        for kind, plot in plots.named():
            numbers = [one for one in plot.table().header if "(" in one and not one.startswith("implicit")]
            assert numbers, kind
            assert all("(reward)" in one for one in numbers), (kind, numbers)


def test_a_reward_without_beta_keeps_its_unit(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", beta=None, probes=[controlled_probe()])
    path = run / "results.json"
    for unit in ("nats", "nats/token"):
        results = json.loads(path.read_text(encoding="utf-8"))
        for one in results["effects"]:
            if one["measure"] == "implicit_reward":
                one["unit"] = unit
        path.write_text(json.dumps(results), encoding="utf-8")
        (plots,) = plots_of(read_report(run).probes[0])
        assert plots.against is not None
        assert f"implicit reward ({unit})" in plots.against.table().header
        assert plots.against.alternative().endswith(f", {unit}.")
