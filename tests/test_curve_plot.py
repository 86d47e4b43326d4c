"""Twin of auditor.adapters.report.plots.curve_plot."""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import combinations, pairwise

import pytest
from drawn_figures import assert_only_drawing, assert_tidy, marks, row_of, shown_names, svg_of, value_at
from run_factory import HOSTILE

from auditor.adapters.report.plots.curve_plot import MAX_POINTS, CurvePlot, CurvePoint, CurveRow
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)
ROWS = (
    CurveRow("steady", "harm", 1.0, (CurvePoint(0.9, "harm", "frame", "without x"), CurvePoint(1.1, "harm"))),
    CurveRow(
        "fragile", "harm", 0.5, (CurvePoint(0.1, "inconclusive"), CurvePoint(0.5, "harm"), CurvePoint(0.7, "harm"))
    ),
    CurveRow("nothing to show", "refused", None, ()),
)


def curves(svg: str) -> list[tuple[float, float]]:
    """The corners of the curves: lines that bear the colour of a verdict, in points."""
    drawn = re.findall(r'<path d="(M [^"z]*)"[^>]*style="fill: none; stroke: [^"]*stroke-width: 1\.1;', svg)
    paths = [[(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", one)] for one in drawn]
    # The last one stands in the key.
    return [corner for one in paths[:-1] for corner in one]


def plot(*rows: CurveRow) -> CurvePlot:
    return CurvePlot(rows, BOUND, "curves")


def test_every_specification_stands_at_its_number_in_the_row_of_its_identity() -> None:
    svg = svg_of(plot(*ROWS))
    assert shown_names(svg, [row.label for row in ROWS]) == [row.label for row in ROWS]
    value, drawn = value_at(svg), marks(svg)
    for row in ROWS:
        at = row_of(svg, row.label)
        half = 0.5 * 1.6 * 72 * PAGE.pitch
        line = [value(x) for x, y in curves(svg) if abs(y - at) < half]
        assert line == pytest.approx([one.estimate for one in row.points], abs=0.006)
        found = sorted(value(mark.x) for mark in drawn if abs(mark.y - at) < half)
        own = [] if row.estimate is None else [row.estimate]
        altered = [one.estimate for one in row.points if one.verdict != row.verdict]
        assert found == pytest.approx(sorted([*own, *altered]), abs=0.006)


def test_a_verdict_that_says_something_is_drawn_over_the_others() -> None:
    others = (CurvePoint(0.1 + at / 10, "inconclusive") for at in range(9))
    row = CurveRow("one", "no_meaningful_difference", 0.1, (CurvePoint(0.05, "harm"), *others))
    drawn = [mark.colour for mark in marks(svg_of(plot(row)))]
    # The audit's own comes first, then what says nothing.
    assert drawn[:11] == ["none", *["muted"] * 9, "harm"]


@pytest.mark.parametrize("medium", [PAGE, COLUMN])
def test_marks_that_look_alike_do_not_cover_each_other(medium: Medium) -> None:
    points = tuple(CurvePoint(0.3 + at / 1000, "harm" if at > 60 else "inconclusive") for at in range(180))
    svg = svg_of(plot(CurveRow("one", "harm", 0.4, points)), medium)
    assert len(curves(svg)) == 180
    altered = [(mark.x, mark.y) for mark in marks(svg) if mark.colour == "muted"][:-1]
    assert len(altered) > 2
    assert min(math.dist(one, other) for one, other in combinations(altered, 2)) >= 4.0
    # The outermost is among them.
    assert value_at(svg)(min(x for x, _ in altered)) == pytest.approx(0.3, abs=0.006)


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
    assert "Of more than 200 of an identity so many are drawn" in plot(row).alternative()
    # The audit's own, those that alter the verdict, and the key.
    assert len(marks(svg_of(plot(row)))) == 1 + 2 + len({"harm", "inconclusive"})
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


def test_what_is_left_out_is_said() -> None:
    many = [CurveRow(str(at), "harm", 1.0, ROWS[1].points) for at in range(41)]
    assert "Drawn are the first 40 of 41 identities." in plot(*many).alternative()
    assert "Drawn" not in plot(*many[:40]).alternative()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot(CurveRow(text, "harm", 1.0, (CurvePoint(1.0, "harm", text, text),)))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_no_text_upon_another(count: int, medium: Medium) -> None:
    rows = [CurveRow(f"people of a long name {at}", "harm", 1.0, ROWS[1].points) for at in range(count)]
    assert_tidy(svg_of(plot(*rows), medium))
