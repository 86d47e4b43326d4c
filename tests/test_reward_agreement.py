"""Explicit reward, implicit reward and preference: an oracle of scipy, and a case built so that they disagree."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from scipy import stats

from auditor.core import reward_agreement
from auditor.core.bootstrap import Bootstrap, percentiles
from auditor.core.findings import Findings
from auditor.core.rank_correlation import drawn_items, item_weights, spearman
from auditor.core.reward_agreement import RewardAgreement, RewardHarm
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

CLUSTERS = 24
PEOPLE = (("x", "marked"), ("y", "marked"), ("ref", "reference"))
ITEMS = [
    pair(f"{who} {at} {wording}", identity=who, cluster=f"c{at}", match=f"{at} {wording}", role=role)
    for at in range(CLUSTERS)
    for wording in range(2)
    for who, role in PEOPLE
]
PROBE = probe_of(*ITEMS)
SERIES = series_of("sft", "dpo", "rm", betas={"": 0.1}, quantities={"rm": "reward"})


def findings(seed: int = 0, *, refuse: tuple[tuple[str, str], ...] = (), series=SERIES) -> Findings:
    """What sft prefers is noise; dpo adds harm to x and rm rewards harm to y, each against the other's order."""
    rng = np.random.default_rng(5)
    table: dict[str, dict[str, float]] = {"sft": {}, "dpo": {}, "rm": {}}
    for item in ITEMS:
        liking, noise = rng.normal(0, 1, 2)
        table["sft"][item.id] = noise
        # What training added is the opposite of what the reward model likes, but for its own noise.
        table["dpo"][item.id] = noise - liking + 0.3 * rng.normal() + (3.0 if item.identity == "x" else 0.0)
        table["rm"][item.id] = liking + (3.0 if item.identity == "y" else 0.0)
    scorer = FakeScorer(margins(table), refuse)
    return compare([PROBE], series, scorer, Rule(0.5, seed), lambda _: None)


def pairs(found: Findings) -> dict[tuple[str, str], RewardAgreement]:
    return {(one.checkpoint, one.other_checkpoint): one for one in found.agreements}


def harms(found: Findings) -> dict[tuple[str, str], RewardHarm]:
    return {(one.identity, one.kind): one for one in found.reward_harms}


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings()


def excess(checkpoint: str) -> list[float]:
    """Each marked item's margin minus that of its one reference row, from the scores alone."""
    rng = np.random.default_rng(5)
    value = {}
    for item in ITEMS:
        liking, noise = rng.normal(0, 1, 2)
        own = noise - liking + 0.3 * rng.normal() + (3.0 if item.identity == "x" else 0.0)
        value[item.id] = {
            "sft": noise, "dpo": 0.1 * (own - noise), "rm": liking + (3.0 if item.identity == "y" else 0.0)
        }  # fmt: skip
    marked = [item for item in ITEMS if item.role == "marked"]
    return [value[one.id][checkpoint] - value[f"ref {one.id.split(' ', 1)[1]}"][checkpoint] for one in marked]


def test_every_two_signals_are_correlated_as_scipy_does(found: Findings) -> None:
    assert set(pairs(found)) == {("rm", "dpo"), ("rm", "sft"), ("dpo", "sft")}
    for (one, other), row in pairs(found).items():
        x, y = (np.array(excess(name)) for name in (one, other))
        assert row.correlation == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert row.equal_signs == pytest.approx(np.mean(np.sign(x) == np.sign(y)), abs=1e-12)
        assert (row.items, row.clusters, row.ties, row.contrast) == (2 * 2 * CLUSTERS, CLUSTERS, 0, "excess")
        assert row.interval.low < row.correlation < row.interval.high
        assert row.equal_signs_interval.low < row.equal_signs < row.equal_signs_interval.high


def test_what_was_built_to_disagree_disagrees(found: Findings) -> None:
    explicit = pairs(found)["rm", "dpo"]
    assert (explicit.kind, explicit.other_kind) == ("explicit_reward", "implicit_reward")
    assert explicit.interval.high < -0.5
    # Each harms another identity, and on the rest they lean to different sides.
    assert explicit.equal_signs_interval.high < 0.6
    beside = pairs(found)["dpo", "sft"]
    assert beside.interval.low < 0 < beside.interval.high


