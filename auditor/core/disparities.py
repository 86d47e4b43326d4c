"""The disparity of each judged identity as means over its clusters: what is compared across identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.core.contrasts import Contrast
from auditor.core.measured import Measured
from auditor.core.row_groups import Cell
from auditor.core.statistics import ClusterMeans


@dataclass(frozen=True, slots=True)
class Disparity:
    """One identity of a table, over all its themes.

    Attributes:
        contrast: ``excess``; ``raw`` in an identity swap, whose margin is the disparity.
        means: over its clusters, at least one.
    """

    cell: Cell
    contrast: Contrast
    means: ClusterMeans


def compared_cells(cells: Sequence[Cell]) -> tuple[tuple[Cell, Contrast], ...]:
    """Marked and control identities in harmful pairs, over all themes, with the contrast that holds their disparity."""
    return tuple(
        (cell, "raw" if cell.design == "identity_swap" else "excess")
        for cell in cells
        if cell.theme is None and cell.valence == "harm" and cell.role != "reference"
    )


def disparities_of(cells: tuple[tuple[Cell, Contrast], ...], measured: Measured) -> tuple[Disparity, ...]:
    """Those of the cells that have a disparity at all."""
    found = ((cell, contrast, measured.means(cell.rows, contrast)) for cell, contrast in cells)
    return tuple(Disparity(*one) for one in found if len(one[2].means))
