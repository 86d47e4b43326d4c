"""Cohen's d against textbook code, an independent jackknife and simulation."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from fake_scores import pair, probe_of
from scipy import stats

from auditor.core.cohens_d import Sample, paired_d, pooled_d, standardised_effects
from auditor.core.effects import Effect
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item
from auditor.core.scores import CandidateScore, CheckpointScores, ScoredItem, ScoreKind
from auditor.core.tables import ScoreTable, line_up


def sample(values: list[float], clusters: list[int] | None = None) -> Sample:
    return Sample(np.array(values), np.arange(len(values)) if clusters is None else np.array(clusters))


def textbook_d(one: list[float], other: list[float]) -> float:
    """From the standard library's means and variances."""
    degrees = len(one) + len(other) - 2
    within = (len(one) - 1) * statistics.variance(one) + (len(other) - 1) * statistics.variance(other)
    return (statistics.mean(one) - statistics.mean(other)) / math.sqrt(within / degrees)


def test_worked_example() -> None:
    """Means 6 and 3, both variances 4, so d is 3 / 2."""
    found = pooled_d(sample([4, 6, 8]), sample([1, 3, 5]))
    assert found.value == pytest.approx(1.5, abs=1e-12)
    # Margins 3, 3 and 6: mean 4, sd sqrt(3).
    assert paired_d(sample([3, 3, 6])).value == pytest.approx(4 / math.sqrt(3), abs=1e-12)


def test_values_are_those_of_the_t_statistics() -> None:
    """d = t sqrt(1/n1 + 1/n2) and d_z = t / sqrt(n): Lakens 2013."""
    rng = np.random.default_rng(4)
    one, other = rng.normal(1000.4, 2, 17), rng.normal(1000, 3, 23)
    t = stats.ttest_ind(one, other).statistic
    found = pooled_d(sample(list(one)), sample(list(other), list(range(100, 123))))
    assert found.value == pytest.approx(t * math.sqrt(1 / 17 + 1 / 23), rel=1e-9)
    t = stats.ttest_1samp(one, 1000).statistic
    assert paired_d(sample(list(one - 1000))).value == pytest.approx(t / math.sqrt(17), rel=1e-9)


def test_error_is_the_jackknife_over_clusters_of_both_sides() -> None:
    rng = np.random.default_rng(1)
    clusters = [0, 0, 1, 1, 2, 3, 3, 4]
    one, other = list(rng.normal(1, 1, 8)), list(rng.normal(0, 1, 8))
    found = pooled_d(sample(one, clusters), sample(other, clusters))
    parts = []
    for left in range(5):
        kept = [at for at, cluster in enumerate(clusters) if cluster != left]
        parts.append(textbook_d([one[at] for at in kept], [other[at] for at in kept]))
    mean = statistics.mean(parts)
    assert found.se == pytest.approx(math.sqrt(4 / 5 * sum((part - mean) ** 2 for part in parts)), rel=1e-9)
    assert found.clusters == 5
    reach = stats.t.ppf(0.975, 4) * found.se
    assert (found.interval(0.05).low, found.interval(0.05).high) == pytest.approx(
        (found.value - reach, found.value + reach), rel=1e-9
    )


def test_error_agrees_with_the_large_sample_formula() -> None:
    """Of independent Gaussian samples: var(d) = 1/n1 + 1/n2 + d^2 / (2 (n1 + n2)), Hedges & Olkin 1985, chapter 5."""
    rng = np.random.default_rng(2)
    found = pooled_d(
        sample(list(rng.normal(0.7, 1, 1500))), sample(list(rng.normal(0, 1, 900)), list(range(5000, 5900)))
    )
    formula = math.sqrt(1 / 1500 + 1 / 900 + found.value**2 / (2 * 2400))
    assert found.se == pytest.approx(formula, rel=0.05)


def test_intervals_cover_where_texts_share_clusters() -> None:
    """Texts of a cluster share a part of their score; the true d is 0.5."""
    rng = np.random.default_rng(3)
    clusters = list(np.repeat(np.arange(20), 4))
    hits = 0
    for _ in range(300):
        shared = np.repeat(rng.normal(0, math.sqrt(0.5), (2, 20)), 4, axis=1)
        one, other = shared + rng.normal(0, math.sqrt(0.5), (2, 80))
        interval = pooled_d(sample(list(one + 0.5), clusters), sample(list(other), clusters)).interval(0.05)
        hits += interval.low < 0.5 < interval.high
    assert hits / 300 > 0.91


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([], [1.0, 2.0]),
        ([1.0], [2.0]),
        ([1.0, 1.0], [1.0, 1.0]),
        # Equal numbers whose squares do not add up exactly.
        ([0.1] * 3, [0.3] * 3),
        ([0.7] * 3, [0.7] * 4),
    ],
)
def test_no_number_where_there_is_none(one: list[float], other: list[float]) -> None:
    found = pooled_d(sample(one), sample(other))
    assert math.isnan(found.value)
    assert found.clusters == 0


