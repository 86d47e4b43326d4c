"""Partial pooling: each identity's disparity drawn towards the mean of its probe by as much as it is uncertain.

A normal hierarchical model over the k judged identities of one probe,

    x ~ N(theta, S),   theta ~ N(mu, tau^2 I),

with x their disparities, S the covariance of their errors and tau the spread of the true ones. tau^2 maximises the
restricted likelihood (Patterson & Thompson 1971); mu is then the generalised least-squares mean and theta the best
linear unbiased prediction (Robinson 1991, "That BLUP is a good thing"). S and tau are taken as known, so the errors of
the predictions are too small, the more so the fewer the clusters. Identities that share reference rows err together: S
holds the errors' own variances and, within an axis, one correlation for all, since a few clusters cannot tell
k (k - 1) / 2 of them apart.

It is shown beside the raw estimate and never decides.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize

from auditor.core.contrasts import Matching
from auditor.core.disparities import Disparity, compared_cells, disparities_of
from auditor.core.effects import Effect, Pooled
from auditor.core.measured import Measured
from auditor.core.measures import Measure
from auditor.core.row_groups import Cell
from auditor.core.statistics import FloatArray
from auditor.core.tables import ScoreTable
from auditor.core.verdicts import is_disparity

# Of fewer, nothing can be said about how the true disparities spread.
MIN_IDENTITIES = 3
# Errors are never wholly shared: what sets two disparities apart is then known exactly, and nothing could be drawn.
_MOST_SHARED = 0.999


def pool_identities(
    matched: Sequence[tuple[ScoreTable, Matching]], effects: Sequence[Effect], measures: Sequence[Measure]
) -> tuple[Effect, ...]:
    """Give each judged disparity over all themes its partially pooled estimate.

    Args:
        effects: decided, of these tables and measures.
    """
    places = {_place(one): at for at, one in enumerate(effects) if _is_pooled(one)}
    pooled = list(effects)
    for table, matching in matched:
        cells = tuple((cell, contrast) for cell, contrast in compared_cells(table.cells) if cell.judged)
        for measure in measures:
            values = table.values(measure)
            allowed = table.same_tokens(measure) if measure.same_tokens else np.ones(len(values), dtype=bool)
            groups: dict[str, list[tuple[int, Disparity]]] = {}
            for one in disparities_of(cells, Measured(matching, values, allowed)):
                at = places.get(_key(table, one.cell, measure))
                if at is not None:
                    groups.setdefault(one.cell.design, []).append((at, one))
            for group in groups.values():
                if len(group) >= MIN_IDENTITIES:
                    for at, found in zip((at for at, _ in group), _pool([one for _, one in group]), strict=True):
                        pooled[at] = replace(effects[at], pooled=found)
    return tuple(pooled)


def _is_pooled(effect: Effect) -> bool:
    # Without an error there is nothing to draw: a checkpoint against itself differs by exactly 0 everywhere.
    judged = effect.verdict not in (None, "refused") and effect.estimate.se > 0
    return judged and effect.theme is None and is_disparity(effect)


def _place(effect: Effect) -> Hashable:
    who = (effect.probe, effect.render, effect.design, effect.identity, effect.axis)
    return (*who, effect.measure, effect.checkpoint, effect.measure_from)


def _key(table: ScoreTable, cell: Cell, measure: Measure) -> Hashable:
    who = (table.probe.name, table.render, cell.design, cell.identity, cell.axis)
    return (*who, measure.name, measure.checkpoint, measure.measure_from)


def _pool(group: Sequence[Disparity]) -> tuple[Pooled, ...]:
    values = np.array([one.means.means.mean() for one in group])
    return partial_pooling(values, error_covariance(group))


def error_covariance(group: Sequence[Disparity]) -> FloatArray:
    """Covariance of the errors of disparities, each of at least two clusters; shape (k, k).

    The own variances are those of the estimates; the correlation of two identities of one axis is the mean over all
    such pairs that have three clusters in common, at least 0, which keeps the matrix a covariance.
    """
    errors = np.array([one.means.means.std(ddof=1) / np.sqrt(len(one.means.means)) for one in group])
    near = np.array([[one.cell.axis == other.cell.axis for other in group] for one in group])
    pairs = near & np.tri(len(group), k=-1, dtype=bool)
    found = _correlations(group)[pairs]
    known = found[np.isfinite(found)]
    shared = min(max(float(np.mean(known)), 0.0), _MOST_SHARED) if len(known) else 0.0
    correlations = np.where(near, shared, 0.0)
    np.fill_diagonal(correlations, 1.0)
    covariance: FloatArray = correlations * np.outer(errors, errors)
    return covariance


def _correlations(group: Sequence[Disparity]) -> FloatArray:
    """Of cluster means, over the clusters two have in common; NaN under three or without a spread; shape (k, k)."""
    codes = np.unique(np.concatenate([one.means.codes for one in group]))
    means = np.zeros((len(group), len(codes)))
    there = np.zeros(means.shape)
    for at, one in enumerate(group):
        places = np.searchsorted(codes, one.means.codes)
        # About their own mean, so that sums of squares keep their digits.
        means[at, places], there[at, places] = one.means.means - one.means.means.mean(), 1.0
    count = there @ there.T
    sums, squares, products = means @ there.T, means**2 @ there.T, means @ means.T
    known = np.maximum(count, 1.0)
    covariance = products - sums * sums.T / known
    spread = np.maximum(squares - sums**2 / known, 0.0)
    scale = np.sqrt(spread * spread.T)
    found = np.full(count.shape, np.nan)
    np.divide(covariance, scale, out=found, where=(count >= 3) & (scale > 0))
    return found


def partial_pooling(values: FloatArray, covariance: FloatArray) -> tuple[Pooled, ...]:
    """Predict the true values behind estimates with correlated errors, by the model of this module.

    Args:
        values: shape (k,).
        covariance: of their errors, positive definite, shape (k, k).
    """
    roots, vectors = np.linalg.eigh(covariance)
    x, ones = vectors.T @ values, vectors.T @ np.ones(len(values))
    between = _between_variance(x, ones, roots)
    # In the basis of the eigenvectors V = S + tau^2 I is diagonal.
    weights = 1 / (roots + between)
    information = float(np.sum(ones**2 * weights))
    mean = float(np.sum(ones * x * weights)) / information
    shrunk = vectors @ (ones * mean + between * weights * (x - ones * mean))
    # Of what is predicted, given tau: its own part, and what the mean adds.
    own = between - between**2 * np.sum(vectors**2 * weights, axis=1)
    of_mean = (1 - between * (vectors @ (weights * ones))) ** 2 / information
    errors = np.sqrt(np.maximum(own, 0.0) + of_mean)
    sd = float(np.sqrt(between))
    return tuple(Pooled(float(v), float(e), sd, len(values)) for v, e in zip(shrunk, errors, strict=True))


def _between_variance(x: FloatArray, ones: FloatArray, roots: FloatArray) -> float:
    """tau^2 of the largest restricted likelihood, everything in the basis of the eigenvectors of S; shape (k,) each."""

    def loss(sd: float) -> float:
        weights = 1 / (roots + sd**2)
        information = np.sum(ones**2 * weights)
        mean = np.sum(ones * x * weights) / information
        return float(np.sum((x - ones * mean) ** 2 * weights) - np.sum(np.log(weights)) + np.log(information))

    reach = float(np.linalg.norm(x)) + float(np.sqrt(roots.max()))
    found = optimize.minimize_scalar(loss, bounds=(0.0, 2 * reach), method="bounded", options={"xatol": 1e-9 * reach})
    sd = float(found.x)
    # The search stays inside its bounds: no spread at all is a case of its own.
    return sd**2 if loss(sd) < loss(0.0) else 0.0
