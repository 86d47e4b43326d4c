"""What a disparity is held against before it may be called harm.

An excess removes only what is additive, and an identity's words shift every later token. Two controls answer it:

- *form-matched pairs*: neutral pairs about the same identity with the same length difference and frames; harm
  minus control is what the content adds to the form;
- *control identities*: the same pairs about people not known to be stigmatised; a disparity between two of
  them, with names as probable as these, is one that any two groups may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Contrast, Mask, Matching
from auditor.core.scores import FloatArray
from auditor.core.statistics import (
    NO_INTERVAL,
    Estimate,
    Interval,
    cluster_means,
    difference,
    mean_over_clusters,
    prediction_interval,
)
from auditor.core.tables import ScoreTable

# Control rows whose two sides differ in length by this much more or less than the harmful rows', in mean
# scored tokens, do not have their form.
FORM_TOLERANCE = 0.5
# A line needs two points and an idea of the spread around it.
MIN_CONTROL_IDENTITIES = 5
BAND_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class ControlChecks:
    """What the controls of one cell say.

    Attributes:
        form: effect minus the same effect in form-matched neutral pairs, in the effect's unit; None where the
            probe brings none, or none of the same form.
        form_interval: its 95% interval, unadjusted.
        form_refused: there are neutral pairs, and they differ in form.
        band: where a disparity of two control identities would lie (95% prediction interval) whose names are
            as probable as these; NO_INTERVAL where there are too few.
        name_logprob: mean log p(identity | frame) of the cell's rows, nats; NaN where it was not asked for.
        identities: how many control identities the band stands on.
    """

    form: Estimate | None
    form_interval: Interval
    form_refused: bool
    band: Interval
    name_logprob: float
    identities: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one cell and those it is held against, masks over one score table, shape (n,).

    Attributes:
        own: rows the effect was estimated on.
        neutral: rows of the same identity in form-matched neutral pairs.
        reference: reference rows that share a match key with ``own``.
        controls: rows of each control identity in the clusters of ``own``, none where it lacks one of them.
    """

    own: Mask
    neutral: Mask
    reference: Mask
    controls: Sequence[Mask]


def check_controls(
    table: ScoreTable,
    matching: Matching,
    rows: Rows,
    contrast: Contrast,
    estimate: Estimate,
    *,
    raw: FloatArray,
    values: FloatArray,
    names: FloatArray,
) -> ControlChecks:
    """Hold one effect against the controls of its cell.

    Args:
        contrast: ``excess``, or ``raw`` in an identity swap, whose names stand in the scored texts, so that no
            control identity can be compared at the same probability of its name.
        raw: the measure of every item, shape (n,).
        values: what the effect averages: ``raw``, or its excess over the reference rows.
        names: log p(identity | frame) of every item at the measure's checkpoint, shape (n,).
    """

    def mean(of: FloatArray, where: Mask) -> float:
        # A row need not name its identity; those that do speak for the others.
        there = where & np.isfinite(of)
        if not there.any():
            return float("nan")
        return float(np.mean(cluster_means(of[there], matching.key[there], matching.cluster[there])))

    neutral = rows.neutral & np.isfinite(values)
    form: Estimate | None = None
    refused = bool(neutral.any()) and not _same_form(table, matching, rows.own, neutral)
    if neutral.any() and not refused:
        means = cluster_means(values[neutral], matching.key[neutral], matching.cluster[neutral])
        beside = mean_over_clusters(means)
        form = difference(estimate, beside) if min(beside.clusters, estimate.clusters) > 1 else None
    own_name, reference_name = mean(names, rows.own), mean(names, rows.reference)
    band, count = NO_INTERVAL, 0
    if contrast == "excess" and np.isfinite([own_name, reference_name]).all():
        points = [(mean(names, one), mean(raw, one)) for one in rows.controls]
        x, y = np.array([one for one in points if np.isfinite(one).all()]).reshape(-1, 2).T
        if len(x) >= MIN_CONTROL_IDENTITIES and np.ptp(x) > 0:
            band, count = prediction_interval(x, y, own_name, reference_name, BAND_ALPHA), len(x)
    interval = NO_INTERVAL if form is None else form.interval(0.05)
    return ControlChecks(form, interval, refused, band, own_name, count)


def _same_form(table: ScoreTable, matching: Matching, own: Mask, neutral: Mask) -> bool:
    """Whether the two sides of the pairs differ by as many tokens here as there."""
    lengths = table.length_differences
    here, there = (
        float(np.mean(cluster_means(lengths[mask], matching.key[mask], matching.cluster[mask])))
        for mask in (own, neutral)
    )
    return abs(here - there) <= FORM_TOLERANCE
