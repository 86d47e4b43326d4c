"""One number for every row of a table, and its means over clusters in each contrast."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from auditor.core.contrasts import Contrast, Mask, Matching
from auditor.core.scores import FloatArray
from auditor.core.statistics import ClusterMeans, IntArray, by_cluster


@dataclass(frozen=True, slots=True)
class Measured:
    """One number for every row of a table, shape (n,), ready to be averaged over any of its rows.

    Attributes:
        raw: the number itself, such as a margin or a shift.
        allowed: rows that may enter; a match key is only as good as its worst reference row.
        reference: mean of the reference rows that share each row's match key; NaN where one is not allowed.
        compared: rows that have an excess.
    """

    matching: Matching
    raw: FloatArray
    allowed: Mask
    reference: FloatArray = field(init=False)
    compared: Mask = field(init=False)

    def __post_init__(self) -> None:
        reference = self.matching.reference_mean(np.where(self.allowed, self.raw, np.nan))
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "compared", self.allowed & self.matching.matched & np.isfinite(reference))

    def usable(self, rows: IntArray, contrast: Contrast) -> IntArray:
        """Those of the rows that may enter a contrast."""
        mask = self.allowed if contrast == "raw" else self.compared
        chosen: IntArray = rows[mask[rows]]
        return chosen

    def values(self, rows: IntArray, contrast: Contrast) -> FloatArray:
        """The rows' numbers in a contrast: raw = excess + reference."""
        if contrast == "raw":
            return self.raw[rows]
        if contrast == "reference":
            return self.reference[rows]
        excess: FloatArray = self.raw[rows] - self.reference[rows]
        return excess

    def means(self, rows: IntArray, contrast: Contrast) -> ClusterMeans:
        """Cluster means of those rows that may enter a contrast."""
        chosen = self.usable(rows, contrast)
        values = self.values(chosen, contrast)
        return by_cluster(values, self.matching.key[chosen], self.matching.cluster[chosen])
