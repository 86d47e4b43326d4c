"""Twin of auditor.adapters.report.plots.heat_map."""

from __future__ import annotations

import csv
import io
import math
import random
import re

import pytest
from drawn_figures import Label, assert_only_drawing, assert_tidy, labels, marks, svg_of, to_number, words
from run_factory import HOSTILE

from auditor.adapters.report.plots.figures import LOOKS, Mark, two_digits
from auditor.adapters.report.plots.heat_map import HeatCell, HeatMap, HeatRow
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)


def cell(value: float | None, verdict: str = "None", clusters: int = 12) -> HeatCell:
    mark = Mark(None) if value is None else Mark(value, value - 0.3, value + 0.3)
    return HeatCell(mark, verdict, clusters)


def plot(rows: list[HeatRow], themes: tuple[str, ...], bound: float = BOUND) -> HeatMap:
    return HeatMap(rows, themes, bound, "heat")


def grid(rows: int, themes: int) -> HeatMap:
    rng = random.Random(rows * 100 + themes)
    names = [
        ("criminality-danger", "worth", "a theme with quite a long name")[at % 3] + f" {at}" for at in range(themes)
    ]
    kinds = (None, "refused", *LOOKS)

    def one() -> HeatCell | None:
        kind = rng.choice(kinds)
        return kind and cell(None if kind == "refused" else rng.gauss(0, 0.8), kind, rng.choice((5, 12, 30)))  # type: ignore[return-value]

    made = [
        HeatRow(f"people of a long name {at}", cell(rng.gauss(0, 0.6), "harm", 60), tuple(one() for _ in range(themes)))
        for at in range(rows)
    ]
    return plot(made, tuple(names))


def numbers(svg: str, rows: list[HeatRow]) -> list[list[Label]]:
    """The numbers of each row, left to right."""
    by_name = {one.whole: one.y for one in labels(svg)}
    signed = [one for one in labels(svg) if re.fullmatch(r"[+\u2212]?\d+\.\d\d", one.text)]
    return [
        sorted((one for one in signed if abs(one.y - by_name[row.label]) < 3), key=lambda one: one.x) for row in rows
    ]


def test_each_number_stands_in_the_row_of_its_identity_and_under_its_theme() -> None:
    rows = [
        HeatRow("one", cell(0.51, "harm", 60), (cell(0.62), cell(-0.33), cell(0.04))),
        HeatRow("two", cell(-0.12, clusters=60), (cell(-1.91), cell(0.85), cell(0.23))),
    ]
    themes = ("mind", "worth", "danger")
    svg = svg_of(plot(rows, themes))
    heads = {one.whole: one.x for one in labels(svg)}
    columns = [heads[one] for one in ("all themes", *themes)]
    for row, found in zip(rows, numbers(svg, rows), strict=True):
        assert [one.text for one in found] == [
            two_digits(one.mark.estimate or 0.0) for one in (row.whole, *row.cells) if one
        ]
        assert [one.x for one in found] == pytest.approx(columns, abs=0.5)


def test_colours_say_the_side() -> None:
    (harm,), (lower,), (none,) = (
        re.findall(
            r"fill: var\(--(harm|lower)",
            before_key(svg_of(plot([HeatRow("one", cell(0.0), (cell(value),))], ("mind",)))),
        )
        or [""]
        for value in (0.5, -0.5, 0.1)
    )
    assert (harm, lower, none) == ("harm", "lower", "")


def before_key(svg: str) -> str:
    """The figure without its scale, which begins with the colour of the farthest step."""
    return svg[: svg.index(f">{two_digits(-8 * BOUND)}<")].rsplit('<g id="f-axes_2"', 1)[0]


def test_few_predicates_are_hatched() -> None:
    def hatches(clusters: int) -> int:
        svg = svg_of(plot([HeatRow("one", cell(0.0, clusters=60), (cell(0.5, clusters=clusters),))], ("mind",)))
        return len(re.findall(r"fill: url\(#f-h", svg))

    assert hatches(12) == 0
    # The cell, and what says so in the key.
    assert hatches(11) == 2


def test_cells_with_a_verdict_are_framed() -> None:
    """Each frame stands around the number it belongs to."""
    row = HeatRow("one", cell(0.5, "harm", 60), (cell(0.6), cell(-0.7, "lower_than_reference", 30)))
    svg = svg_of(plot([row], ("mind", "worth")))
    found = re.findall(
        r'd="M (\S+) \S+ L (\S+) [^"]*" [^>]*style="fill: none; stroke: var\(--ink, #\w+\); stroke-width: 1.1', svg
    )
    whole, _, worth = numbers(svg, [row])[0]
    middles = [(float(left) + float(right)) / 2 for left, right in found[:2]]
    assert middles == pytest.approx([whole.x, worth.x], abs=0.5)
    assert "verdict: harm or lower than reference" in words(svg)
    assert not any(
        "verdict" in one for one in words(svg_of(plot([HeatRow("one", cell(0.5), (cell(0.6),))], ("mind",))))
    )


