"""Two-way variance against statsmodels' clustered errors and by hand."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from auditor.core.two_way import beyond_forms

RNG = np.random.default_rng(4)
PREDICATES, FORMS = 7, 4
CLUSTER = np.repeat(np.arange(PREDICATES), FORMS)
FORM = np.tile(np.arange(FORMS), PREDICATES)
VALUES = RNG.normal(size=PREDICATES)[CLUSTER] + RNG.normal(size=FORMS)[FORM] + RNG.normal(size=len(FORM))
KEY = np.arange(len(FORM))


def test_both_variances_are_statsmodels() -> None:
    # A balanced table: the mean is that of a regression on a constant, and each variance its one-way clustered one.
    ones = np.ones(len(VALUES))
    variances = [
        float(sm.OLS(VALUES, ones).fit(cov_type="cluster", cov_kwds={"groups": code}).cov_params()[0, 0])
        for code in (CLUSTER, FORM)
    ]
    found = beyond_forms(VALUES, KEY, CLUSTER, FORM)
    assert found is not None
    assert found.estimate.value == pytest.approx(VALUES.mean())
    assert found.estimate.se**2 == pytest.approx(sum(variances))
    # 1 / df is the mean of 1/6 and 1/3 with the variances for weights.
    degrees = sum(variances) / (variances[0] / 6 + variances[1] / 3)
    assert found.estimate.degrees == pytest.approx(degrees)
    squared = sum(variances) ** 2 / (variances[0] ** 2 / 6 + variances[1] ** 2 / 3)
    assert degrees < squared, "never more than Satterthwaite's"
    reach = stats.t.ppf(0.975, degrees) * np.sqrt(sum(variances))
    assert found.interval.high - found.estimate.value == pytest.approx(reach)


def test_weights_are_those_of_the_estimate() -> None:
    # Cluster 0: key 0 holds 1 and 3 (mean 2), key 1 holds 5: 3.5. Cluster 1: key 2 holds 10. Mean 6.75.
    values = np.array([1.0, 3.0, 5.0, 10.0])
    found = beyond_forms(values, np.array([0, 0, 1, 2]), np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]))
    assert found is not None
    assert found.estimate.value == pytest.approx(6.75)


def test_forms_that_agree_leave_the_variance_of_predicates() -> None:
    values = RNG.normal(size=PREDICATES)[CLUSTER]
    found = beyond_forms(values, KEY, CLUSTER, FORM)
    assert found is not None
    means = values[::FORMS]
    assert found.estimate.se == pytest.approx(means.std(ddof=1) / np.sqrt(PREDICATES))
    assert found.estimate.degrees == pytest.approx(PREDICATES - 1)


@pytest.mark.parametrize(
    ("cluster", "form"),
    [
        ([0, 0, 1, 1], [0, 1, 0, 1]),  # two forms
        ([0, 0, 0, 0], [0, 1, 2, 3]),  # one cluster
        ([0, 0, 1, 1], [0, 1, 2, -1]),  # a row that names none
    ],
)
def test_no_claim_beyond_forms_without_enough_of_them(cluster: list[int], form: list[int]) -> None:
    assert beyond_forms(np.arange(4.0), np.arange(4), np.array(cluster), np.array(form)) is None
