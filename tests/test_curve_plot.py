"""Twin of auditor.adapters.report.curve_plot."""

from __future__ import annotations

import csv
import io
import math
from itertools import pairwise

import pytest
from drawn_figures import assert_only_drawing, assert_tidy, marks, row_of, shown_names, svg_of, value_at
from run_factory import HOSTILE

from auditor.adapters.report.curve_plot import MAX_POINTS, CurvePlot, CurvePoint, CurveRow
from auditor.adapters.report.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)
ROWS = (
    CurveRow("steady", "harm", 1.0, (CurvePoint(0.9, "harm", "frame", "without x"), CurvePoint(1.1, "harm"))),
    CurveRow(
        "fragile", "harm", 0.5, (CurvePoint(0.1, "inconclusive"), CurvePoint(0.5, "harm"), CurvePoint(0.7, "harm"))
    ),
    CurveRow("nothing to show", "refused", None, ()),
)


def plot(*rows: CurveRow) -> CurvePlot:
    return CurvePlot(rows, BOUND, "curves")


def test_every_specification_stands_at_its_number_in_the_row_of_its_identity() -> None:
    svg = svg_of(plot(*ROWS))
    assert shown_names(svg, [row.label for row in ROWS]) == [row.label for row in ROWS]
    value, drawn = value_at(svg), marks(svg)
    for row in ROWS:
        at = row_of(svg, row.label)
        found = sorted(value(mark.x) for mark in drawn if abs(mark.y - at) < 0.5 * 1.6 * 72 * PAGE.pitch)
        own = [] if row.estimate is None else [row.estimate]
        assert found == pytest.approx(sorted([*own, *(one.estimate for one in row.points)]), abs=0.006)


def test_a_verdict_that_says_something_is_drawn_over_the_others() -> None:
    row = CurveRow("one", "inconclusive", 0.1, (CurvePoint(0.5, "harm"), *(CurvePoint(0.5, "inconclusive"),) * 9))
    drawn = [mark.colour for mark in marks(svg_of(plot(row)))]
    assert drawn.index("harm") == 9


def test_of_thousands_of_specifications_those_that_alter_the_verdict_are_kept() -> None:
    points = tuple(CurvePoint(at / 1000, "inconclusive" if at in (3, 1500) else "harm") for at in range(2000))
    row = CurveRow("one", "harm", 1.0, points)
    kept = row.drawn()
    assert 190 <= len(kept) <= MAX_POINTS
    assert [one.estimate for one in kept if one.verdict == "inconclusive"] == [0.003, 1.5]
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert list(kept) == sorted(kept, key=lambda one: one.estimate)
    assert max(b.estimate - a.estimate for a, b in pairwise(kept)) < 0.02
    assert "2000 specifications" in plot(row).alternative()
    assert len(marks(svg_of(plot(row)))) == len(kept) + 1 + len({"harm", "inconclusive"})
    altered = tuple(CurvePoint(one.estimate, "inconclusive") for one in points)
    assert len(CurveRow("one", "harm", 1.0, altered).drawn()) <= MAX_POINTS


def test_words_and_data() -> None:
    found = plot(*ROWS)
    assert found.alternative() == (
        "3 identities, 5 specifications. The verdict is the same in all of them for 2. "
        "Widest: fragile, from +0.10 to +0.70 nats."
    )
    rows = list(csv.DictReader(io.StringIO(found.table().csv())))
    assert len(rows) == 8
    assert rows[1] == {
        "identity": "steady",
        "dimension": "frame",
        "choice": "without x",
        "estimate (nats)": "0.9",
        "verdict": "harm",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot(CurveRow(text, "harm", 1.0, (CurvePoint(1.0, "harm", text, text),)))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_no_text_upon_another(count: int, medium: Medium) -> None:
    rows = [CurveRow(f"people of a long name {at}", "harm", 1.0, ROWS[1].points) for at in range(count)]
    assert_tidy(svg_of(plot(*rows), medium))