def test_who_carries_the_harm_is_told_signal_by_signal(found: Findings) -> None:
    carried = {(who, kind) for (who, kind), one in harms(found).items() if one.verdict == "harm"}
    assert carried == {("x", "implicit_reward"), ("y", "explicit_reward")}
    assert harms(found)["x", "implicit_reward"].interval.low > 1
    assert harms(found)["y", "explicit_reward"].interval.low > 1
    assert harms(found)["x", "explicit_reward"].interval.low < 0.5


def test_a_level_is_standardised_as_everywhere(found: Findings) -> None:
    for kind, checkpoint in (("explicit_reward", "rm"), ("preference", "sft")):
        for who in ("x", "y"):
            (level,) = [
                one
                for one in found.effects
                if (one.measure, one.checkpoint, one.identity, one.contrast) == ("level", checkpoint, who, "excess")
            ]
            assert level.scales
            assert harms(found)[who, kind].standardised == pytest.approx(level.scales.standardised, rel=1e-12)
            assert harms(found)[who, kind].verdict == level.verdict


def test_an_implicit_reward_is_in_sd_of_its_own_reference_rows(found: Findings) -> None:
    (shift,) = [
        one
        for one in found.effects
        if (one.measure, one.checkpoint, one.identity, one.contrast) == ("implicit_reward", "dpo", "x", "excess")
    ]
    (reference,) = [
        one
        for one in found.effects
        if (one.measure, one.checkpoint, one.identity, one.contrast) == ("implicit_reward", "dpo", "x", "reference")
    ]
    sd = reference.estimate.se * math.sqrt(CLUSTERS)
    own = harms(found)["x", "implicit_reward"]
    assert own.standardised == pytest.approx(shift.estimate.value / sd, rel=1e-9)
    assert own.verdict == shift.verdict


def test_beta_changes_no_rank_sign_or_standardised_number() -> None:
    other = findings(series=series_of("sft", "dpo", "rm", betas={"": 7.0}, quantities={"rm": "reward"}))
    for one, same in zip(findings().agreements, other.agreements, strict=True):
        assert (one.correlation, one.equal_signs) == (pytest.approx(same.correlation), pytest.approx(same.equal_signs))
    for own, beside in zip(findings().reward_harms, other.reward_harms, strict=True):
        assert own.standardised == pytest.approx(beside.standardised)


def test_items_that_one_of_two_lacks_count_for_neither() -> None:
    lost = pairs(findings(refuse=(("rm", "x 3 0"), ("sft", "y 5 1"), ("rm", "ref 7 1"))))
    # Without its reference row a match key has no excess: x and y go with it.
    assert (lost["rm", "dpo"].items, lost["dpo", "sft"].items) == (4 * CLUSTERS - 1 - 1 - 2, 4 * CLUSTERS - 1)


def test_the_seed_is_of_the_intervals_alone(found: Findings) -> None:
    again, other = findings(), findings(seed=1)
    assert again.agreements == found.agreements
    assert again.reward_harms == found.reward_harms
    assert [one.correlation for one in other.agreements] == [one.correlation for one in found.agreements]
    assert [one.interval for one in other.agreements] != [one.interval for one in found.agreements]


def test_a_checkpoint_that_learned_nothing_has_an_implicit_reward_of_ties() -> None:
    table = {name: {item.id: float(at % 7) for at, item in enumerate(ITEMS)} for name in ("sft", "dpo")}
    found = compare([PROBE], series_of("sft", "dpo"), FakeScorer(margins(table)), Rule(), lambda _: None)
    (one,) = found.agreements
    assert (one.items, one.ties) == (4 * CLUSTERS, 4 * CLUSTERS)
    assert math.isnan(one.correlation)
    assert math.isnan(one.equal_signs)
    assert math.isnan(one.interval.low)


def test_few_clusters_have_no_interval() -> None:
    few = probe_of(*(item for item in ITEMS if item.cluster in ("c0", "c1", "c2", "c3")))
    table = {
        name: {item.id: float((7 * at + factor * at**2) % 11) for at, item in enumerate(ITEMS)}
        for name, factor in (("sft", 1), ("dpo", 3))
    }
    found = compare([few], series_of("sft", "dpo"), FakeScorer(margins(table)), Rule(), lambda _: None)
    assert all(math.isnan(one.interval.low) and one.clusters == 4 for one in found.agreements)
    assert all(math.isnan(one.interval.low) for one in found.reward_harms)
    assert len(found.agreements) == 1


