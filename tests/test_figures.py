"""Twin of auditor.adapters.report.figures."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_factory import HOSTILE

from auditor.adapters.report.figures import (
    MAX_LABELS,
    MAX_ROWS,
    CurveRow,
    ForestRow,
    Mark,
    SlopeLine,
    _spread,
    curve_plot,
    forest_plot,
    slope_chart,
)

SVG = "{http://www.w3.org/2000/svg}"
VERDICTS = ("harm", "lower_than_reference", "affirming", "no_meaningful_difference", "inconclusive", "refused")
BOUND = math.log(1.25)


def forest(rows: list[ForestRow]) -> str:
    return forest_plot(rows, bound=BOUND, prefix="f", title="forest")


def slope(lines: list[SlopeLine], checkpoints: tuple[str, ...] = ("base", "dpo")) -> str:
    return slope_chart(lines, checkpoints=checkpoints, bound=BOUND, prefix="s", title="slope")


def row(label: str, value: float, verdict: str = "inconclusive", clusters: int = 7) -> ForestRow:
    return ForestRow(label, verdict, Mark(value, value - 0.3, value + 0.3), clusters)


def words(svg: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(svg).iter(f"{SVG}text")]


def test_forest_keeps_the_order_given_and_tells_its_clusters() -> None:
    shown = words(forest([row("small", -1.0), row("large", 2.0, "harm", 31), row("middle", 0.5)]))
    assert [one for one in shown if one in ("small", "middle", "large")] == ["small", "large", "middle"]
    assert {"31", "7", "+2.00", "\u22121.00"} <= set(shown)


def test_a_number_rounded_to_nothing_has_no_side() -> None:
    assert "0.00" in words(forest([row("one", 0.001)]))
    assert "0.00" in words(forest([row("one", -0.001)]))


def test_an_axis_can_be_shared() -> None:
    """Two plots beside each other are compared by eye: one place must mean one number."""
    far = Mark(7.0, 6.0, 8.0)
    alone, beside = (
        forest_plot([row("one", 0.5)], bound=BOUND, prefix="f", title="f", beside=one) for one in ((), [far])
    )
    assert "+8" not in words(alone)
    assert "+8" in words(beside)
    marks = (Mark(0.0, -0.1, 0.1), Mark(0.5, 0.4, 0.6))
    chart = slope_chart(
        [SlopeLine("one", "harm", marks)], checkpoints=("a", "b"), bound=BOUND, prefix="s", title="s", beside=[far]
    )
    assert "+8" in words(chart)


def test_each_verdict_has_its_own_shape_and_colour() -> None:
    looks = set()
    for verdict in ("harm", "lower_than_reference", "no_meaningful_difference", "inconclusive"):
        svg = forest([row("one", 1.0, verdict)])
        looks.add(tuple(re.findall(r'<path id="f-m\w+" d="([^"]+)" style="stroke: var\((--\w+)', svg)))
    assert len(looks) == 4


@pytest.mark.parametrize("verdict", [*VERDICTS, "None", "unheard of"])
def test_every_verdict_is_drawn(verdict: str) -> None:
    assert "one" in words(forest([row("one", 1.0, verdict)]))
    assert "one" in words(slope([SlopeLine("one", verdict, (Mark(0.0, -1.0, 1.0), Mark(1.0, 0.0, 2.0)))]))


def test_missing_numbers_are_left_out() -> None:
    assert "refused" in words(forest([ForestRow("none", "refused", Mark(None, None, None), 0), row("one", 1.0)]))
    gaps = [
        SlopeLine("gap", "inconclusive", (None, Mark(1.0, None, None))),
        SlopeLine("none", "refused", (None, None)),
        SlopeLine("empty", "refused", (Mark(None, None, None), Mark(None, None, None))),
    ]
    shown = words(slope(gaps))
    assert "gap" in shown
    assert not {"none", "empty"} & set(shown)
    assert slope([]).startswith("<svg")


def test_an_endless_interval_does_not_flatten_the_others() -> None:
    wide = ForestRow("wide", "inconclusive", Mark(0.1, -900.0, 900.0), 2)
    ticks = [one for one in words(forest([wide, row("one", 0.5)])) if one.startswith("+") and one != "+0.50"]
    assert max(float(one) for one in ticks) < 10


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    for svg in (
        forest([row(text, 1.0)]),
        slope([SlopeLine(text, "harm", (Mark(0.0, -1.0, 1.0), Mark(1.0, 0.0, 2.0)))], (text, text + "2")),
    ):
        root = ET.fromstring(svg)
        assert not [
            one for one in root.iter() if one.tag.removeprefix(SVG) in ("script", "img", "b", "iframe", "style")
        ]


def test_many_identities_grow_the_figure_up_to_a_limit() -> None:
    def height(svg: str) -> float:
        return float(str(ET.fromstring(svg).get("viewBox")).split()[3])

    heights = [height(forest([row(f"i{at}", at / 10) for at in range(count)])) for count in (5, 20, 40, 90)]
    assert heights[0] < heights[1] < heights[2] == heights[3]
    shown = words(forest([row(f"i{at}", at / 10) for at in range(90)]))
    assert {one for one in shown if one.startswith("i")} == {f"i{at}" for at in range(MAX_ROWS)}


def test_many_lines_are_named_in_part_and_carry_no_intervals() -> None:
    def lines(count: int) -> list[SlopeLine]:
        marks = [Mark(at / 10, at / 10 - 0.05, at / 10 + 0.05) for at in range(count)]
        return [SlopeLine(f"i{at}", "inconclusive", (mark, mark)) for at, mark in enumerate(marks)]

    few, many = slope(lines(MAX_LABELS)), slope(lines(MAX_LABELS + 1))
    assert [sum(one.startswith("i") for one in words(svg)) for svg in (few, many)] == [MAX_LABELS] * 2
    assert few.count("stroke-opacity") == 2 * MAX_LABELS
    assert many.count("stroke-opacity") == 0


def test_a_long_series() -> None:
    names = tuple(f"checkpoint-{at}" for at in range(15))
    line = SlopeLine("one", "harm", tuple(Mark(at / 10, at / 10 - 1, at / 10 + 1) for at in range(15)))
    assert "check\u2026" in slope([line], names)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=15))
def test_labels_keep_their_distance_and_their_order(values: list[float]) -> None:
    placed = _spread(sorted(values), 0.1, (-1.0, 1.0))
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in pairwise(placed))
    assert placed[0] >= -1 - 1e-9
    assert placed[-1] <= 1 + 1e-9


def test_curves_show_every_specification_and_name_their_identity() -> None:
    rows = [
        CurveRow("steady", "harm", 1.0, ((0.9, "harm"), (1.1, "harm"))),
        CurveRow("fragile", "harm", 0.5, ((0.1, "inconclusive"), (0.5, "harm"), (0.7, "harm"))),
        CurveRow("nothing to show", "refused", None, ()),
    ]
    svg = curve_plot(rows, bound=BOUND, prefix="c", title="curves")
    assert [one for one in words(svg) if one in {row.label for row in rows}] == [row.label for row in rows]
    # Five small marks, two large ones, and the ticks' lines.
    assert len(re.findall(r"<use |<path ", svg)) >= 7
    assert "3 identities, 5 specifications" in svg


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_in_curves(text: str) -> None:
    svg = curve_plot([CurveRow(text, "harm", 1.0, ((1.0, "harm"),))], bound=BOUND, prefix="c", title=text)
    ET.fromstring(svg)
    assert "<script" not in svg
