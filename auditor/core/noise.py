"""The noise floor of half precision: how far rounding alone moves a margin and every effect.

A sample of the items is scored again in float32 (`auditor.core.noise_sample`). The error of a sampled row is its number
in half precision minus the same in float32, in the very contrast and measure of the effect, so what two checkpoints or
a row and its references get wrong alike cancels as it does in the effect. Errors of one model are not independent:
rows of a cluster share words, rows of an identity share its name, and rounded weights push all rows alike. So not
sigma / sqrt(n) but the second moments about 0 are estimated, by what two rows of one identity share:

    a = E[e_i^2]       b = E[e_i e_j], one cluster       c = E[e_i e_j], different clusters

The error of an effect with the weights w_i, which add up to 1 over its rows and to W_k over its cluster k, then has

    E[(sum w_i e_i)^2] = a sum w_i^2 + b (sum W_k^2 - sum w_i^2) + c (1 - sum W_k^2),

whose root is the noise of the effect. c holds whatever does not average out over clusters, a bias included. The moments
are means over all pairs of sampled rows, of all identities together: no identity has enough rows of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from auditor.core.contrasts import Contrast, Matching, match_items
from auditor.core.items import Design, Probe
from auditor.core.measured import Measured
from auditor.core.measures import Measure
from auditor.core.score_columns import rows_of
from auditor.core.scores import CheckpointScores, FloatArray, Render
from auditor.core.statistics import IntArray, row_weights
from auditor.core.tables import ScoreTable, line_up

_CONTRASTS: tuple[Contrast, ...] = ("raw", "excess", "reference")


@dataclass(frozen=True, slots=True)
class Moments:
    """Second moments about 0 of the rounding errors of one identity's rows, by what two rows share.

    Attributes:
        row: of a row with itself; ``cluster``: of two rows of one cluster; ``identity``: of two of different clusters;
            in the squared unit of the errors, the last two at least 0.
    """

    row: float
    cluster: float
    identity: float

    @classmethod
    def of(cls, groups: Iterable[tuple[FloatArray, IntArray]]) -> Moments | None:
        """From the errors of each identity's rows and the cluster of each, shape (n,); None without a row."""
        sums, counts = np.zeros(3), np.zeros(3)
        for errors, codes in groups:
            # Over i = j alone, over all i and j of one cluster, over all i and j.
            sums += np.array([np.sum(errors**2), np.sum(np.bincount(codes, errors) ** 2), np.sum(errors) ** 2])
            counts += np.array([len(errors), np.sum(np.bincount(codes) ** 2), len(errors) ** 2])
        if not counts[0]:
            return None
        row, cluster, identity = (
            float(total / count) if count else None
            for total, count in zip(np.diff(sums, prepend=0), np.diff(counts, prepend=0), strict=True)
        )
        # Where no two rows of a cluster were sampled, they are taken to err alike.
        return cls(row or 0.0, row or 0.0 if cluster is None else max(cluster, 0.0), max(identity or 0.0, 0.0))

    def noise(self, match: IntArray, cluster: IntArray) -> float:
        """Root mean square of the error that rounding puts on an effect over these rows.

        Args:
            match: code of each row's match key, shape (n,) with n at least 1; ``cluster`` of its cluster.
        """
        weights = row_weights(match, cluster)
        squares, between = float(np.sum(weights**2)), float(np.sum(np.bincount(cluster, weights) ** 2))
        mean_square = self.row * squares + self.cluster * (between - squares) + self.identity * (1 - between)
        return sqrt(max(mean_square, 0.0))


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What rounding does to the margins of one probe in one rendering at one checkpoint, in nats.

    Attributes:
        items: how many rows were scored again in float32.
        margin: root mean square of the error of a row's margin; ``bias``: its mean.
    """

    probe: str
    render: Render
    checkpoint: str
    items: int
    margin: float
    bias: float


@dataclass(frozen=True, slots=True)
class Rounding:
    """The sampled rows of one probe in one rendering, scored twice.

    Attributes:
        rounded: in the audit's own number format; ``exact``: in float32; the same rows and checkpoints.
    """

    rounded: ScoreTable
    exact: ScoreTable
    matching: Matching

    @classmethod
    def of(cls, probe: Probe, render: Render, scores: Sequence[CheckpointScores]) -> Rounding | None:
        """Line the sample up over the checkpoints that have one; None where no row was scored twice."""
        sampled = [one for one in scores if one.exact]
        if not sampled:
            return None
        drawn = {item for name, where, item in sampled[0].exact if (name, where) == (probe.name, render)}
        sample = replace(probe, items=tuple(item for item in probe.items if item.id in drawn))
        exact = [replace(one, scored=one.exact) for one in sampled]
        there = np.all([rows_of(one.scored, sample, render).at >= 0 for one in (*sampled, *exact)], axis=0)
        sample = replace(sample, items=tuple(item for item, kept in zip(sample.items, there, strict=True) if kept))
        table = line_up(sample, render, sampled)
        return cls(table, line_up(sample, render, exact), match_items(table)) if table.items else None

    def floors(self) -> tuple[NoiseFloor, ...]:
        """The error of a margin at each checkpoint."""
        errors = self.rounded.sides.margins() - self.exact.sides.margins()
        return tuple(
            NoiseFloor(
                self.rounded.probe.name,
                self.rounded.render,
                checkpoint,
                len(column),
                float(np.sqrt(np.mean(column**2))),
                float(np.mean(column)),
            )
            for checkpoint, column in zip(self.rounded.checkpoints, errors.T, strict=True)
        )

    def moments(self, measure: Measure) -> Mapping[tuple[Design, Contrast], Moments]:
        """Of the errors of a measure, by design and contrast; empty where one of its checkpoints was not sampled."""
        if not measure.weights.keys() <= set(self.rounded.checkpoints):
            return {}
        errors = self.rounded.values(measure) - self.exact.values(measure)
        allowed = self.rounded.same_tokens(measure) if measure.same_tokens else np.ones(len(errors), dtype=bool)
        measured = Measured(self.matching, errors, allowed)
        cells = [cell for cell in self.rounded.cells if cell.theme is None]
        found: dict[tuple[Design, Contrast], Moments] = {}
        for design in dict.fromkeys(cell.design for cell in cells):
            for contrast in _CONTRASTS:
                rows = [measured.usable(cell.rows, contrast) for cell in cells if cell.design == design]
                groups = ((measured.values(own, contrast), self.matching.cluster[own]) for own in rows)
                moments = Moments.of(groups)
                if moments is not None:
                    found[design, contrast] = moments
        return found
