"""Twin of auditor.adapters.report.attribution.role_plot."""

from __future__ import annotations

import csv
import io
import random
import re

import pytest
from drawn_figures import assert_only_drawing, assert_tidy, labels, marks, row_of, svg_of, value_at, words
from run_factory import HOSTILE

from auditor.adapters.report.attribution.role_plot import MAX_PARTED, RolePart, RolePlot, RoleRow
from auditor.adapters.report.plots.figures import Mark
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

TOLD = RolePart(Mark(1.63, 1.26, 2.0), -0.42, 0.0004)
OPEN = RolePart(Mark(-0.31, -0.9, 0.28), 0.11, 0.4)
ROLES = ("predicate", "frame")


def plot(*rows: RoleRow, roles: tuple[str, ...] = ROLES, controls: tuple[float, float] | None = None) -> RolePlot:
    return RolePlot(rows, roles, [controls] * len(roles), "parts by role")


def many(count: int, roles: int) -> RolePlot:
    rng = random.Random(100 * count + roles)

    def part() -> RolePart:
        value = rng.gauss(0, 0.8)
        return RolePart(Mark(value, value - 0.4, value + 0.4), rng.gauss(0, 0.3), rng.random() / 5)

    rows = [RoleRow(f"people of a long name {at}", tuple(part() for _ in range(roles))) for at in range(count)]
    names = ("identity", "predicate", "pronoun", "frame", "punctuation", "end of turn", "no words")
    return RolePlot(rows, names[:roles], [(-0.3, 0.4)] * roles, "parts by role")


def boxes(svg: str, colour: str) -> list[tuple[float, float, float, bool]]:
    """Left, right, height in the middle, and whether it is filled, of each bar of a colour."""
    found = []
    pattern = (
        r'd="M (\S+) (\S+) L (\S+) \S+ L \S+ (\S+) [^"]*"[^>]*?'
        rf'style="fill: (none|var\(--{colour}[^)]*\));[^"]*stroke: var\(--{colour}'
    )
    for left, top, right, bottom, fill in re.findall(pattern, svg):
        found.append((float(left), float(right), (float(top) + float(bottom)) / 2, fill != "none"))
    return found


def test_each_bar_goes_from_0_to_its_part_in_the_panel_of_its_role() -> None:
    svg = svg_of(plot(RoleRow("one", (TOLD, OPEN)), RoleRow("two", (None, TOLD))))
    harm = [one for one in boxes(svg, "harm") if abs(one[2] - row_of(svg, "one")) < 4]
    (bar,) = harm
    value = value_at(svg, 0)
    assert (value(bar[0]), value(bar[1])) == pytest.approx((0.0, 1.63), abs=0.01)
    assert bar[3], "a part told from 0 is filled"
    (lower,) = [one for one in boxes(svg, "lower") if abs(one[2] - row_of(svg, "one")) < 4]
    value = value_at(svg, 1)
    assert (value(lower[0]), value(lower[1])) == pytest.approx((-0.31, 0.0), abs=0.01)
    assert not lower[3]
    # Nothing stands where an identity has no part of a role.
    heads = {one.text: one.x for one in labels(svg)}
    (second,) = [one for one in boxes(svg, "harm") if abs(one[2] - row_of(svg, "two")) < 4]
    assert second[0] > heads["frame"]


def test_what_the_reference_rows_share_is_an_open_circle() -> None:
    svg = svg_of(plot(RoleRow("one", (TOLD, OPEN))))
    circles = [one for one in marks(svg) if abs(one.y - row_of(svg, "one")) < 3]
    values = [value_at(svg, at)(one.x) for at, one in enumerate(circles)]
    assert values == pytest.approx([-0.42, 0.11], abs=0.01)
    assert "the same in its reference rows" in words(svg)
    alone = svg_of(plot(RoleRow("one", (RolePart(TOLD.mark, None, 0.2), None))))
    assert "the same in its reference rows" not in words(alone)


def test_the_key_names_what_is_there() -> None:
    both = words(svg_of(plot(RoleRow("one", (TOLD, OPEN)), controls=(-0.2, 0.3))))
    assert {"part, adjusted p < .05", "part, not told from 0", "range of control identities"} <= set(both)
    one = words(svg_of(plot(RoleRow("one", (TOLD, None)))))
    assert "part, not told from 0" not in one
    assert "range of control identities" not in one


def test_the_range_of_controls_lies_where_it_is() -> None:
    svg = svg_of(plot(RoleRow("one", (TOLD, OPEN)), controls=(-0.2, 0.3)))
    found = re.findall(r'd="M (\S+) \S+ L (\S+) [^"]*"[^>]*?style="fill: var\(--band', svg)
    left, right = map(float, found[0])
    assert (value_at(svg)(left), value_at(svg)(right)) == pytest.approx((-0.2, 0.3), abs=0.01)


def test_words_and_data() -> None:
    found = plot(RoleRow("one", (TOLD, OPEN)), RoleRow("two", (None, OPEN)), controls=(-0.25, 0.125))
    assert found.alternative() == (
        "2 identities by 2 roles: predicate, frame. Farthest from 0: one, predicate, +1.63 (+1.26 to +2.00) nats, "
        "reference rows \u22120.42. Adjusted p below .05: 1 of 3."
    )
    table = list(csv.DictReader(io.StringIO(found.table().csv())))
    assert [(one["identity"], one["role"], one["part (nats)"]) for one in table] == [
        ("one", "predicate", "1.63"),
        ("one", "frame", "-0.31"),
        ("two", "frame", "-0.31"),
    ]
    assert table[0]["adjusted p"] == "0.0004"
    assert table[0]["smallest among control identities (nats)"] == "-0.25"
    assert "No part" in plot(RoleRow("one", (None, None))).alternative()


def test_many_identities_are_cut_in_the_figure_alone() -> None:
    found = many(50, 2)
    assert len(found.names) == MAX_PARTED
    assert len(found.table().rows) == 100
    said = found.alternative()
    assert f"50 identities by 2 roles: identity, predicate. Drawn are the first {MAX_PARTED} of 50 identities." in said
    # What is said of parts is said of those that are drawn.
    assert f"of {2 * MAX_PARTED}." in said
    assert sum(one.startswith("people of") for one in words(svg_of(found))) == MAX_PARTED


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot(RoleRow(text, (TOLD, OPEN)), roles=(text, "frame"))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize(("rows", "roles"), [(0, 1), (1, 1), (3, 5), (40, 7)])
def test_no_text_upon_another(rows: int, roles: int, medium: Medium) -> None:
    found = many(rows, roles)
    if medium == COLUMN and not found.narrow:
        pytest.skip("never drawn so narrow")
    assert_tidy(svg_of(found, medium))
