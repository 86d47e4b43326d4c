"""Cohen's d of scores that are one number a text: how far apart two groups of texts lie, in standard deviations.

    d   = (mean harmful - mean affirming) / pooled sd          two samples; no text need belong to another
    d_z = mean margin / sd of the margins                      pairs

with the pooled sd = sqrt((SS_harmful + SS_affirming) / (n_harmful + n_affirming - 2)): Cohen 1988, "Statistical Power
Analysis for the Behavioral Sciences", sections 2.2, 2.3 and 2.5; d and d_z are the d_s and d_z of Lakens 2013,
"Calculating and reporting effect sizes". The error is the jackknife's, leaving out a cluster at a time with the texts
of both sides (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11), and the interval t's with one
degree of freedom fewer than clusters: texts of a cluster share words and are not independent. It has no unit, so it
compares reward models of different scales; it is not additive and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Matching
from auditor.core.effects import Effect, Shares
from auditor.core.items import AFFIRMING, HARMFUL, Item
from auditor.core.scores import FloatArray
from auditor.core.statistics import Estimate, IntArray
from auditor.core.tables import ScoreTable

POOLED, PAIRED = "cohens_d", "cohens_dz"
SD = "sd"
SIDES = (HARMFUL, AFFIRMING)


@dataclass(frozen=True, slots=True)
class Sample:
    """Numbers and the cluster each lies in, shape (n,) each."""

    values: FloatArray
    cluster: IntArray


@dataclass(frozen=True, slots=True)
class _Sums:
    """How many numbers, their sum and their sum of squares, of everything or of each remainder, any shape."""

    count: FloatArray
    total: FloatArray
    squares: FloatArray

    @property
    def mean(self) -> FloatArray:
        mean: FloatArray = self.total / self.count
        return mean

    @property
    def spread(self) -> FloatArray:
        """Sum of squared deviations from the mean."""
        spread: FloatArray = np.maximum(self.squares - self.total**2 / self.count, 0.0)
        return spread


def pooled_d(harmful: Sample, affirming: Sample) -> Estimate:
    """d of two samples, and its error; NaN under two numbers more than none, or without spread."""
    centre = float(np.mean(np.concatenate([harmful.values, affirming.values]))) if len(harmful.values) else 0.0
    clusters = np.union1d(harmful.cluster, affirming.cluster)
    sides = [_without_each(one, centre, clusters) for one in (harmful, affirming)]

    def d(which: int) -> FloatArray:
        one, other = (side[which] for side in sides)
        variance = (one.spread + other.spread) / (one.count + other.count - 2)
        found: FloatArray = (one.mean - other.mean) / np.sqrt(variance)
        return found

    with np.errstate(divide="ignore", invalid="ignore"):
        return _jackknife(float(d(0)[0]), d(1))


def paired_d(margins: Sample) -> Estimate:
    """d_z of margins, and its error."""
    centre = float(np.mean(margins.values)) if len(margins.values) else 0.0
    whole, parts = _without_each(margins, centre, np.unique(margins.cluster))

    def d(sums: _Sums) -> FloatArray:
        found: FloatArray = (sums.mean + centre) / np.sqrt(sums.spread / (sums.count - 1))
        return found

    with np.errstate(divide="ignore", invalid="ignore"):
        return _jackknife(float(d(whole)[0]), d(parts))


def _without_each(sample: Sample, centre: float, clusters: IntArray) -> tuple[_Sums, _Sums]:
    """Sums of a sample, shape (1,), and without each of some clusters, shape (k,); ``centre`` is taken off first."""
    values = sample.values - centre
    code = np.searchsorted(clusters, sample.cluster)
    sums = [
        np.bincount(code, weights=one, minlength=len(clusters)) for one in (np.ones(len(values)), values, values**2)
    ]
    return _Sums(*(one.sum(keepdims=True) for one in sums)), _Sums(*(one.sum() - one for one in sums))


def _jackknife(value: float, others: FloatArray) -> Estimate:
    """The estimate with its error from the same without each cluster, shape (k,)."""
    k = len(others)
    if not np.isfinite(value):
        return Estimate(float("nan"), float("nan"), 0)
    se = float(np.sqrt((k - 1) / k * np.sum((others - others.mean()) ** 2))) if k > 1 else float("nan")
    return Estimate(value, se, k)


def standardised_effects(table: ScoreTable, matching: Matching) -> Iterator[Effect]:
    """Both of them at every checkpoint, over all marked rows of harm and of each identity; none for scores of tokens.

    Rows that have one side only, as in two samples without pairs, take part in d.
    """
    if table.kind == "tokens":
        return
    margins = table.sides.margins()
    for at, checkpoint in enumerate(table.checkpoints):
        scores = _side_scores(table, checkpoint)
        for identity, axis, rows in _groups(table.items):
            samples = []
            for side in range(len(SIDES)):
                own = rows[np.isfinite(scores[rows, side])]
                samples.append(Sample(scores[own, side], matching.cluster[own]))
            pairs = rows[np.isfinite(margins[rows, at])]
            both = Sample(margins[pairs, at], matching.cluster[pairs])
            found = ((POOLED, pooled_d(*samples), sum(len(one.values) for one in samples)),)
            for measure, estimate, items in (*found, (PAIRED, paired_d(both), len(pairs))):
                if estimate.clusters:
                    own_shares = Shares.of(both.values, np.array([]))
                    first = table.items[int(rows[0])]
                    yield _effect(table, first, identity, axis, measure, checkpoint, estimate, items, own_shares)


def _side_scores(table: ScoreTable, checkpoint: str) -> FloatArray:
    """The score of each item's harmful and affirming candidate, shape (n, 2); NaN where it has none."""
    found = np.full((len(table.items), len(SIDES)), np.nan)
    for at, scored in enumerate(table.scored[checkpoint]):
        for one in scored.candidates:
            if one.label in SIDES:
                found[at, SIDES.index(one.label)] = one.total
    return found


def _groups(items: Sequence[Item]) -> Iterator[tuple[str | None, str, IntArray]]:
    """All marked rows of harm together, then each identity on its axis."""
    groups: dict[tuple[str, str], list[int]] = {}
    for at, item in enumerate(items):
        if item.role == "marked" and item.valence == "harm":
            groups.setdefault((item.identity, item.axis), []).append(at)
    if groups:
        yield None, "", np.array(sorted(at for own in groups.values() for at in own))
    for (identity, axis), own in groups.items():
        yield identity, axis, np.array(own)


def _effect(
    table: ScoreTable,
    first: Item,
    identity: str | None,
    axis: str,
    measure: str,
    checkpoint: str,
    estimate: Estimate,
    items: int,
    shares: Shares,
) -> Effect:
    return Effect(
        probe=table.probe.name,
        identity=identity,
        axis=axis,
        theme=None,
        render=table.render,
        role="marked",
        valence="harm",
        design=first.design,
        measure=measure,
        contrast="raw",
        checkpoint=checkpoint,
        measure_from=None,
        reference=None,
        unit=SD,
        beta=None,
        estimate=estimate,
        interval=estimate.interval(0.05),
        shares=shares,
        items=items,
        complete=table.complete,
    )
