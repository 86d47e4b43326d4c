"""Twin of auditor.adapters.report.attribution.layer_map."""

from __future__ import annotations

import csv
import io
import re

import pytest
from drawn_figures import Label, assert_only_drawing, assert_tidy, labels, svg_of, words
from run_factory import HOSTILE

from auditor.adapters.report.attribution.layer_map import ALL, LayerCell, LayerMap, LayerPanel
from auditor.adapters.report.plots.heat_scale import STEPS
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

ROWS = ("embedding", "layer 0", "layer 1", "head")


def panel(heading: str, scale: float, *, telling: bool = False) -> LayerPanel:
    cells = {
        ("embedding", ALL): LayerCell(0.05 * scale),
        ("layer 0", ALL): LayerCell(0.3 * scale),
        ("layer 0", "attention"): LayerCell(0.2 * scale),
        ("layer 0", "mlp"): LayerCell(0.1 * scale),
        ("layer 1", ALL): LayerCell(-1.6 * scale, telling),
        ("layer 1", "mlp"): LayerCell(-1.6 * scale, telling),
        ("head", ALL): LayerCell(0.01 * scale),
    }
    return LayerPanel(heading, sum(cell.value for (_, column), cell in cells.items() if column == ALL), cells)


def plot(*panels: LayerPanel, rows: tuple[str, ...] = ROWS) -> LayerMap:
    return LayerMap(rows, panels, 1.6, "map")


def numbers(svg: str, row: str) -> list[Label]:
    """The numbers of a row, left to right."""
    (named,) = (one for one in labels(svg) if one.whole == row)
    found = [one for one in labels(svg) if re.fullmatch(r"[+\u2212]?\d+\.\d\d", one.text) and abs(one.y - named.y) < 3]
    return sorted(found, key=lambda one: one.x)


def strengths(svg: str, colour: str) -> list[float]:
    """Of the cells of one colour, in the order drawn; those of the scale stand last."""
    styles = re.findall(rf'style="(fill: var\(--{colour}[^"]*)"', svg)
    return [float(found[1]) if (found := re.search(r"opacity: ([\d.]+)", one)) else 1.0 for one in styles]


def test_each_number_stands_in_its_row_and_under_its_module() -> None:
    svg = svg_of(plot(panel("trans women", 1.0), panel("its reference rows", 0.5)))
    heads = sorted(one.x for one in labels(svg) if one.text == "MLP")
    found = numbers(svg, "layer 1")
    assert [one.text for one in found] == ["\u22121.60", "\u22121.60", "\u22120.80", "\u22120.80"]
    assert [found[1].x, found[3].x] == pytest.approx(heads, abs=0.5)
    assert [one.text for one in numbers(svg, "embedding")] == ["+0.05", "+0.03"]


def test_both_panels_stand_on_one_scale() -> None:
    """A quarter of the largest cell is a colour paler, in whichever panel it stands."""
    svg = svg_of(plot(panel("one", 1.0), panel("two", 0.25)))
    assert strengths(svg, "lower")[:4] == [1.0, 1.0, STEPS[2], STEPS[2]]
    alone = svg_of(LayerMap(ROWS, (panel("two", 0.25),), 0.4, "map"))
    assert strengths(alone, "lower")[:2] == [1.0, 1.0]


def test_cells_told_from_0_are_framed_and_the_key_says_so() -> None:
    framed = svg_of(plot(panel("one", 1.0, telling=True)))
    frames = re.findall(r"fill: none; stroke: var\(--ink, #\w+\); stroke-width: 1.1", framed)
    assert len(frames) == 2 + 1
    assert "adjusted p below .05" in words(framed)
    assert "adjusted p below .05" not in words(svg_of(plot(panel("one", 1.0))))


def test_words_and_data() -> None:
    found = plot(panel("one", 1.0, telling=True), panel("two", 0.5))
    assert found.alternative() == (
        "4 rows of layers. one: \u22121.24 nats in all, farthest from 0 in layer 1, \u22121.60; "
        "two: \u22120.62 nats in all, farthest from 0 in layer 1, \u22120.80."
    )
    table = list(csv.DictReader(io.StringIO(found.table().csv())))
    assert len(table) == 14
    last = next(one for one in table if (one["layer"], one["module"]) == ("layer 1", "mlp"))
    assert (last["whose"], last["part (nats)"], last["adjusted p below .05"]) == ("one", "-1.6", "yes")
    assert table[0]["adjusted p below .05"] == ""
    assert "No part" in LayerMap((), (), 0.0, "map").alternative()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    cells = {(text, ALL): LayerCell(1.0)}
    assert_only_drawing(svg_of(LayerMap((text,), (LayerPanel(text, 1.0, cells),), 1.0, text)))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize("panels", [0, 1, 2])
@pytest.mark.parametrize("layers", [1, 32])
def test_no_text_upon_another(panels: int, layers: int, medium: Medium) -> None:
    rows = ("embedding", *(f"layers {2 * at}\u2013{2 * at + 1}" for at in range(layers)), "final norm")
    cells = {(row, ALL): LayerCell(-0.25 * at) for at, row in enumerate(rows)}
    cells |= {
        (row, module): LayerCell(0.125 * at) for at, row in enumerate(rows) for module in ("attention", "mlp", "other")
    }
    found = LayerMap(rows, [LayerPanel("people of a long name " * 4, 1.0, cells)] * panels, 8.0, "map")
    if medium == COLUMN and not found.narrow:
        pytest.skip("never drawn so narrow")
    assert_tidy(svg_of(found, medium))