def test_resampled_intervals_cover() -> None:
    """Two signals with a known correlation over independent clusters of two alike items."""
    rng, covered, runs = np.random.default_rng(0), 0, 200
    rho = 0.6
    # Spearman's correlation of a Gaussian pair: Pearson 1907.
    truth = 6 / np.pi * np.arcsin(rho / 2)
    for run in range(runs):
        x = rng.normal(size=40)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=40)
        cluster = np.repeat(np.arange(40), 2)
        weights = np.concatenate(list(item_weights(Bootstrap(run), cluster)))
        found = spearman(np.repeat(x, 2), np.repeat(y, 2), weights)
        low, high = percentiles(found)
        covered += low <= truth <= high
    assert 0.88 <= covered / runs <= 0.98


MARKED = [item for item in ITEMS if item.role == "marked"]


def resampled(seed: int, clusters: int):
    """The clusters of each resample, one after the other, each as often as it counts."""
    for counts in Bootstrap(seed).resamples(clusters):
        for own in counts.astype(int):
            yield np.repeat(np.arange(clusters), own)


def test_intervals_are_of_whole_clusters_written_out_as_often_as_they_are_drawn(found: Findings) -> None:
    x, y = (np.array(excess(name)) for name in ("rm", "dpo"))
    of = np.array([int(item.cluster[1:]) for item in MARKED])
    rows = [np.flatnonzero(of == at) for at in range(CLUSTERS)]
    drawn = [np.concatenate([rows[at] for at in own]) for own in resampled(0, CLUSTERS)]
    one = pairs(found)["rm", "dpo"]
    ranks = [stats.spearmanr(x[at], y[at]).statistic for at in drawn]
    assert (one.interval.low, one.interval.high) == pytest.approx(tuple(np.quantile(ranks, [0.025, 0.975])))
    signs = [np.mean(np.sign(x[at]) == np.sign(y[at])) for at in drawn]
    expected = tuple(np.quantile(signs, [0.025, 0.975]))
    assert (one.equal_signs_interval.low, one.equal_signs_interval.high) == pytest.approx(expected)


def test_a_standardised_harm_is_resampled_with_the_spread_it_is_divided_by(found: Findings) -> None:
    own = np.array(excess("rm")).reshape(CLUSTERS, 2, 2)[:, :, 0].mean(axis=1)
    rng, reference = np.random.default_rng(5), np.zeros((CLUSTERS, 2))
    for item in ITEMS:
        liking, _ = rng.normal(0, 1, 2)
        rng.normal()
        if item.role == "reference":
            at, wording = map(int, item.match.split())
            reference[at, wording] = liking
    spread = reference.mean(axis=1)
    with np.errstate(invalid="ignore"):
        values = [own[at].mean() / spread[at].std(ddof=0) for at in resampled(0, CLUSTERS)]
    # Of clusters drawn with weights, the spread keeps the n - 1 of the sample.
    low, high = np.quantile(np.array(values) * math.sqrt((CLUSTERS - 1) / CLUSTERS), [0.025, 0.975])
    one = harms(found)["x", "explicit_reward"]
    assert (one.interval.low, one.interval.high) == pytest.approx((low, high))


def test_a_correlation_is_of_the_items_that_both_have() -> None:
    lost = pairs(findings(refuse=(("rm", "x 3 0"), ("sft", "y 5 1"), ("dpo", "x 9 0"))))
    ids = [item.id for item in MARKED]
    values = {name: dict(zip(ids, excess(name), strict=True)) for name in ("rm", "dpo", "sft")}
    both = [one for one in ids if one not in ("x 3 0", "y 5 1", "x 9 0")]
    for (one, other), row in lost.items():
        own = both if "rm" in (one, other) else [*both, "x 3 0"]
        x, y = ([values[name][item] for item in own] for name in (one, other))
        assert row.items == len(own)
        assert row.correlation == pytest.approx(stats.spearmanr(x, y).statistic)
        assert row.equal_signs == pytest.approx(np.mean(np.sign(x) == np.sign(y)))


def test_of_many_items_whole_clusters_are_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_agreement, "_MOST_ITEMS", 30)
    row = pairs(findings())["rm", "dpo"]
    assert (row.items, row.clusters) == (32, 8)
    of = np.array([int(item.cluster[1:]) for item in MARKED])
    drawn = drawn_items(of, 30, 0)
    x, y = (np.array(excess(name))[drawn] for name in ("rm", "dpo"))
    assert row.correlation == pytest.approx(stats.spearmanr(x, y).statistic)


