"""Which identities have a disparity, and where it lies."""

from __future__ import annotations

from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.contrasts import match_items
from auditor.core.disparities import compared_cells, disparities_of
from auditor.core.items import Item
from auditor.core.measured import Measured
from auditor.core.row_groups import cells_of
from auditor.core.tables import line_up


def items() -> tuple[Item, ...]:
    people = (("m", "marked"), ("r", "reference"), ("c", "control"), ("alone", "marked"))
    swapped = [pair(f"s{at}", identity="s", design="identity_swap") for at in range(2)]
    return (
        *(
            pair(f"{who}{at}", identity=who, role=role, cluster=f"k{at}", match="" if who == "alone" else f"k{at}")
            for at in range(2)
            for who, role in people
        ),
        pair("n", identity="m", valence="neutral"),
        *swapped,
    )


def test_excess_of_text_swaps_and_raw_margin_of_identity_swaps() -> None:
    found = items()
    cells = compared_cells(cells_of(found))
    assert [(cell.identity, contrast) for cell, contrast in cells] == [
        ("m", "excess"),
        ("c", "excess"),
        ("alone", "excess"),
        ("s", "raw"),
    ]
    probe = probe_of(*found)
    values = {"only": {item.id: float(at) for at, item in enumerate(found)}}
    table = line_up(probe, "plain", [FakeScorer(margins(values)).score(series_of("only").checkpoints[0], [probe])])
    (level,) = table.sides.margins().T
    disparities = disparities_of(cells, Measured(match_items(table), level, level == level))
    # Items stand in the order m0 r0 c0 alone0 m1 r1 c1 alone1 n s0 s1 with margins 0, 1, 2, ...: m - r = -1, c - r = 1.
    assert [(one.cell.identity, one.means.means.tolist()) for one in disparities] == [
        ("m", [-1.0, -1.0]),
        ("c", [1.0, 1.0]),
        ("s", [9.0, 10.0]),
    ]
