"""What became of the leading verdicts of one probe in other specifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.adapters.report.cells import Cell
from auditor.adapters.run.effect_parts import AgreementRow
from auditor.adapters.run.results_schema import Results, SpecificationRow
from auditor.core.specifications import Dimension

DIMENSIONS: dict[Dimension, str] = {
    "scoring": "how tokens are summed",
    "end": "end of turn",
    "render": "rendering",
    "paraphrase": "wording",
    "surface": "word form",
    "frame": "sentence frame",
    "reference": "reference identity",
    "cluster": "predicate",
    "length_difference": "length held equal",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One identity's level in every specification.

    Attributes:
        points: from the lowest estimate to the highest; those without one are left out.
        agreements: by dimension.
    """

    cell: Cell
    points: tuple[SpecificationRow, ...]
    agreements: dict[Dimension, AgreementRow]


@dataclass(frozen=True, slots=True)
class Multiverse:
    """The curves of one probe at one leaf, in the order of its verdict table.

    Attributes:
        dimensions: those that were examined for some identity, and what to call them.
    """

    curves: tuple[Curve, ...]
    dimensions: tuple[tuple[Dimension, str], ...]


def multiverse_of(results: Results, probe: str, cells: Sequence[Cell]) -> Multiverse | None:
    """Curves of the leading cells of one probe; None where no verdict was examined."""
    rows: dict[tuple[str | None, ...], list[SpecificationRow]] = {}
    for one in results.specifications:
        if one.probe == probe and one.estimate is not None:
            who = (one.identity, one.axis, one.design, one.render, one.contrast, one.checkpoint)
            rows.setdefault(who, []).append(one)
    curves = []
    for cell in cells:
        last = cell.last
        who = (cell.identity, cell.axis, last.design, last.render, last.contrast, last.checkpoint)
        if last.robustness:
            points = tuple(sorted(rows.get(who, ()), key=lambda one: one.estimate or 0.0))
            curves.append(Curve(cell, points, {one.dimension: one for one in last.robustness}))
    examined = {dimension for curve in curves for dimension in curve.agreements}
    dimensions = tuple((dimension, words) for dimension, words in DIMENSIONS.items() if dimension in examined)
    return Multiverse(tuple(curves), dimensions) if curves else None
