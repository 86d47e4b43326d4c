"""Twin of auditor.adapters.report.plots.slope_chart."""

from __future__ import annotations

import csv
import io
import math
import random
from itertools import pairwise

import pytest
from drawn_figures import assert_only_drawing, assert_tidy, labels, marks, svg_of, to_number, words
from hypothesis import given
from hypothesis import strategies as st
from run_factory import HOSTILE

from auditor.adapters.report.plots.figures import LOOKS, MAX_LABELS, Mark
from auditor.adapters.report.plots.slope_chart import SlopeChart, SlopeLine, spread
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)
UP = (Mark(0.0, -1.0, 1.0), Mark(1.0, 0.0, 2.0))


def chart(*lines: SlopeLine, checkpoints: tuple[str, ...] = ("base", "dpo"), **changes: object) -> SlopeChart:
    return SlopeChart(lines, checkpoints, BOUND, "slope", **changes)  # type: ignore[arg-type]


def many(count: int) -> list[SlopeLine]:
    rng = random.Random(count)
    return [
        SlopeLine(
            f"people of a long name {at}", rng.choice(list(LOOKS)), tuple(Mark(x, x - 0.1, x + 0.1) for x in path)
        )
        for at in range(count)
        for path in [[rng.gauss(0.2, 0.05) for _ in range(3)]]
    ]


@pytest.mark.parametrize("verdict", [*LOOKS, "None", "unheard of"])
def test_every_verdict_is_drawn(verdict: str) -> None:
    assert "one" in words(svg_of(chart(SlopeLine("one", verdict, UP))))


def test_marks_stand_at_their_numbers() -> None:
    svg = svg_of(chart(SlopeLine("one", "harm", UP)))
    shown = {one.text: (one.top + one.bottom) / 2 for one in labels(svg)}
    ticks = {to_number(text): y for text, y in shown.items() if text in ("0", "+1")}
    drawn = [mark.y for mark in marks(svg) if mark.colour == "harm"][:2]
    assert drawn == pytest.approx([ticks[0.0], ticks[1.0]], abs=1.5)


def test_missing_numbers_are_left_out() -> None:
    gaps = [
        SlopeLine("gap", "inconclusive", (None, Mark(1.0))),
        SlopeLine("none", "refused", (None, None)),
        SlopeLine("empty", "refused", (Mark(None), Mark(None))),
    ]
    shown = words(svg_of(chart(*gaps)))
    assert "gap" in shown
    assert not {"none", "empty"} & set(shown)
    assert svg_of(chart()).startswith("<svg")


def test_an_axis_can_be_shared() -> None:
    line = SlopeLine("one", "harm", UP)
    assert "+8" not in words(svg_of(chart(line)))
    assert "+8" in words(svg_of(chart(line, beside=[Mark(7.0, 6.0, 8.0)])))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(chart(SlopeLine(text, "harm", UP), checkpoints=(text, text + "2"))))


def test_many_lines_are_named_in_part_and_carry_no_intervals() -> None:
    def lines(count: int) -> list[SlopeLine]:
        marks = [Mark(at / 10, at / 10 - 0.05, at / 10 + 0.05) for at in range(count)]
        return [SlopeLine(f"i{at}", "inconclusive", (mark, mark)) for at, mark in enumerate(marks)]

    few, more = svg_of(chart(*lines(MAX_LABELS))), svg_of(chart(*lines(MAX_LABELS + 1)))
    assert [sum(one[1:].isdigit() and one[0] == "i" for one in words(svg)) for svg in (few, more)] == [MAX_LABELS] * 2
    assert few.count("stroke-opacity") == 2 * MAX_LABELS
    assert more.count("stroke-opacity") == 0


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize("count", [1, 14, 40])
def test_no_text_upon_another(count: int, medium: Medium) -> None:
    assert_tidy(svg_of(chart(*many(count), checkpoints=("base", "supervised", "dpo")), medium))


def test_a_long_series() -> None:
    names = tuple(f"checkpoint-{at}" for at in range(15))
    line = SlopeLine("one", "harm", tuple(Mark(at / 10, at / 10 - 1, at / 10 + 1) for at in range(15)))
    svg = svg_of(chart(line, checkpoints=names))
    assert [one.whole for one in labels(svg) if one.whole in names] == list(names)


def test_words_and_data() -> None:
    found = chart(
        SlopeLine("up", "harm", (Mark(0.123456789, 0.0, 0.2), Mark(1.5, 1.0, 2.0))),
        SlopeLine("still", "inconclusive", (Mark(0.1), Mark(0.2))),
        SlopeLine("unknown", "inconclusive", (None, Mark(0.2))),
    )
    assert found.alternative() == (
        "3 identities at base, dpo. 1 rose and 0 fell by more than d = 0.22 nats. "
        "Largest move: up, from +0.12 to +1.50 nats."
    )
    rows = list(csv.DictReader(io.StringIO(found.table().csv())))
    assert [one["checkpoint"] for one in rows] == ["base", "dpo", "base", "dpo", "dpo"]
    assert float(rows[0]["estimate (nats)"]) == 0.123456789


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=15))
def test_labels_keep_their_distance_and_their_order(values: list[float]) -> None:
    placed = spread(sorted(values), 0.1, (-1.0, 1.0))
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in pairwise(placed))
    assert placed[0] >= -1 - 1e-9
    assert placed[-1] <= 1 + 1e-9