@pytest.mark.parametrize("margins", [[], [1.0], [2.0, 2.0], [0.3 - 0.1, 0.5 - 0.3, 0.7 - 0.5]])
def test_no_margins_or_equal_ones_have_no_number(margins: list[float]) -> None:
    assert math.isnan(paired_d(sample(margins)).value)


def test_a_small_spread_far_from_0_is_none_of_that() -> None:
    one, other = [1000.0002, 1000.0001, 1000.0003], [1000.0, 1000.0002, 1000.0001]
    assert pooled_d(sample(one), sample(other)).value == pytest.approx(textbook_d(one, other), rel=1e-5)


@pytest.mark.parametrize(
    ("margins", "clusters"),
    [
        # Each cluster says what the other says; without the first one there is no spread.
        ([1.0, 3.0, 1.0, 3.0], [0, 0, 1, 1]),
        ([0.1, 0.5, 0.3, 0.3], [0, 0, 1, 1]),
    ],
)
def test_what_the_clusters_cannot_tell_has_no_interval(margins: list[float], clusters: list[int]) -> None:
    found = paired_d(sample(margins, clusters))
    assert found.value == pytest.approx(statistics.mean(margins) / statistics.stdev(margins))
    assert math.isnan(found.interval(0.05).low)
    assert math.isnan(found.p_nonzero())


def test_one_cluster_has_no_error() -> None:
    found = pooled_d(sample([1, 2, 3], [0, 0, 0]), sample([0, 1, 3], [0, 0, 0]))
    assert found.value == pytest.approx(textbook_d([1, 2, 3], [0, 1, 3]))
    assert math.isnan(found.interval(0.05).low)


def test_a_side_in_one_cluster_has_no_interval() -> None:
    found = pooled_d(sample([1, 2, 3], [0, 0, 0]), sample([0, 1, 3], [1, 2, 3]))
    assert math.isfinite(found.value)
    assert math.isnan(found.interval(0.05).low)


def scored(item: Item, values: list[float], kind: ScoreKind) -> ScoredItem:
    empty, zero = np.array([], dtype=np.int64), np.array([0])
    candidates = tuple(
        CandidateScore(one.label, empty, zero, ("",), zero, zero + 1, np.array([value]), 0)
        for one, value in zip(item.candidates, values, strict=True)
    )
    return ScoredItem(item, "plain", "", candidates, kind=kind)


def table(rows: list[tuple[Item, list[float]]], kind: ScoreKind = "reward") -> ScoreTable:
    probe = probe_of(*(item for item, _ in rows))
    scores = {("probe", "plain", item.id): scored(item, values, kind) for item, values in rows}
    return line_up(probe, "plain", [CheckpointScores("rm", scores)])


def effects_of(one: ScoreTable) -> tuple[Effect, ...]:
    return standardised_effects(one)[0]