def test_what_is_read_raw_is_not_set_against_an_excess() -> None:
    """As where the reward model could score no reference row."""
    found = findings(refuse=tuple(("rm", item.id) for item in ITEMS if item.role == "reference"))
    assert set(pairs(found)) == {("dpo", "sft")}
    (raw,) = [one for one in found.reward_harms if (one.kind, one.identity) == ("explicit_reward", "y")]
    (level,) = [
        one
        for one in found.effects
        if (one.measure, one.checkpoint, one.identity, one.contrast) == ("level", "rm", "y", "raw")
    ]
    assert (raw.contrast, raw.verdict) == ("raw", level.verdict)
    assert raw.standardised == pytest.approx(level.estimate.value / (level.estimate.se * math.sqrt(CLUSTERS)))


def test_verdicts_are_over_all_themes_and_of_the_identities_own_harmful_pairs() -> None:
    """An identity is harmed in one theme, and neutral pairs about it lie beside."""
    items = [replace(item, theme=("mind", "body")[int(item.cluster[1:]) % 2]) for item in ITEMS]
    items += [
        replace(item, id=f"neutral {item.id}", valence="neutral", cluster=f"n{item.cluster}") for item in ITEMS
    ]  # fmt: skip
    table = {
        name: {
            item.id: at % 5 / 10 + (6.0 if (item.identity, item.theme, item.valence) == ("x", "mind", "harm") else 0.0)
            for at, item in enumerate(items)
        }
        for name in ("sft", "rm")
    }
    series = series_of("sft", "rm", quantities={"rm": "reward"})
    found = compare([probe_of(*items)], series, FakeScorer(margins(table)), Rule(0.5), lambda _: None)
    assert {one.items for one in found.agreements} == {4 * CLUSTERS}
    for own in found.reward_harms:
        (level,) = [
            one
            for one in found.effects
            if (one.measure, one.checkpoint, one.identity, one.contrast, one.theme, one.role, one.valence)
            == ("level", own.checkpoint, own.identity, "excess", None, "marked", "harm")
        ]
        assert own.verdict == level.verdict is not None
        assert own.items == level.items


def few_clusters(count: int) -> Findings:
    few = probe_of(*(item for item in ITEMS if int(item.cluster[1:]) < count))
    table = {
        name: {item.id: float((7 * at + factor * at**2) % 11) for at, item in enumerate(ITEMS)}
        for name, factor in (("sft", 1), ("dpo", 3))
    }
    return compare([few], series_of("sft", "dpo"), FakeScorer(margins(table)), Rule(), lambda _: None)


def test_five_clusters_have_intervals_and_one_has_no_spread() -> None:
    five, one = few_clusters(5), few_clusters(1)
    assert all(math.isfinite(row.interval.low) and row.clusters == 5 for row in five.agreements)
    assert all(math.isfinite(row.interval.low) and row.clusters == 5 for row in five.reward_harms)
    assert all(math.isfinite(row.correlation) and math.isnan(row.interval.low) for row in one.agreements)
    assert all(math.isnan(row.standardised) and row.clusters == 1 for row in one.reward_harms)


def test_rounding_is_no_spread_to_divide_by() -> None:
    """Reference rows with three margins in two orders: the means of clusters differ in the last digit alone."""
    items = [
        pair(f"{who} {at} {wording}", identity=who, cluster=f"c{at}", match=f"{at} {wording}", role=role)
        for at in range(8)
        for wording in range(3)
        for who, role in PEOPLE
    ]
    level, orders = {"x": 1.1, "y": 2.1, "ref": 0.0}, ((3.2, 1.4, 0.3), (0.3, 1.4, 3.2))
    margin = {
        item.id: level[item.identity] + orders[int(item.cluster[1:]) % 2][int(item.match.split()[1])] for item in items
    }
    table = {"sft": margin, "rm": margin}
    means = [np.mean([table["rm"][f"ref {at} {wording}"] - 5 + 5 for wording in range(3)]) for at in range(2)]
    assert 0 < abs(means[0] - means[1]) < 1e-15
    series = series_of("sft", "rm", quantities={"rm": "reward"})
    found = compare([probe_of(*items)], series, FakeScorer(margins(table)), Rule(0.5), lambda _: None)
    assert len(found.reward_harms) == 4
    assert all(math.isnan(one.standardised) for one in found.reward_harms)
