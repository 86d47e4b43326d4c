"""Twin of auditor.adapters.report.plots.forest_plot."""

from __future__ import annotations

import csv
import io
import math
import random
import re

import pytest
from drawn_figures import (
    assert_only_drawing,
    assert_tidy,
    height,
    labels,
    marks,
    row_of,
    shown_names,
    svg_of,
    value_at,
    words,
)
from run_factory import HOSTILE

from auditor.adapters.report.plots.figures import LOOKS, MAX_ROWS, Mark
from auditor.adapters.report.plots.forest_plot import ForestPlot, ForestRow
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)


def row(label: str, value: float, verdict: str = "inconclusive", clusters: int = 7) -> ForestRow:
    return ForestRow(label, verdict, Mark(value, value - 0.3, value + 0.3), clusters)


def plot(*rows: ForestRow, **changes: object) -> ForestPlot:
    return ForestPlot(rows, BOUND, "forest", **changes)  # type: ignore[arg-type]


def many(count: int) -> list[ForestRow]:
    rng = random.Random(count)
    names = [f"people of a rather long name, number {at}" if at % 3 else f"group {at}" for at in range(count)]
    return [
        ForestRow(name, verdict, Mark(value, value - width, value + width), 7 + at, (value - 0.4, 0.35))
        for at, name in enumerate(names)
        for verdict, value, width in [(rng.choice(list(LOOKS)), rng.gauss(0, 0.6), rng.uniform(0.05, 0.5))]
    ]


def test_keeps_the_order_given_and_tells_its_clusters() -> None:
    svg = svg_of(plot(row("small", -1.0), row("large", 2.0, "harm", 31), row("middle", 0.5)))
    assert shown_names(svg, ("small", "middle", "large")) == ["small", "large", "middle"]
    assert {"31", "7", "+2.00", "\u22121.00"} <= set(words(svg))


def test_a_number_rounded_to_nothing_has_no_side() -> None:
    for value in (0.001, -0.001):
        assert "0.00" in words(svg_of(plot(row("one", value))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
def test_marks_and_intervals_stand_at_their_numbers(medium: Medium) -> None:
    rows = [row("one", 0.731, "harm"), row("two", -0.4137, "lower_than_reference"), row("three", 0.1)]
    svg = svg_of(plot(*rows), medium)
    value, drawn = value_at(svg), marks(svg)
    paths = [[float(number) for number in found] for found in re.findall(r'd="M (\S+) (\S+) L (\S+) (\S+) "', svg)]
    for one in rows:
        at = row_of(svg, one.label)
        (mark,) = (mark for mark in drawn if abs(mark.y - at) < 3)
        assert value(mark.x) == pytest.approx(one.mark.estimate, abs=0.004)
        ends = [(start, end) for start, y, end, other in paths if y == other and abs(y - mark.y) < 0.02]
        assert (pytest.approx(one.mark.low, abs=0.004), pytest.approx(one.mark.high, abs=0.004)) in [
            (value(start), value(end)) for start, end in ends
        ]


def test_the_band_of_the_control_identities_stands_at_its_row() -> None:
    banded = ForestRow("one", "harm", Mark(0.7, 0.5, 0.9), 7, (-0.31, 0.42))
    svg = svg_of(plot(banded, row("two", 0.1)))
    value, at = value_at(svg), row_of(svg, "one")
    boxes = re.findall(r'd="M (\S+) (\S+) L (\S+) \S+ L \S+ (\S+) L \S+ \S+ z ?" [^>]*style="[^"]*opacity: 0.16', svg)
    found = [tuple(map(float, box)) for box in boxes]
    (low, bottom, high, top) = next(box for box in found if abs((box[1] + box[3]) / 2 - at) < 3)
    assert (value(low), value(high)) == (pytest.approx(-0.31, abs=0.004), pytest.approx(0.42, abs=0.004))
    assert abs(bottom - top) < 0.7 * 72 * PAGE.pitch
    assert "two control identities (95%)" in words(svg)
    assert "two control identities (95%)" not in words(svg_of(plot(row("two", 0.1))))


def test_an_axis_can_be_shared() -> None:
    """Two plots beside each other are compared by eye: one place must mean one number."""
    assert "+8" not in words(svg_of(plot(row("one", 0.5))))
    assert "+8" in words(svg_of(plot(row("one", 0.5), beside=[Mark(7.0, 6.0, 8.0)])))


def test_each_verdict_has_its_own_shape_and_colour() -> None:
    looks = {
        (mark.shape, mark.colour)
        for verdict in ("harm", "lower_than_reference", "no_meaningful_difference", "inconclusive")
        for mark in marks(svg_of(plot(row("one", 1.0, verdict))))[:1]
    }
    assert len(looks) == len({shape for shape, _ in looks}) == len({colour for _, colour in looks}) == 4


@pytest.mark.parametrize("verdict", [*LOOKS, "None", "unheard of"])
def test_every_verdict_is_drawn_and_in_the_key(verdict: str) -> None:
    shown = words(svg_of(plot(row("one", 1.0, verdict))))
    assert "one" in shown
    assert (LOOKS[verdict].words if verdict in LOOKS else "no verdict") in shown


def test_missing_numbers_are_left_out() -> None:
    svg = svg_of(plot(ForestRow("none", "refused", Mark(None), 0), row("one", 1.0)))
    assert words(svg).count("refused") == 2
    assert not [mark for mark in marks(svg) if abs(mark.y - row_of(svg, "none")) < 3]


def test_an_endless_interval_does_not_flatten_the_others() -> None:
    wide = ForestRow("wide", "inconclusive", Mark(0.1, -900.0, 900.0), 2)
    svg = svg_of(plot(wide, row("one", 0.5)))
    value = value_at(svg)
    assert -10 < value(0) < value(7.6 * 72) < 10
    assert len([mark for mark in marks(svg) if abs(mark.y - row_of(svg, "wide")) < 3]) == 3


def test_an_interval_without_ends_reaches_beyond_the_axis_and_none_is_not_drawn() -> None:
    """A bare mark would look exact."""
    open_ended = ForestRow("open", "inconclusive", Mark(0.1, unbounded=True), 2)
    svg = svg_of(plot(open_ended, ForestRow("bare", "refused", Mark(0.1), 2), row("one", 0.5)))
    value = value_at(svg)
    assert -2 < value(0) < value(7.6 * 72) < 2
    arrows = [len([mark for mark in marks(svg) if abs(mark.y - row_of(svg, name)) < 3]) for name in ("open", "bare")]
    assert arrows == [3, 1]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot(row(text, 1.0), reading=text)))


