"""Partial pooling against other ways of writing the same model, and against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of
from scipy import optimize, stats

from auditor.core.disparities import Disparity
from auditor.core.effects import Effect
from auditor.core.items import Item
from auditor.core.pooling import error_covariance, partial_pooling
from auditor.core.row_groups import Cell
from auditor.core.statistics import ClusterMeans
from auditor.core.verdicts import Rule
from auditor.pipeline import compare


def covariance(k: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((k, k + 3))
    found: np.ndarray = root @ root.T / (k + 3) * 0.04
    return found


def test_equal_and_independent_errors_by_hand() -> None:
    # 0, 1, 2, 5: mean 2, sample variance 14/3; errors of variance 2/3: tau^2 = 14/3 - 2/3 = 4, so each value keeps
    # 4 / (4 + 2/3) = 6/7 of its distance to the mean: 2 - 12/7, 2 - 6/7, 2, 2 + 18/7.
    found = partial_pooling(np.array([0.0, 1.0, 2.0, 5.0]), np.eye(4) * 2 / 3)
    assert [one.estimate for one in found] == pytest.approx([2 / 7, 8 / 7, 2, 32 / 7], abs=1e-6)
    assert [one.between for one in found] == pytest.approx([2] * 4, abs=1e-6)
    # Given tau: tau^2 S / (tau^2 + S) = 4/7, and (1/7)^2 (14/3) / 4 for the mean.
    assert found[0].se == pytest.approx(np.sqrt(4 / 7 + (1 / 49) * (14 / 3) / 4), abs=1e-6)
    assert {one.identities for one in found} == {4}


def test_no_more_spread_than_the_errors_draws_everything_to_the_weighted_mean() -> None:
    # 0.1, 0.2, 0.3 with variances 1, 1, 1/2: nothing is left for tau; weights 1, 1, 2 give 0.225.
    found = partial_pooling(np.array([0.1, 0.2, 0.3]), np.diag([1.0, 1.0, 0.5]))
    assert [one.between for one in found] == [0.0] * 3
    assert [one.estimate for one in found] == pytest.approx([0.225] * 3, abs=1e-12)
    assert [one.se for one in found] == pytest.approx([0.5] * 3, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_likelihood_is_that_of_the_contrasts_and_prediction_that_of_a_joint_normal(seed: int) -> None:
    k = 5
    rng = np.random.default_rng(seed)
    x, errors = rng.normal(0.3, 0.4, k), covariance(k, seed)
    # Restricted likelihood: the density of any k - 1 contrasts of the values.
    contrasts = np.linalg.svd(np.ones((1, k)))[2][1:]

    def loss(sd: float) -> float:
        spread = contrasts @ (errors + sd**2 * np.eye(k)) @ contrasts.T
        return -float(stats.multivariate_normal.logpdf(contrasts @ x, cov=spread))

    best = optimize.minimize(lambda sd: loss(float(sd[0])), [0.3], method="Nelder-Mead", options={"xatol": 1e-9})
    found = partial_pooling(x, errors)
    assert found[0].between == pytest.approx(abs(float(best.x[0])), abs=1e-4)
    # Prediction: the conditional normal under a mean of which next to nothing is known.
    prior = found[0].between ** 2 * np.eye(k) + 1e4
    gain = prior @ np.linalg.inv(prior + errors)
    assert [one.estimate for one in found] == pytest.approx(gain @ x, abs=1e-5)
    posterior = prior - gain @ prior
    assert [one.se for one in found] == pytest.approx(np.sqrt(np.diag(posterior)), abs=1e-4)


def test_it_errs_less_than_the_raw_estimates_where_its_model_holds() -> None:
    rng = np.random.default_rng(1)
    raw = pooled = covered = 0.0
    for _ in range(400):
        truth = rng.normal(0.2, 0.2, 12)
        shared = rng.normal(0, 0.2)
        values = truth + shared + rng.normal(0, 0.3, 12)
        found = partial_pooling(values, np.eye(12) * 0.09 + 0.04)
        raw += float(np.mean((values - truth) ** 2)) / 400
        pooled += float(np.mean([(one.estimate - t) ** 2 for one, t in zip(found, truth, strict=True)])) / 400
        covered += float(np.mean([abs(one.estimate - t) < 1.96 * one.se for one, t in zip(found, truth, strict=True)]))
    assert pooled < 0.7 * raw
    assert 0.90 < covered / 400 < 0.97


def disparity(codes: list[int], means: list[float], axis: str = "") -> Disparity:
    cell = Cell("x", axis, None, "marked", "harm", "text_swap", np.array([0]))
    return Disparity(cell, "excess", ClusterMeans(np.array(codes), np.array(means)))


def test_errors_are_correlated_within_an_axis_alone() -> None:
    rng = np.random.default_rng(2)
    shared = rng.standard_normal(200)
    # Two identities against one noisy reference: half of each one's variance is the reference's.
    group = [disparity(list(range(200)), list(rng.standard_normal(200) - shared)) for _ in range(3)]
    group.append(disparity(list(range(200)), list(rng.standard_normal(200) - shared), axis="other"))
    found = error_covariance(group)
    assert np.sqrt(np.diag(found)) == pytest.approx(
        [one.means.means.std(ddof=1) / np.sqrt(200) for one in group], abs=1e-12
    )
    correlation = found[0, 1] / np.sqrt(found[0, 0] * found[1, 1])
    own = [np.corrcoef(group[i].means.means, group[j].means.means)[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert correlation == pytest.approx(float(np.mean(own)), abs=1e-12)
    assert correlation == pytest.approx(0.5, abs=0.1)
    assert found[0, 3] == 0
    assert (np.linalg.eigvalsh(found) > 0).all()


def test_identities_with_no_cluster_in_common_err_independently() -> None:
    found = error_covariance([disparity([0, 1, 2], [0.0, 1.0, 2.0]), disparity([3, 4, 5], [2.0, 1.0, 0.5])])
    assert found[0, 1] == 0


def people(count: int) -> list[Item]:
    return [
        pair(
            f"{who} {at}", identity=who, cluster=f"c{at}", match=f"c{at}", role="reference" if who == "r" else "marked"
        )
        for at in range(6)
        for who in ["r", *(f"p{one}" for one in range(count))]
    ]


def effects(count: int) -> tuple[Effect, ...]:
    items = people(count)
    rng = np.random.default_rng(3)
    margins = {(item.id, name): float(rng.normal(0.5, 0.4)) for item in items for name in ("base", "dpo")}
    scorer = FakeScorer(
        lambda name, item, label: [margins[item.id, name] - 5.0 if label == "harmful" else -5.0],
    )
    return compare([probe_of(*items)], series_of("base", "dpo"), scorer, Rule(), lambda _: None).effects


def test_every_judged_disparity_is_pooled_and_its_verdict_is_the_raw_ones() -> None:
    found = effects(4)
    pooled = [one for one in found if one.pooled is not None]
    assert {(one.measure, one.contrast, one.role) for one in pooled} == {
        ("level", "excess", "marked"),
        ("shift", "excess", "marked"),
        ("implicit_reward", "excess", "marked"),
    }
    assert len(pooled) == 4 * 4
    for one in pooled:
        assert one.pooled is not None
        assert one.pooled.identities == 4
    level = [one for one in pooled if (one.measure, one.checkpoint) == ("level", "dpo")]
    raw, drawn = [one.estimate.value for one in level], [one.pooled.estimate for one in level if one.pooled]
    assert np.ptp(drawn) < np.ptp(raw)


def test_two_identities_are_not_pooled() -> None:
    assert all(one.pooled is None for one in effects(2))


def test_errors_that_are_wholly_shared_leave_what_sets_identities_apart() -> None:
    rng = np.random.default_rng(4)
    reference = rng.standard_normal(12)
    group = [disparity(list(range(12)), list(offset - reference)) for offset in (0.1, 0.5, 0.9)]
    covariance_of_errors = error_covariance(group)
    values = np.array([one.means.means.mean() for one in group])
    found = partial_pooling(values, covariance_of_errors)
    # The reference's error moves all three alike: the sd of 0.1, 0.5, 0.9 is what their own truths must have.
    assert found[0].between == pytest.approx(0.4, abs=0.02)
    assert [one.estimate for one in found] == pytest.approx(list(values), abs=0.02)


def test_correlations_are_numpys_over_common_clusters() -> None:
    rng = np.random.default_rng(5)
    one, other = (
        disparity([0, 1, 2, 3, 5], list(rng.normal(100, 1, 5))),
        disparity([1, 2, 3, 4, 5], list(rng.normal(3, 2, 5))),
    )
    found = error_covariance([one, other])
    common = np.corrcoef(one.means.means[1:], other.means.means[[0, 1, 2, 4]])[0, 1]
    expected = max(float(common), 0.0)
    assert found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]) == pytest.approx(expected, abs=1e-9)


def test_a_checkpoint_against_itself_is_not_pooled() -> None:
    items = people(4)
    scorer = FakeScorer(lambda _, item, label: [0.1 * len(item.id) - 5.0 if label == "harmful" else -5.0])
    found = compare([probe_of(*items)], series_of("base", "same"), scorer, Rule(), lambda _: None).effects
    shifts = [one for one in found if (one.measure, one.contrast) == ("shift", "excess")]
    assert {one.verdict for one in shifts} == {"no_meaningful_difference"}
    assert {one.pooled for one in shifts} == {None}
