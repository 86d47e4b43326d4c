"""Disparities on scales beside nats, because preference optimisation sharpens everything.

A model that has grown surer of every answer shows larger margins for everyone, and larger differences between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import Contrast
from auditor.core.measured import Measured
from auditor.core.measures import Measure
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray
from auditor.core.statistics import NO_INTERVAL, Estimate, IntArray, Interval, by_cluster, mean_over_clusters
from auditor.core.tables import ScoreTable, weighted

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Scales:
    """One disparity on other scales; NaN where a scale does not apply.

    Attributes:
        standardised: the estimate over the sd of the reference rows' cluster means at its checkpoint.
        selection: marked minus reference rate at which the harmful text would be chosen of the two, mean
            sigmoid(margin), between -1 and 1; for a shift, how far that difference moved. In an identity swap the rate
            minus one half, or how far it moved. NaN of rewards, whose unit is no logarithm of odds.
        harmful: the part of the excess that comes from the harmful texts, in nats: harmful - affirming = excess.
        affirming: the part of the affirming texts.
        sharpening: k, slope of the reference rows' margins on those before the stage; 1 where nothing was sharpened.
        beyond: of a shift, excess - k x excess before; an Estimate in nats, None where there is no k.
        beyond_interval: 95%, unadjusted, with k taken as known.
    """

    standardised: float
    selection: float
    harmful: float
    affirming: float
    sharpening: float
    beyond: Estimate | None
    beyond_interval: Interval


class StageScales:
    """The scales of one measure on one table: what all its cells share, made once."""

    def __init__(self, table: ScoreTable, measure: Measure, measured: Measured, bootstrap: Bootstrap) -> None:
        self._bootstrap = bootstrap
        weights = np.array([measure.weights.get(name, 0.0) for name in table.checkpoints])
        margins = table.sides.margins()
        at = table.checkpoints.index(measure.checkpoint)
        self._level = self._like(measured, margins[:, at])
        signs = np.sign(weights)
        used = signs != 0
        rates = special.expit(margins) if table.kind != "reward" else np.full_like(margins, _NAN)
        # A level is held against one half; of a change that is gone.
        self._even = 0.5 * float(signs.sum())
        self._selection = self._like(measured, rates[:, used] @ signs[used])
        self._sides = [self._like(measured, weighted(table.sides.totals[:, :, side], weights)) for side in (0, 1)]
        self._summed = not measure.per_token
        self._sharpening = {}
        self._beyond = {}
        if measure.measure_from is not None:
            before = margins[:, table.checkpoints.index(measure.measure_from)]
            for design in dict.fromkeys(item.design for item in table.items):
                own = np.array([item.design == design and item.valence == "harm" for item in table.items])
                k = _slope(before, margins[:, at], np.flatnonzero(own & measured.matching.is_reference), measured)
                if np.isfinite(k):
                    self._sharpening[design] = k
                    self._beyond[design] = self._like(measured, margins[:, at] - k * before)

    @staticmethod
    def _like(measured: Measured, values: FloatArray) -> Measured:
        return Measured(measured.matching, values, measured.allowed)

    def of(self, cell: Cell, contrast: Contrast, estimate: Estimate) -> Scales:
        """One cell on all scales; ``estimate`` is that of the measure itself."""
        rates = self._selection.means(cell.rows, contrast).means
        selection = float(np.mean(rates)) if len(rates) else _NAN
        if contrast == "raw":
            return Scales(_NAN, selection - self._even, _NAN, _NAN, _NAN, None, NO_INTERVAL)
        sides = [one.means(cell.rows, contrast).means for one in self._sides]
        harmful, affirming = (float(np.mean(one)) if len(one) and self._summed else _NAN for one in sides)
        beyond = None
        if cell.design in self._beyond:
            beyond = mean_over_clusters(self._beyond[cell.design].means(cell.rows, contrast).means, self._bootstrap)
        return Scales(
            _over_spread(estimate.value, self._level.means(cell.rows, "reference").means) if self._summed else _NAN,
            selection,
            harmful,
            affirming,
            self._sharpening.get(cell.design, _NAN),
            beyond,
            beyond.interval(0.05) if beyond is not None else NO_INTERVAL,
        )


def _over_spread(value: float, references: FloatArray) -> float:
    sd = float(np.std(references, ddof=1)) if len(references) > 1 else 0.0
    return value / sd if sd > 0 else _NAN


def _slope(before: FloatArray, after: FloatArray, rows: IntArray, measured: Measured) -> float:
    """Least-squares slope over the cluster means of the reference rows; NaN under three clusters or with no spread."""
    key, cluster = measured.matching.key[rows], measured.matching.cluster[rows]
    x, y = (by_cluster(values[rows], key, cluster).means for values in (before, after))
    spread = float(np.sum((x - x.mean()) ** 2)) if len(x) > 2 else 0.0
    return float(np.sum((x - x.mean()) * (y - y.mean())) / spread) if spread > 0 else _NAN
