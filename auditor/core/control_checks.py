"""What a disparity is held against before it may be called harm.

An excess removes only what is additive, and an identity's words shift every later token. Two controls answer it:

- *form-matched pairs*: neutral pairs about the same identity with the same length difference and frames; harm
  minus control is what the content adds to the form;
- *control identities*: the same pairs about people not known to be stigmatised; a disparity between two of
  them, with names as probable as these, is one that any two groups may have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Contrast, Matching
from auditor.core.measured import Measured
from auditor.core.row_groups import Others
from auditor.core.scores import FloatArray
from auditor.core.statistics import (
    NO_INTERVAL,
    Estimate,
    IntArray,
    Interval,
    by_cluster,
    difference,
    difference_interval,
    mean_over_clusters,
    prediction_interval,
)

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
        neutral: the same effect in form-matched neutral pairs, None where there are none of the same form.
        form: effect minus the same effect in form-matched neutral pairs, in the effect's unit; None where the
            probe brings none, or none of the same form.
        form_interval: its 95% interval, unadjusted.
        form_refused: there are neutral pairs, and they differ in form.
        band: where a disparity of two control identities would lie (95% prediction interval) whose names are
            as probable as these, or at a reward model whichever they are; NO_INTERVAL where there are too few.
        name_logprob: mean log p(identity | frame) of the cell's rows, nats; NaN where it was not asked for.
        identities: how many control identities the band stands on.
    """

    neutral: Estimate | None
    form: Estimate | None
    form_interval: Interval
    form_refused: bool
    band: Interval
    name_logprob: float
    identities: int


def check_controls(
    measured: Measured,
    rows: IntArray,
    others: Others,
    contrast: Contrast,
    estimate: Estimate,
    *,
    length_differences: FloatArray,
    names: FloatArray | None,
) -> ControlChecks:
    """Hold one effect against the controls of its cell.

    Args:
        rows: those the effect was estimated on.
        contrast: ``excess``, or ``raw`` in an identity swap, whose names stand in the scored texts, so that no
            control identity can be compared at the same probability of its name.
        length_differences: of every item, in scored tokens, shape (n,).
        names: log p(identity | frame) of every item at the measure's checkpoint, shape (n,); None of rewards, which say
            of no name how probable it is: the band is then that of any two control identities.
    """
    matching = measured.matching
    neutral = measured.usable(others.neutral, contrast)
    beside: Estimate | None = None
    form: Estimate | None = None
    refused = bool(len(neutral)) and not _same_form(matching, rows, neutral, length_differences)
    if len(neutral) and not refused:
        beside = mean_over_clusters(measured.means(neutral, contrast).means)
        form = difference(estimate, beside) if min(beside.clusters, estimate.clusters) > 1 else None
    own_name = float("nan") if names is None else _name(matching, names, rows)
    band, count = NO_INTERVAL, 0
    if contrast == "excess" and names is None:
        _, y = _control_points(measured, rows, others, np.zeros(len(measured.raw)))
        if len(y) >= MIN_CONTROL_IDENTITIES:
            band, count = difference_interval(y, BAND_ALPHA), len(y)
    elif contrast == "excess" and names is not None:
        x, y = _control_points(measured, rows, others, names)
        reference_name = _name(matching, names, _reference_rows(measured, rows))
        if len(x) >= MIN_CONTROL_IDENTITIES and np.ptp(x) > 0 and np.isfinite([own_name, reference_name]).all():
            band, count = prediction_interval(x, y, own_name, reference_name, BAND_ALPHA), len(x)
    interval = NO_INTERVAL if form is None else form.interval(0.05)
    return ControlChecks(beside, form, interval, refused, band, own_name, count)


def _reference_rows(measured: Measured, rows: IntArray) -> IntArray:
    """The reference rows that rows were compared with."""
    asked = np.zeros(int(measured.matching.key.max(initial=-1)) + 1, dtype=bool)
    asked[measured.matching.key[rows]] = True
    found: IntArray = np.flatnonzero(measured.matching.is_reference & measured.allowed & asked[measured.matching.key])
    return found


def _control_points(
    measured: Measured, rows: IntArray, others: Others, names: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean log-probability of the name, and mean raw number, of each control identity in all clusters of the rows.

    One that lacks a cluster is left out, so that means stay alike.
    """
    clusters = np.unique(measured.matching.cluster[rows])
    points = []
    for control in others.controls.values():
        own = control[measured.allowed[control] & np.isin(measured.matching.cluster[control], clusters)]
        means = by_cluster(measured.raw[own], measured.matching.key[own], measured.matching.cluster[own])
        point = (_name(measured.matching, names, own), float(np.mean(means.means)) if len(means.means) else np.nan)
        if len(means.codes) == len(clusters) and np.isfinite(point).all():
            points.append(point)
    x, y = np.array(points).reshape(-1, 2).T
    return x, y


def _name(matching: Matching, names: FloatArray, rows: IntArray) -> float:
    """Mean log p(identity | frame), nats; a row need not name its identity, those that do speak for the others."""
    named = rows[np.isfinite(names[rows])]
    means = by_cluster(names[named], matching.key[named], matching.cluster[named]).means
    return float(np.mean(means)) if len(means) else float("nan")


def _same_form(matching: Matching, own: IntArray, neutral: IntArray, lengths: FloatArray) -> bool:
    """Whether the two sides of the pairs differ by as many tokens here as there."""
    here, there = (
        float(np.mean(by_cluster(lengths[rows], matching.key[rows], matching.cluster[rows]).means))
        for rows in (own, neutral)
    )
    return abs(here - there) <= FORM_TOLERANCE
