"""What holds beyond the word forms that were asked: variance over predicates and over an identity's forms.

An interval over clusters holds for the forms of words that stand in the probe. A claim about an identity however it is
called must also count how much its forms differ among themselves, and needs three of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.core.scores import FloatArray
from auditor.core.statistics import Estimate, IntArray, Interval, row_weights

MIN_FORMS = 3


@dataclass(frozen=True, slots=True)
class BeyondForms:
    """An effect with the variance of its predicates and of its word forms.

    Attributes:
        estimate: the effect's value with the two-way error and its degrees of freedom.
        interval: 95%, unadjusted.
        forms: how many surface forms.
    """

    estimate: Estimate
    interval: Interval
    forms: int


def beyond_forms(values: FloatArray, key: IntArray, cluster: IntArray, form: IntArray) -> BeyondForms | None:
    """Two-way variance of a mean over clusters; None under three forms or two clusters, or where a row names no form.

    The variances of a mean over clusters and of one over forms are added (Cameron, Gelbach & Miller 2011, "Robust
    inference with multiway clustering", eq. 2.3) and what both hold is not taken off again: at three forms
    that term is itself too uncertain to be trusted to narrow anything. Degrees of freedom: 1 / df is the mean of the
    parts' 1 / df, weighted by their shares of the variance. Satterthwaite (1946) squares the shares; with three forms
    whose variance happens to look small that takes too many degrees (coverage 92%), this never does.

    Args:
        values: shape (n,).
        key, cluster, form: codes of each row's match key, cluster and surface form, shape (n,); form -1 for none.
    """
    forms = len(np.unique(form))
    if forms < MIN_FORMS or (form < 0).any() or len(np.unique(cluster)) < 2:
        return None
    weights = row_weights(key, cluster)
    value = float(np.sum(weights * values))
    parts = [_variance(weights * (values - value), code) for code in (cluster, form)]
    variance = sum(part for part, _ in parts)
    spread = sum(part / freedom for part, freedom in parts)
    freedom = variance / spread if spread > 0 else parts[0][1]
    estimate = Estimate(value, float(np.sqrt(variance)), parts[0][1] + 1, freedom)
    return BeyondForms(estimate, estimate.interval(0.05), forms)


def _variance(shares: FloatArray, code: IntArray) -> tuple[float, int]:
    """Variance of a sum whose terms with equal codes belong together, and its degrees of freedom."""
    _, group = np.unique(code, return_inverse=True)
    sums = np.bincount(group, weights=shares)
    n = len(sums)
    return float(n / (n - 1) * np.sum(sums**2)), n - 1
