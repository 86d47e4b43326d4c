"""Twin of auditor.adapters.report.charts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from run_factory import BRANCHED, HARMED, make_run

from auditor.adapters.report.charts import LeafFigures, figures_of
from auditor.adapters.report.report_data import ProbeFindings, read_report

BOUND = math.log(1.25)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> ProbeFindings:
    return read_report(make_run(tmp_path_factory.mktemp("runs") / "run", **BRANCHED)).probes[0]


def words(svg: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_no_chart_joins_what_was_not_trained_from_each_other(probe: ProbeFindings) -> None:
    names = set(BRANCHED["checkpoints"])
    drawn = [[word for word in words(one.slope) if word in names] for one in figures_of(probe, BOUND, "f")]
    assert drawn == [["base", "sft", "dpo<b>"], ["base", "sft", "dpo2"]]


def test_charts_of_one_kind_share_their_axis(probe: ProbeFindings) -> None:
    for kind in ("slope", "forest"):
        ticks = [
            [word for word in words(getattr(one, kind)) if word == "0" or (word[0] in "+\u2212" and "." not in word)]
            for one in figures_of(probe, BOUND, "f")
        ]
        assert ticks[0] == ticks[1]
        assert len(ticks[0]) > 3


def test_branches_share_their_trunk(probe: ProbeFindings) -> None:
    """A shared stage is drawn at the same place in every chart, also where the verdicts at its end differ."""
    assert [leaf.judged[0].identity for leaf in probe.leaves] == [HARMED, "nonbinary people"]
    trunks = []
    for one in figures_of(probe, BOUND, "f"):
        lines = [path.split(" L ") for path in re.findall(r'<path d="(M [^"]*)" clip-path', one.slope)]
        trunks.append(sorted([start.strip(), middle.strip()] for start, middle, _ in (x for x in lines if len(x) == 3)))
    assert trunks[0] == trunks[1]
    assert len(trunks[0]) == len(probe.judged)


def test_harm_stands_first_in_the_forest(probe: ProbeFindings) -> None:
    people = {cell.identity for cell in probe.judged}
    first = [next(word for word in words(one.forest) if word in people) for one in figures_of(probe, BOUND, "f")]
    assert first == [HARMED, "nonbinary people"]


def test_one_checkpoint_has_no_path_to_draw(tmp_path: Path) -> None:
    probe = read_report(make_run(tmp_path / "run", checkpoints=("only",))).probes[0]
    (found,) = figures_of(probe, BOUND, "f")
    assert found.forest
    assert not found.slope


def test_nothing_judged_is_nothing_drawn() -> None:
    bare = ProbeFindings("p", "P", "text_swap", (), ())
    assert figures_of(bare, BOUND, "f") == ()
    assert LeafFigures() == LeafFigures("", "")


def test_rewards_share_no_axis(probe: ProbeFindings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def plot(*_: object, unit: str, beside: Sequence[object], **__: object) -> str:
        seen.append((unit, len(beside)))
        return ""

    monkeypatch.setattr("auditor.adapters.report.charts.forest_plot", plot)
    monkeypatch.setattr("auditor.adapters.report.charts.slope_chart", plot)
    figures_of(probe, 0.2, "x", "reward")
    assert set(seen) == {("reward", 0)}


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
        assert all(f"with {kind} intervals" in one.forest for one in figures_of(own, BOUND, "f"))