def test_many_identities_grow_the_figure_up_to_a_limit() -> None:
    heights = [height(svg_of(plot(*(row(f"i{at}", at / 10) for at in range(count))))) for count in (5, 20, 40, 90)]
    assert heights[0] < heights[1] < heights[2] == heights[3]
    shown = words(svg_of(plot(*(row(f"i{at}", at / 10) for at in range(90)))))
    assert {one for one in shown if one.startswith("i") and one[1:].isdigit()} == {f"i{at}" for at in range(MAX_ROWS)}


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_no_text_upon_another(count: int, medium: Medium) -> None:
    assert_tidy(svg_of(plot(*many(count), reading="disparity at a checkpoint of a long name"), medium))


def test_long_names_are_cut_with_the_whole_in_a_tooltip() -> None:
    name = "people " * 30
    (found,) = (one for one in labels(svg_of(plot(row(name, 1.0)))) if one.whole == name)
    assert found.text.endswith("\u2026")


def test_words_and_data_say_the_numbers() -> None:
    found = plot(row("one", 0.7312345678, "harm"), row("two", -0.9), ForestRow("three", "refused", Mark(None), 0))
    assert found.alternative() == (
        "3 identities. 1 wholly above d = 0.22 nats, 1 wholly below \u2212d. "
        "Estimates from two, \u22120.90 (\u22121.20 to \u22120.60), to one, +0.73 (+0.43 to +1.03)."
    )
    rows = list(csv.DictReader(io.StringIO(found.table().csv())))
    assert [float(one["estimate (nats)"] or "nan") for one in rows][:2] == [0.7312345678, -0.9]
    assert rows[2]["estimate (nats)"] == ""
    assert float(rows[0]["bound d (nats)"]) == BOUND


def test_words_count_who_stands_outside_the_controls() -> None:
    inside = ForestRow("in", "inconclusive", Mark(0.2, 0.1, 0.3), 7, (-0.4, 0.4))
    outside = ForestRow("out", "harm", Mark(0.9, 0.5, 1.2), 7, (-0.4, 0.4))
    assert plot(inside, outside).alternative().endswith("1 of 2 outside the band of control identities.")


def test_nothing_is_no_error() -> None:
    assert_tidy(svg_of(plot()))
    assert plot().alternative().startswith("0 identities.")
