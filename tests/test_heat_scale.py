"""Twin of auditor.adapters.report.plots.heat_scale."""

from __future__ import annotations

import math

import pytest

from auditor.adapters.report.plots.heat_scale import (
    STEPS,
    bound_for,
    colour_cell,
    draw_cell,
    draw_scale,
    frame_key,
    ink_on,
    step_of,
)
from auditor.adapters.report.plots.svg import INK, PAGE, PAPER, drawing, inline_svg

BOUND = math.log(1.25)


def test_each_step_is_twice_as_far_out_and_keeps_its_side() -> None:
    values = [0.9 * BOUND, 1.1 * BOUND, 2.1 * BOUND, 4.1 * BOUND, 8.1 * BOUND, 90 * BOUND]
    assert [step_of(one, BOUND) for one in values] == [0, 1, 2, 3, 4, 4]
    assert [step_of(-one, BOUND) for one in values] == [0, -1, -2, -3, -4, -4]
    assert step_of(BOUND, BOUND) == 0


@pytest.mark.parametrize("largest", [3.2, 1e-4, 50.0])
def test_without_a_stated_bound_every_colour_is_used(largest: float) -> None:
    steps = {step_of(largest * share, bound_for(largest)) for share in (1.0, 0.4, 0.2, 0.1, 0.05, 0.0)}
    assert steps == {0, 1, 2, 3, 4}
    assert bound_for(0.0) > 0


def test_numbers_can_be_read_on_the_strongest_colour() -> None:
    assert [ink_on(at) for at in range(-len(STEPS), len(STEPS) + 1)] == [PAPER, *[INK] * 7, PAPER]


def test_cells_scale_and_key_are_drawn() -> None:
    with drawing(PAGE) as canvas:
        canvas.figure.set_figheight(1.0)
        axes = canvas.axes(0, 0, 1, 1)
        box = {"xy": (0.1, 0.1), "width": 0.2, "height": 0.2}
        for step in (0, 2, -3):
            colour_cell(axes, box, step, hatched=step == 2)
        frame_key(axes, 0.5, 0.5)
        draw_scale(canvas, 1.0, 0.0, 0.25, named=True)
        svg = inline_svg(canvas, prefix="f", title="scale", description="scale")
    for text in (">+0.25<", ">\u22122.00<", ">d<", ">\u2212d<"):
        assert text in svg
    assert "fill: url(#f-h" in svg


@pytest.mark.parametrize("framed", [True, False])
def test_a_cell_is_its_ground_its_number_and_a_frame_where_it_stands_out(framed: bool) -> None:
    with drawing(PAGE) as canvas:
        canvas.figure.set_figheight(1.0)
        axes = canvas.axes(0, 0, 1, 1)
        axes.set_xlim(0, 1)
        axes.set_ylim(0.5, -0.5)
        draw_cell(canvas, axes, (0.2, 0), 0.5, -1.0, 0.25, framed=framed)
        svg = inline_svg(canvas, prefix="f", title="cell", description="cell")
    # The figure's own ground is one, too.
    assert svg.count("<path") == 2 + framed
    assert "fill: var(--lower" in svg
    # In the middle of its room, 0.2 to 0.7 inches.
    assert 'x="32.40"' in svg.replace('32.4"', '32.40"')
    assert ">\u22121.00<" in svg
