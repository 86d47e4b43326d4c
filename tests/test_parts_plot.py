"""Twin of auditor.adapters.report.plots.parts_plot."""

from __future__ import annotations

import csv
import io
import itertools
import math
import random

import pytest
from drawn_figures import assert_only_drawing, assert_tidy, labels, marks, row_of, svg_of, value_at, words
from run_factory import HOSTILE

from auditor.adapters.report.plots.figures import LOOKS, Mark
from auditor.adapters.report.plots.parts_plot import MAX_STAGES, Part, PartsPlot, PartsRow
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)
STAGES = (("base", "sft"), ("sft", "dpo"))
HARM = Part(0.913, 0.207, Mark(0.706, 0.5, 0.9), "harm")
LEVELLED = Part(0.1, 0.643, Mark(-0.543, -0.8, -0.3), "lower_than_reference", levelled_down=True)


def plot(*rows: PartsRow, stages: tuple[tuple[str, str], ...] = STAGES) -> PartsPlot:
    return PartsPlot(rows, stages, BOUND, "parts")


def many(count: int, stages: int) -> list[PartsRow]:
    rng = random.Random(count)

    def part() -> Part:
        marked, reference = rng.gauss(0, 0.5), rng.gauss(0, 0.5)
        excess = marked - reference
        return Part(marked, reference, Mark(excess, excess - 0.1, excess + 0.1), rng.choice(list(LOOKS)), excess < -0.4)

    return [PartsRow(f"people of a long name {at}", tuple(part() for _ in range(stages))) for at in range(count)]


def test_both_parts_stand_at_their_numbers_in_the_panel_of_their_stage() -> None:
    svg = svg_of(plot(PartsRow("one", (HARM, LEVELLED)), PartsRow("two", (None, HARM))))
    drawn = marks(svg)
    middle = next(one.left for one in labels(svg) if one.text.startswith("sft"))
    for name, parts in (("one", (HARM, LEVELLED)), ("two", (None, HARM))):
        own = [mark for mark in drawn if abs(mark.y - row_of(svg, name)) < 3]
        for at, part in enumerate(parts):
            value = value_at(svg, at)
            here = [mark for mark in own if (mark.x >= middle - 4) == bool(at)]
            found = {mark.colour: value(mark.x) for mark in here}
            if part is None:
                assert not here
            else:
                colour = "harm" if part.verdict == "harm" else "lower"
                assert found == {
                    "muted": pytest.approx(part.reference, abs=0.006),
                    colour: pytest.approx(part.marked, abs=0.006),
                }


def test_levelled_down_is_seen_and_said() -> None:
    """A difference that fell because the reference rows rose looks other than one that fell by itself."""
    levelled, fell = (
        svg_of(plot(PartsRow("one", (HARM, part))))
        for part in (LEVELLED, Part(-0.5, 0.0, Mark(-0.5), "lower_than_reference"))
    )
    assert words(levelled).count("levelled down") == 2
    assert levelled.count("stroke-dasharray") == 2
    assert "levelled down" not in words(fell)
    assert "stroke-dasharray" not in fell


def test_the_excess_stands_beside_its_parts() -> None:
    shown = words(svg_of(plot(PartsRow("one", (HARM, LEVELLED)))))
    assert {"+0.71", "\u22120.54", "excess"} <= set(shown)


def test_of_many_stages_the_last_are_drawn_and_all_are_in_the_data() -> None:
    names = [f"step {at}" for at in range(9)]
    found = plot(PartsRow("one", (HARM,) * 8), stages=tuple(itertools.pairwise(names)))
    shown = words(svg_of(found))
    assert [one for one in shown if "\u2192" in one] == [f"step {at} \u2192 step {at + 1}" for at in range(4, 8)]
    assert MAX_STAGES == 4
    assert "8 stages. Drawn are the last 4 of 8 stages." in found.alternative()
    assert len(list(csv.DictReader(io.StringIO(found.table().csv())))) == 8


def test_words_and_data() -> None:
    found = plot(PartsRow("one", (HARM, LEVELLED)))
    assert found.alternative() == (
        "1 identity, 2 stages. The excess shift is wholly above d = 0.22 nats in 1 of 2 cases and wholly "
        "below \u2212d in 1. Widest apart: one, base to sft, marked +0.91 against reference +0.21 nats. "
        "1 levelled down."
    )
    first, second = csv.DictReader(io.StringIO(found.table().csv()))
    assert (float(first["marked part (nats)"]), float(first["reference part (nats)"])) == (0.913, 0.207)
    assert (first["levelled down"], second["levelled down"]) == ("no", "yes")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot(PartsRow(text, (HARM,)), stages=((text, text + "2"),))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize(("count", "stages"), [(0, 1), (1, 1), (40, 1), (1, 2), (40, 2), (40, 4)])
def test_no_text_upon_another(count: int, stages: int, medium: Medium) -> None:
    if medium == COLUMN and stages > 1:
        pytest.skip("never drawn so narrow")
    names = ["base", "supervised", "preferences", "more preferences", "last"][: stages + 1]
    rows = many(count, stages)
    assert_tidy(svg_of(plot(*rows, stages=tuple(itertools.pairwise(names))), medium))
