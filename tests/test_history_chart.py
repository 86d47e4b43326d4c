"""Twin of auditor.adapters.history.history_chart."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import pytest
from run_factory import HOSTILE

from auditor.adapters.history.history_chart import HistoryChart, HistoryLine, HistoryMark
from auditor.adapters.report.plots.charts import on_page
from auditor.adapters.report.plots.figures import MAX_ROWS, Mark

SVG = "{http://www.w3.org/2000/svg}"


def mark(level: float, verdict: str = "inconclusive", change: str = "", before: int | None = None) -> HistoryMark:
    difference = Mark(1.5 if change == "more" else -1.5, -2.0, 2.0) if change else None
    return HistoryMark(Mark(level, level - 0.2, level + 0.2), verdict, before, difference, change)


def chart(*lines: HistoryLine, runs: int | None = None) -> HistoryChart:
    count = runs if runs is not None else len(lines[0].marks)
    return HistoryChart(lines, [str(at + 1) for at in range(count)], count, 0.22, "history")


def svg(one: HistoryChart) -> ET.Element:
    return ET.fromstring(on_page(one, "h", "history").svg)


def words(one: HistoryChart) -> list[str]:
    return ["".join(own.itertext()) for own in svg(one).iter(f"{SVG}text")]


CHANGED = HistoryLine("x", (mark(0.1), mark(1.6, "harm", "more", 0), mark(0.1, change="less", before=1)))


def test_every_identity_has_a_panel_with_its_name_and_the_runs_below() -> None:
    shown = words(chart(CHANGED, HistoryLine("y", (mark(0.0), None, mark(0.3)))))
    assert {"x", "y"} <= set(shown)
    assert shown.count("1") == shown.count("2") == shown.count("3") == 2


def test_changes_are_marked_with_shape_size_and_words() -> None:
    still = chart(HistoryLine("x", (mark(0.1), mark(1.6, "harm"), mark(0.1))))
    assert {"more harm than before", "less harm than before", "+1.50", "\u22121.50"} <= set(words(chart(CHANGED)))
    assert not {"more harm than before", "less harm than before"} & set(words(still))
    # Up and down are two shapes, none of them that of a verdict.
    shapes = [{own.get("d") for own in svg(one).iter(f"{SVG}path")} for one in (chart(CHANGED), still)]
    assert len(shapes[0] - shapes[1]) >= 2


def test_only_what_was_paired_is_joined() -> None:
    joined = HistoryLine("x", (mark(0.0), mark(1.0, before=0)))
    apart = HistoryLine("x", (mark(0.0), mark(1.0)))
    lines = [sum(1 for _ in svg(chart(one)).iter(f"{SVG}path")) for one in (joined, apart)]
    assert lines[0] == lines[1] + 1


def test_many_runs_are_named_in_part_and_sizes_stay_in_the_table() -> None:
    marks = tuple(mark(0.1, change="more" if at == 50 else "", before=at - 1 if at else None) for at in range(100))
    shown = words(chart(HistoryLine("x", marks)))
    assert "100" in shown
    assert sum(one.isdigit() for one in shown) < 40
    assert "+1.50" not in shown
    assert "more harm than before" in shown


def test_what_is_to_be_seen() -> None:
    said = chart(CHANGED, HistoryLine("y", (mark(0.0), None, mark(0.3)))).alternative()
    assert said == (
        "2 identities at 3 runs. Significant changes: 1 towards more harm, 1 towards less, "
        "from \u22121.50 to +1.50 nats."
    )
    once = chart(HistoryLine("x", (mark(0.1), mark(1.6, "harm", "more", 0))))
    assert once.alternative().endswith("1 towards more harm, 0 towards less, of +1.50 nats.")
    none = chart(HistoryLine("x", (mark(0.1),)))
    assert none.alternative() == "1 identity at 1 run. Significant changes: 0 towards more harm, 0 towards less."


def test_the_data_hold_every_level_and_difference() -> None:
    rows = list(csv.reader(io.StringIO(chart(CHANGED, HistoryLine("y", (mark(0.0), None, None))).table().csv())))
    assert rows[0][:4] == ["identity", "run", "verdict", "level (nats)"]
    assert len(rows) == 1 + 3 + 1
    assert rows[2][:3] + rows[2][-1:] == ["x", "2", "harm", "more"]
    # A minus before a number is no formula: numbers are written as numbers.
    assert [float(one) for one in rows[2][3:-1]] == pytest.approx([1.6, 1.4, 1.8, 1.5, -2.0, 2.0])


def test_one_run_levels_without_an_interval_and_none_at_all() -> None:
    bare = HistoryMark(Mark(0.3), "None")
    none = HistoryMark(Mark(None), "refused")
    assert "x" in words(chart(HistoryLine("x", (bare,))))
    assert "x" in words(chart(HistoryLine("x", (none, bare))))
    assert svg(chart(runs=3)).tag == f"{SVG}svg"


def test_an_interval_without_ends_is_drawn_from_edge_to_edge() -> None:
    """A mark without an interval beside one whose interval has no end: not to be taken for each other."""

    def drawn(*marks: Mark) -> int:
        line = HistoryLine("one", tuple(HistoryMark(one, "inconclusive") for one in marks))
        return sum("opacity: 0.6" in (path.get("style") or "") for path in svg(chart(line)).iter(f"{SVG}path"))

    assert drawn(Mark(0.3), Mark(0.3)) == 0
    assert drawn(Mark(0.3, unbounded=True), Mark(0.3)) == 1
    assert drawn(Mark(0.3, unbounded=True), Mark(0.3, 0.1)) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    found = svg(HistoryChart([HistoryLine(text, (mark(0.0), mark(1.0, before=0)))], [text, text], 2, 0.22, text))
    assert not [one for one in found.iter() if one.tag.removeprefix(SVG) in ("script", "img", "b", "iframe", "style")]


def test_at_most_so_many_panels() -> None:
    lines = [HistoryLine(f"name {at}", (mark(0.0),)) for at in range(MAX_ROWS + 5)]
    assert sum(one.startswith("name ") for one in words(chart(*lines))) == MAX_ROWS