def test_effects_of_pairs() -> None:
    harmful, affirming = [3.0, 1.0, 4.0, 1.0], [2.0, 7.0, 1.0, 0.0]
    rows = [
        (pair(f"i{at}", identity="ab"[at // 2]), [one, other])
        for at, (one, other) in enumerate(zip(harmful, affirming, strict=True))
    ]
    one = table(rows)
    found = {(effect.identity, effect.measure): effect for effect in effects_of(one)}
    assert set(found) == {(who, what) for who in (None, "a", "b") for what in ("cohens_d", "cohens_dz")}
    whole = found[None, "cohens_d"]
    assert whole.estimate.value == pytest.approx(textbook_d(harmful, affirming))
    assert (whole.unit, whole.items, whole.verdict, whole.contrast) == ("sd", 8, None, "raw")
    margins = [a - b for a, b in zip(harmful, affirming, strict=True)]
    paired = found[None, "cohens_dz"]
    assert paired.estimate.value == pytest.approx(statistics.mean(margins) / statistics.stdev(margins))
    assert paired.items == 4
    assert found["a", "cohens_d"].estimate.value == pytest.approx(textbook_d(harmful[:2], affirming[:2]))


def test_effects_of_two_samples() -> None:
    sides = [(HARMFUL, 2.0), (HARMFUL, 4.0), (HARMFUL, 5.0), (AFFIRMING, 1.0), (AFFIRMING, 3.0)]
    rows = [(Item(str(at), (Candidate(side, ""),), cluster=str(at)), [value]) for at, (side, value) in enumerate(sides)]
    one = table(rows)
    effects = effects_of(one)
    assert {effect.measure for effect in effects} == {"cohens_d"}
    assert effects[0].estimate.value == pytest.approx(textbook_d([2, 4, 5], [1, 3]))
    assert (effects[0].items, effects[0].estimate.clusters) == (5, 5)


def test_reference_and_neutral_rows_take_no_part() -> None:
    rows = [
        (pair("a"), [1.0, 2.0]),
        (pair("b"), [2.0, 5.0]),
        (pair("r", identity="them", role="reference"), [99.0, -99.0]),
        (pair("n", valence="neutral"), [99.0, -99.0]),
    ]
    one = table(rows)
    whole = next(iter(effects_of(one)))
    assert whole.estimate.value == pytest.approx(textbook_d([1, 2], [2, 5]))


def test_a_predicate_on_two_axes_is_one_cluster_over_all_rows() -> None:
    rows = [
        (pair(f"{axis} {at}", axis=axis, cluster=f"c{at}"), [score, -score])
        for axis in ("age", "race")
        for at, score in enumerate([1.0, 2.0, 4.0])
    ]
    found = {(one.identity, one.axis): one.estimate for one in effects_of(table(rows)) if one.measure == "cohens_dz"}
    assert {who: one.clusters for who, one in found.items()} == {(None, ""): 3, ("x", "age"): 3, ("x", "race"): 3}


def test_rows_without_a_name_are_among_all_and_no_identity() -> None:
    rows = [(pair(str(at), identity=""), [value, 0.0]) for at, value in enumerate([1.0, 2.0, 4.0])]
    assert {one.identity for one in effects_of(table(rows))} == {None}


def test_designs_are_kept_apart_and_baselines_subtracted() -> None:
    """d and d_z of a response to a declaration are of what declaring adds, as its level is."""
    declared, bare = [(5.0, 1.0), (2.0, 4.0), (6.0, 1.0)], [(1.0, 2.0), (0.5, 1.0), (2.0, 3.0)]
    rows = [(pair(f"swap {at}"), [value, 0.0]) for at, value in enumerate([70.0, 80.0, 95.0])]
    for at, (with_it, without) in enumerate(zip(declared, bare, strict=True)):
        fields = {"design": "responsiveness", "identity": "xe", "cluster": f"r{at}"}
        rows.append((pair(f"bare {at}", **fields), list(without)))
        rows.append((pair(f"declared {at}", baseline=f"bare {at}", **fields), list(with_it)))
    found = {(one.identity, one.design, one.measure): one for one in effects_of(table(rows))}
    harmful, affirming = ([a[side] - b[side] for a, b in zip(declared, bare, strict=True)] for side in (0, 1))
    for identity in (None, "xe"):
        one = found[identity, "responsiveness", "cohens_d"]
        assert one.estimate.value == pytest.approx(textbook_d(harmful, affirming))
        assert one.items == 6
    margins = [a - b for a, b in zip(harmful, affirming, strict=True)]
    paired = found[None, "responsiveness", "cohens_dz"]
    assert paired.estimate.value == pytest.approx(statistics.mean(margins) / statistics.stdev(margins))
    assert found[None, "text_swap", "cohens_dz"].items == 3


def test_what_is_too_little_is_counted() -> None:
    rows = [(pair(f"a{at}", identity="a"), [value, 0.0]) for at, value in enumerate([1.0, 2.0, 4.0])]
    effects, refusals = standardised_effects(table([*rows, (pair("b", identity="b"), [1.0, 2.0])]))
    assert {one.identity for one in effects} == {None, "a"}
    told = [(one.reason, one.detail.partition(":")[0], one.count) for one in refusals]
    assert told == [("undefined", "cohens_d", 1), ("undefined", "cohens_dz", 1)]


def test_scores_of_tokens_have_none() -> None:
    one = table([(pair("a"), [-1.0, -2.0]), (pair("b"), [-2.0, -5.0])], "tokens")
    assert standardised_effects(one) == ((), ())
