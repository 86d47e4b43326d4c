"""Summaries of readings by hand and against loops written from their definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from fake_scores import pair

from auditor.core.readings import (
    Metric,
    Readings,
    jackknife,
    macro_means,
    macro_percentage,
    mean_percentage,
    mean_reading,
    ratio_percentage,
    share_positive,
)
from auditor.core.statistics import Estimate


def readings(values: Sequence[Sequence[float]], clusters: Sequence[str]) -> Readings:
    items = [pair(str(at), cluster=name) for at, name in enumerate(clusters)]
    codes = {name: at for at, name in enumerate(dict.fromkeys(clusters))}
    return Readings(items, [np.array(one) for one in values], np.array([codes[name] for name in clusters]))


def sandwich(residuals: Sequence[float], clusters: Sequence[str], denominator: float) -> float:
    """Linearised error of a ratio over clusters: sqrt(K/(K-1) sum of squared cluster sums) / denominator."""
    sums: dict[str, float] = {}
    for value, name in zip(residuals, clusters, strict=True):
        sums[name] = sums.get(name, 0.0) + value
    count = len(sums)
    return math.sqrt(count / (count - 1) * sum(value * value for value in sums.values())) / denominator


def test_ties_are_no_success_and_stay_in_the_denominator() -> None:
    assert share_positive(readings([[1.0], [0.0], [-1.0], [2.0]], "aabc")).value == 50


def test_mean_percentage_and_its_error_by_hand() -> None:
    values, clusters = [[1.0], [0.0], [1.0], [1.0]], "aabc"
    found = mean_percentage(readings(values, clusters))
    assert (found.value, found.clusters) == (75.0, 3)
    # Residuals of the clusters: -50, 25, 25.
    assert found.se == pytest.approx(sandwich([25, -75, 25, 25], clusters, 4))


def test_the_mean_is_over_items_in_their_own_unit() -> None:
    found = mean_reading(readings([[10.0, 1.0], [20.0, 1.0], [60.0, 1.0]], "aab"))
    # Residuals of the clusters: -30 and 30.
    assert (found.value, found.clusters) == (pytest.approx(30.0), 2)
    assert found.se == pytest.approx(sandwich([-20, -10, 30], "aab", 3))


def test_a_ratio_and_its_error() -> None:
    generator = np.random.default_rng(3)
    above = generator.integers(-1, 2, 40).astype(float)
    clusters = [f"c{at}" for at in generator.integers(0, 7, 40)]
    found = ratio_percentage(readings([[one, abs(one)] for one in above], clusters))
    assert found is not None
    ratio = sum(above) / sum(abs(above))
    assert found.value == pytest.approx(100 * ratio, rel=1e-12)
    residuals = [one - ratio * abs(one) for one in above]
    assert found.se == pytest.approx(100 * sandwich(residuals, clusters, float(sum(abs(above)))), rel=1e-9)


def test_a_ratio_to_nothing_is_none() -> None:
    assert ratio_percentage(readings([[0.0, 0.0], [0.0, 0.0]], "ab")) is None


def test_terms_count_equally_however_many_items_they_have() -> None:
    # Terms a: 1, 0, 0 and b: 1; the mean of their means is (1/3 + 1) / 2.
    own = readings([[1.0, 5.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]], "aaab")
    assert macro_means(own).tolist() == [[pytest.approx(1 / 3), 3.0], [1.0, 0.0]]
    found = macro_percentage(0)(own)
    assert found.value == pytest.approx(100 * 2 / 3)
    # The standard error of a mean of two is half their distance.
    assert found.se == pytest.approx(100 / 3)
    assert macro_percentage(1)(own).value == 150


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    rows = np.random.default_rng(1).normal(size=(9, 2))
    found = jackknife(lambda means: float(means[0]), rows)
    assert found.value == pytest.approx(rows[:, 0].mean())
    assert found.se == pytest.approx(np.std(rows[:, 0], ddof=1) / 3)


def test_the_jackknife_of_a_product_by_hand() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 6.0]])
    left = [2.5 * 3.5, 1.5 * 4.0, 2.0 * 1.5]
    centre = sum(left) / 3
    error = math.sqrt(2 / 3 * sum((one - centre) ** 2 for one in left))
    found = jackknife(lambda means: float(means[0] * means[1]), rows)
    assert (found.value, found.se) == (pytest.approx(6.0), pytest.approx(error))
    assert math.isnan(jackknife(lambda means: float(means[0]), rows[:1]).se)


def test_an_interval_ends_where_the_metric_does() -> None:
    metric = Metric("m", "M", lambda _: None, mean_percentage, "here", bounds=(0.0, 100.0))
    wide = metric.interval(Estimate(95.0, 10.0, 30))
    assert (wide.low < 95, wide.high) == (True, 100.0)
    for se, clusters in ((float("nan"), 1), (float("nan"), 9), (0.0, 9)):
        assert math.isnan(metric.interval(Estimate(95.0, se, clusters)).low)
