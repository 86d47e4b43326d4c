"""Twin of auditor.adapters.report.plots.figures."""

from __future__ import annotations

import math

import pytest
from drawn_figures import assert_tidy, labels, marks, words
from hypothesis import example, given
from hypothesis import strategies as st

from auditor.adapters.report.plots.figures import (
    LOOKS,
    Mark,
    Panel,
    band_key,
    beyond_words,
    identity_rows,
    number,
    tick_values,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import COLUMN, PAGE, Medium, drawing, inline_svg


def rows(names: list[str], panels: list[Panel], verdicts: list[str], medium: Medium = PAGE) -> str:
    with drawing(medium) as canvas:
        identity_rows(canvas, names, panels, [*verdict_key(verdicts), *band_key(0.2, "nats")])
        return inline_svg(canvas, prefix="f", title="rows", description="rows")


def test_a_verdicts_shape_and_colour_are_its_own() -> None:
    """Lower and affirming are one thing in two readings, which no figure shows both of."""
    shapes = {one: (look.marker, look.colour, look.filled) for one, look in LOOKS.items()}
    assert shapes.pop("affirming") == shapes["lower_than_reference"]
    assert len({marker for marker, *_ in shapes.values()}) == len(shapes)


def test_the_key_holds_each_verdict_once_in_the_order_of_the_report() -> None:
    found = verdict_key(["inconclusive", "harm", "None", "unheard of", "harm"])
    assert [one.words for one in found] == ["harm", "inconclusive", "no verdict"]


def test_a_key_takes_as_many_lines_as_it_needs() -> None:
    key = [*LOOKS, "None"]
    wide, narrow = (rows(["one"], [Panel((-1.0, 1.0), 0.2)], key, medium) for medium in (PAGE, COLUMN))
    lines = [
        {round(one.y) for one in labels(svg) if one.text in {look.words for look in LOOKS.values()}}
        for svg in (wide, narrow)
    ]
    assert 1 <= len(lines[0]) < len(lines[1])
    for svg in (wide, narrow):
        assert_tidy(svg)
        assert len(marks(svg)) == len(key)


def test_panels_share_their_rows() -> None:
    svg = rows(["one", "two"], [Panel((-1.0, 1.0), 0.2, "left"), Panel((-5.0, 5.0), 0.2, "right")], [])
    shown = labels(svg)
    assert [one.text for one in shown if one.text in ("one", "two", "left", "right")].count("one") == 1
    assert len([one for one in shown if one.text == "0"]) == 2


@given(st.floats(-100, 100), st.floats(0.01, 100))
@example(5e-324, 8.0)
def test_ticks_are_few_and_round(low: float, span: float) -> None:
    ticks = tick_values(low, low + span)
    assert 1 <= len(ticks) <= 8
    assert all(low <= one <= low + span for one in ticks)
    if len(ticks) > 1:
        step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
        assert float(f"{step:.0e}") == pytest.approx(step, rel=1e-6)


def test_a_range_holds_the_band_and_every_estimate_but_no_endless_interval() -> None:
    low, high = value_range([Mark(0.1, -900.0, 900.0), Mark(0.5), Mark(None)], 0.2)
    assert -2 < low < -0.2
    assert 0.5 < high < 2
    low, high = value_range([], 0.0)
    assert low < 0 < high


def test_numbers() -> None:
    assert [number(one) for one in (0.5, -1e-15, -0.25, 1234.0)] == ["+0.5", "0", "\u22120.25", "+1234"]
    assert [two_digits(one) for one in (0.5, -0.001, 0.001, -12.345)] == ["+0.50", "0.00", "0.00", "\u221212.35"]


def test_words_of_none_and_one() -> None:
    assert (
        beyond_words([], math.log(1.25), "nats")
        == "0 identities. 0 wholly above d = 0.22 nats, 0 wholly below \u2212d."
    )
    assert beyond_words([("one", Mark(0.3))], 0.0, "reward") == "1 identity. The estimate: one, +0.30."
    assert "one" not in words(rows([], [Panel((-1.0, 1.0), 0.2)], []))
