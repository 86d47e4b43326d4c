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

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.effects import Effect, Shares
from auditor.core.items import AFFIRMING, HARMFUL, Design, Item
from auditor.core.refusals import Refusal
from auditor.core.scores import FloatArray
from auditor.core.statistics import Estimate, IntArray, jackknife_error
from auditor.core.subjects import effect_about, named_clusters, subjects_of
from auditor.core.tables import ScoreTable

POOLED, PAIRED = "cohens_d", "cohens_dz"
SD = "sd"
SIDES = (HARMFUL, AFFIRMING)
# Of equal numbers rounding leaves a spread: this share of their squares, or so many sd between two means.
_DUST, _FARTHEST = 1e-9, 1e6


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
        """Sum of squared deviations from the mean, 0 of equal numbers."""
        found = self.squares - self.total**2 / self.count
        spread: FloatArray = np.where(found > _DUST * self.squares, found, 0.0)
        return spread


def pooled_d(harmful: Sample, affirming: Sample) -> Estimate:
    """d of two samples, and its error; NaN without a number on either side, under three in all, or without spread."""
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
    """d_z of margins, and its error; NaN under two margins, or without spread."""
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
    """The estimate with its error from the same without each cluster, shape (k,).

    The error is NaN where one of these has no value, or where all are the same.
    """
    if not abs(value) < _FARTHEST:
        return Estimate(float("nan"), float("nan"), 0)
    error = jackknife_error(np.where(np.abs(others) < _FARTHEST, others, np.nan))
    return Estimate(value, error if error > _DUST * max(1.0, abs(value)) else float("nan"), len(others))


def standardised_effects(table: ScoreTable) -> tuple[tuple[Effect, ...], tuple[Refusal, ...]]:
    """Both over all marked rows of harm, by axis and by identity at every checkpoint; and what is undefined.

    Scores of tokens have none. Rows that have one side only, as in two samples without pairs, take part in d. Designs
    ask unlike things and are kept apart.
    """
    if table.kind == "tokens":
        return (), ()
    effects: list[Effect] = []
    refused: Counter[str] = Counter()
    cluster = named_clusters(table.items)
    subjects = [one for rows in _by_design(table.items) for one in subjects_of(table.items, rows)]
    for at, checkpoint in enumerate(table.checkpoints):
        scores = _side_scores(table, at)
        for subject in subjects:
            columns = (*scores.T, scores[:, 0] - scores[:, 1])
            harmful, affirming, margins = (_sample(one, subject.rows, cluster) for one in columns)
            shares = Shares.of(margins.values, np.array([]))
            for measure, estimate, items in (
                (POOLED, pooled_d(harmful, affirming), len(harmful.values) + len(affirming.values)),
                (PAIRED, paired_d(margins), len(margins.values)),
            ):
                if estimate.clusters:
                    what = (table, subject, checkpoint, measure, estimate)
                    interval = estimate.interval(0.05)
                    effects.append(effect_about(*what, unit=SD, interval=interval, shares=shares, items=items))
                elif items:
                    refused[measure] += 1
    detail = "too few texts, or no spread among them to divide by"
    refusals = (
        Refusal("undefined", f"{measure}: {detail}", table.probe.name, render=table.render, count=count)
        for measure, count in refused.items()
    )
    return tuple(effects), tuple(refusals)


def _by_design(items: Sequence[Item]) -> Iterator[IntArray]:
    """Places of the marked rows of harm, of one design after the other."""
    designs: dict[Design, list[int]] = {}
    for at, item in enumerate(items):
        if item.role == "marked" and item.valence == "harm":
            designs.setdefault(item.design, []).append(at)
    yield from map(np.array, designs.values())


def _side_scores(table: ScoreTable, at: int) -> FloatArray:
    """The score of each item's harmful and affirming candidate at one checkpoint, shape (n, 2); NaN where it has none.

    As in a margin, what the candidate has in the item's baseline is subtracted.
    """
    found = table.sides.totals[:, at].copy()
    scored = table.scored[table.checkpoints[at]]
    for row in np.flatnonzero(np.isnan(found).any(axis=1)).tolist():
        for one in scored[row].candidates:
            if one.label in SIDES:
                found[row, SIDES.index(one.label)] = one.total
    return found


def _sample(scores: FloatArray, rows: IntArray, cluster: IntArray) -> Sample:
    """Those of the rows that have a score."""
    own = rows[np.isfinite(scores[rows])]
    return Sample(scores[own], cluster[own])
