"""Slopes against scipy, disattenuation against what was simulated, and whose slopes stand beside whose."""

from __future__ import annotations

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from scipy import stats

from auditor.core.contrasts import match_items
from auditor.core.persistence import Clusters, Persistence, persistences_of, regress
from auditor.core.tables import line_up


def clusters(x: np.ndarray, y: np.ndarray) -> Clusters:
    """From values of paraphrases, shape (clusters, paraphrases)."""
    codes = np.repeat(np.arange(len(x)), x.shape[1])
    return Clusters.read(x.ravel(), y.ravel(), codes, np.arange(x.size))


def test_slope_is_least_squares_and_its_interval_the_jackknife() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 1))
    y = 0.5 * x + 0.3 * rng.standard_normal((12, 1))
    found = regress([clusters(x, y)])
    assert found is not None
    slope, interval, reliability, disattenuated, _, n = found
    assert slope == pytest.approx(stats.linregress(x[:, 0], y[:, 0]).slope, abs=1e-12)
    left = np.array([stats.linregress(np.delete(x, at), np.delete(y, at)).slope for at in range(12)])
    se = np.sqrt(11 / 12 * np.sum((left - left.mean()) ** 2))
    reach = stats.t.ppf(0.975, 11) * se
    assert (interval.low, interval.high) == pytest.approx((slope - reach, slope + reach), abs=1e-9)
    # One wording a cluster tells nothing of what another would have said.
    assert np.isnan([reliability, disattenuated]).all()
    assert n == 12


def test_variance_parts_by_hand() -> None:
    # Five clusters, two paraphrases: x = m +- 1, y = 2 m +- 3 with m = -4, -2, 0, 2, 4.
    m = np.array([-4.0, -2, 0, 2, 4])[:, None]
    x, y = np.hstack([m - 1, m + 1]), np.hstack([2 * m - 3, 2 * m + 3])
    found = regress([clusters(x, y)])
    assert found is not None
    # S_xx = 40/4 = 10, S_xy = 20; within a cluster the variance of x is 2 and the covariance 6, halved in a mean: 1, 3.
    assert found[0] == pytest.approx(2)
    assert found[2] == pytest.approx(9 / 10)
    assert found[3] == pytest.approx(17 / 9)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_disattenuation_finds_the_slope_behind_the_wordings(shared: float) -> None:
    # True slope 0.6 over clusters; wording noise of sd 0.7, some of it the same at both checkpoints.
    rng = np.random.default_rng(1)
    raw, corrected, covered = [], [], 0
    for _ in range(300):
        true = rng.standard_normal((60, 1))
        noise = 0.7 * rng.standard_normal((60, 3))
        x = true + noise
        y = 0.6 * true + shared * noise + 0.5 * rng.standard_normal((60, 3))
        found = regress([clusters(x, y)])
        assert found is not None
        raw.append(found[0])
        corrected.append(found[3])
        covered += found[4].low <= 0.6 <= found[4].high
    # Reliability 1 / (1 + 0.49 / 3) = 0.86; the raw slope is 0.86 * 0.6 + 0.14 * shared.
    assert np.mean(raw) == pytest.approx(0.516 + 0.14 * shared, abs=0.02)
    assert np.mean(corrected) == pytest.approx(0.6, abs=0.02)
    assert covered / 300 > 0.9


def test_slopes_are_pooled_within_identities() -> None:
    # Within each, slope 1; between the two, y falls as x rises.
    x = np.arange(6.0)[:, None]
    found = regress([clusters(x, x + 10), clusters(x + 20, x - 50)])
    assert found is not None
    assert found[0] == pytest.approx(1)
    assert found[5] == 6


def test_no_slope_of_few_clusters_or_without_differences() -> None:
    x = np.arange(4.0)[:, None]
    assert regress([clusters(x, x)]) is None
    flat = np.full((8, 2), 0.1)
    assert regress([clusters(flat, np.random.default_rng(2).standard_normal((8, 2)))]) is None


def test_noise_of_the_wording_alone_is_not_disattenuated() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((10, 4))
    x -= x.mean(axis=1, keepdims=True)
    found = regress([clusters(x + 0.01 * np.arange(10)[:, None], x)])
    assert found is not None
    assert found[2] < 0.5
    assert np.isnan(found[3])


def rows() -> tuple[Persistence, ...]:
    people = [("r", "reference"), ("m", "marked"), ("c1", "control"), ("c2", "control")]
    items = [
        pair(f"{who}/{at}", identity=who, role=role, cluster=f"k{at}", match=f"k{at}")
        for at in range(6)
        for who, role in people
    ]
    base = {item.id: (0.0 if item.identity == "r" else (hash_of(item.id) - 0.5)) for item in items}
    gain = {"m": 0.5, "c1": 2.0, "c2": 2.0, "r": 0.0}
    dpo = {item.id: 1.0 + gain[item.identity] * base[item.id] for item in items}
    probe, series = probe_of(*items), series_of("base", "dpo")
    scorer = FakeScorer(margins({"base": base, "dpo": dpo}))
    table = line_up(probe, "plain", [scorer.score(one, [probe]) for one in series.checkpoints])
    return persistences_of(table, match_items(table), series)


def hash_of(text: str) -> float:
    return (sum(ord(one) * (at + 7) for at, one in enumerate(text)) % 101) / 101


def test_marked_identities_stand_beside_all_controls_together() -> None:
    found = rows()
    assert [(one.identity, one.role, one.checkpoint, one.measure_from) for one in found] == [
        ("m", "marked", "dpo", "base"),
        (None, "control", "dpo", "base"),
    ]
    assert [one.slope for one in found] == pytest.approx([0.5, 2.0])
    assert [one.contrast for one in found] == ["excess", "excess"]