def test_refused_cells_are_empty_and_marked_and_those_not_asked_have_a_dash() -> None:
    row = HeatRow("one", cell(0.0), (cell(None, "refused"), None, cell(0.3)))
    svg = svg_of(plot([row], ("mind", "worth", "danger")))
    assert [one.text for one in numbers(svg, [row])[0]] == ["0.00", "+0.30"]
    heads = {one.whole: one.x for one in labels(svg)}
    first, *_ = marks(svg)
    assert first.x == pytest.approx(heads["mind"], abs=0.5)
    assert [one.x for one in labels(svg) if one.text == "\u2013"] == pytest.approx([heads["worth"]], abs=0.5)
    assert {"refused", "not asked"} <= set(words(svg))


def test_the_bound_is_marked_on_the_scale() -> None:
    shown = labels(svg_of(plot([HeatRow("one", cell(0.0), (cell(0.3),))], ("mind",))))
    ends = {one.text: one.x for one in shown}
    assert ends["d"] == pytest.approx(ends["+0.22"])
    assert ends["\u2212d"] == pytest.approx(ends["\u22120.22"])
    places = sorted(
        (one.x, to_number(one.text))
        for one in shown
        if one.text.removeprefix("\u2212").removeprefix("+") in ("0.22", "0.45", "0.89", "1.79")
    )
    assert [value for _, value in places] == [-1.79, -0.89, -0.45, -0.22, 0.22, 0.45, 0.89, 1.79]


def test_without_a_bound_the_scale_is_that_of_the_numbers() -> None:
    shown = words(svg_of(plot([HeatRow("one", cell(1.6), (cell(-0.3),))], ("mind",), bound=0.0)))
    assert "d" not in shown
    assert {"+0.10", "+0.20", "+0.40", "+0.80"} <= set(shown)


def test_words_and_data() -> None:
    rows = [HeatRow("one", cell(0.5, clusters=24), (cell(0.612345678, clusters=11), cell(None, "refused", 2), None))]
    found = plot(rows, ("mind", "worth", "danger"))
    assert found.alternative() == (
        "1 identity by 3 themes. Of 1 cells, 1 lie above d = 0.22 nats and 0 below \u2212d. "
        "Farthest from 0: one on mind, +0.61 (+0.31 to +0.91). "
        "Hatched cells (1, all themes included) have fewer than 12 predicates, too few for a verdict, "
        "and describe only."
    )
    table = list(csv.DictReader(io.StringIO(found.table().csv())))
    assert [one["theme"] for one in table] == ["all themes", "mind", "worth"]
    assert [one["estimate (nats)"] for one in table] == ["0.5", "0.612345678", ""]


def test_what_is_left_out_is_said_and_hatching_only_where_it_is() -> None:
    rows = [HeatRow(str(at), cell(0.5, clusters=24), (cell(0.5),) * 12 + (cell(0.5, clusters=3),)) for at in range(41)]
    said = plot(rows, tuple(map(str, range(13)))).alternative()
    assert "41 identities by 13 themes. Drawn are the first 40 of 41 identities." in said
    assert "Drawn are the first 12 of 13 themes." in said
    # Of the themes that are drawn none is hatched.
    assert "Hatched" not in said
    fewer = [HeatRow(one.label, one.whole, one.cells[:12]) for one in rows[:40]]
    assert "Drawn" not in plot(fewer, tuple(map(str, range(12)))).alternative()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot([HeatRow(text, cell(0.1), (cell(0.5),))], (text,))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize(("rows", "themes"), [(0, 1), (1, 1), (1, 3), (3, 1), (40, 12), (50, 20)])
def test_no_text_upon_another(rows: int, themes: int, medium: Medium) -> None:
    if medium == COLUMN and themes > 3:
        pytest.skip("never drawn so narrow")
    assert_tidy(svg_of(grid(rows, themes), medium))


def test_leaning_heads_stay_on_the_figure() -> None:
    svg = svg_of(grid(2, 12))
    for one in labels(svg):
        if one.lean:
            reach = (one.right - one.left) * math.cos(math.radians(one.lean))
            assert one.x + reach <= 7.6 * 72 + 0.5
            assert one.y - reach >= 0
