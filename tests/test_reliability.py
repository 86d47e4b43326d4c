"""Split-half reliability against theory and arithmetic by hand, and agreement of scorings."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.contrasts import match_items
from auditor.core.items import Item
from auditor.core.reliability import (
    SPLITS,
    Asked,
    half_correlations,
    reliabilities_of,
    scoring_agreements,
    spearman_brown,
)
from auditor.core.tables import ScoreTable, line_up


def asked(means: np.ndarray, facet: str) -> Asked:
    """From means of shape (identities, clusters, labels), NaN where nothing was asked."""
    identity, cluster, label = np.nonzero(np.isfinite(means))
    group = {"paraphrase": cluster, "surface": identity, "frame": np.zeros_like(cluster)}[facet]
    labels, at = np.unique(np.stack([group, label]), axis=1, return_inverse=True)
    return Asked(means[identity, cluster, label][None], identity, cluster, at, labels[0])


def test_spearman_brown_by_hand() -> None:
    # 2 * 0.5 / 1.5 = 2/3; halves that disagree tell nothing.
    assert spearman_brown(np.array([0.5, 1.0, 0.0, -0.4])) == pytest.approx([2 / 3, 1, 0, 0])


def test_two_halves_of_two_labels_by_hand() -> None:
    # Four identities, two clusters, two paraphrases each. The halves of a split are paraphrase 0 or 1 of either
    # cluster; whichever, means over clusters are a sum of one column from each.
    first, second = np.array([[1.0, 2, 3, 4], [1, 3, 2, 4]]), np.array([[2.0, 4, 6, 9], [2, 4, 7, 8]])
    means = np.stack([first.T, second.T], axis=1)
    found, identities = half_correlations(asked(means, "paraphrase"), np.random.default_rng(0))
    possible = [np.corrcoef(first[i] + second[j], first[1 - i] + second[1 - j])[0, 1] for i, j in ((0, 0), (0, 1))]
    assert identities == 4
    assert found.shape == (1, SPLITS)
    assert all(min(abs(one - other) for other in possible) < 1e-12 for one in found[0])
    assert {int(np.argmin([abs(one - other) for other in possible])) for one in found[0]} == {0, 1}


def test_frames_are_parted_over_the_whole_probe() -> None:
    # Identity i has +i in frame 0 and -i in frame 1 everywhere: every split is one frame against the other.
    identity = np.arange(5.0)[:, None]
    means = np.stack([np.repeat(identity, 40, axis=1), np.repeat(-identity, 40, axis=1)], axis=2)
    frames, _ = half_correlations(asked(means, "frame"), np.random.default_rng(0))
    assert frames == pytest.approx(np.full((1, SPLITS), -1.0))


def test_it_estimates_the_theoretical_reliability() -> None:
    # theta ~ sd 0.3, wording noise sd 1 in 20 clusters of 4 paraphrases: a score over 80 wordings has reliability
    # 0.09 / (0.09 + 1/80) = 0.878.
    rng = np.random.default_rng(5)
    theta = 0.3 * rng.standard_normal(2000)
    means = theta[:, None, None] + rng.standard_normal((2000, 20, 4))
    found, _ = half_correlations(asked(means, "paraphrase"), rng)
    assert float(spearman_brown(np.median(found))) == pytest.approx(0.09 / (0.09 + 1 / 80), abs=0.02)


def test_what_is_missing_in_one_half_is_left_out_of_the_other() -> None:
    rng = np.random.default_rng(6)
    means = rng.standard_normal((6, 3, 2))
    # The third cluster was asked in one wording only: it can be in no split.
    means[:, 2, 1] = np.nan
    with_it, _ = half_correlations(asked(means, "paraphrase"), np.random.default_rng(0))
    means[:, 2, 0] = 1e6 * rng.standard_normal(6)
    again, _ = half_correlations(asked(means, "paraphrase"), np.random.default_rng(0))
    assert np.array_equal(with_it, again)


def test_halves_are_balanced_within_each_group() -> None:
    # Two forms of each identity: whoever is asked, one form stands in either half, so all forms of one kind agree.
    means = np.random.default_rng(1).standard_normal((5, 3, 2))
    found, identities = half_correlations(asked(means, "surface"), np.random.default_rng(0))
    assert identities == 5
    assert np.isfinite(found).all()


def test_frames_of_their_own_for_every_row_cost_no_more_than_rows() -> None:
    # A grid of 6 identities x 200 clusters x 2,400 frames would hold 23 MB a checkpoint and take minutes to part.
    rng = np.random.default_rng(2)
    rows = 2400
    place = np.arange(rows)
    sparse = Asked(rng.standard_normal((3, rows)), place % 6, place // 12, place, np.zeros(rows, dtype=np.intp))
    started = time.perf_counter()
    found, identities = half_correlations(sparse, np.random.default_rng(0))
    assert time.perf_counter() - started < 5
    assert (found.shape, identities) == ((3, SPLITS), 6)


def table(value: Callable[[Item], float], identities: int = 5) -> ScoreTable:
    people = [("ref", "reference"), *((f"id{at}", "marked") for at in range(identities))]
    items = [
        pair(
            f"{who}/{c}/{p}",
            identity=who,
            role=role,
            cluster=f"c{c}",
            paraphrase=f"p{p}",
            match=f"{c}/{p}",
            surface=f"form {p % 2} of {who}",
        )
        for c in range(6)
        for p in range(4)
        for who, role in people
    ]
    probe, series = probe_of(*items), series_of("base", "dpo")
    margin = {one.name: {item.id: value(item) for item in items} for one in series.checkpoints}
    return line_up(probe, "plain", [FakeScorer(margins(margin)).score(one, [probe]) for one in series.checkpoints])


def test_every_facet_that_can_be_parted_at_every_checkpoint() -> None:
    whole = table(lambda item: float(item.identity.removeprefix("id") or 0) if item.role == "marked" else 0.0)
    found = reliabilities_of(whole, match_items(whole), 0)
    assert [(one.facet, one.checkpoint) for one in found] == [
        ("paraphrase", "base"),
        ("paraphrase", "dpo"),
        ("surface", "base"),
        ("surface", "dpo"),
    ]
    for one in found:
        assert (one.correlation, one.reliability, one.low, one.high) == pytest.approx((1, 1, 1, 1))
        assert (one.identities, one.design, one.render) == (5, "text_swap", "plain")


def test_the_same_seed_gives_the_same_splits() -> None:
    rng = np.random.default_rng(7)
    values: dict[str, float] = {}
    whole = table(lambda item: values.setdefault(item.id, float(rng.standard_normal())))
    matching = match_items(whole)
    first = reliabilities_of(whole, matching, 0)
    assert first == reliabilities_of(whole, matching, 0)
    assert first != reliabilities_of(whole, matching, 1)
    # Noise alone orders nobody.
    assert all(one.reliability < 0.7 for one in first)


def test_three_identities_cannot_be_correlated() -> None:
    rng = np.random.default_rng(8)
    values: dict[str, float] = {}
    whole = table(lambda item: values.setdefault(item.id, float(rng.standard_normal())), identities=3)
    assert reliabilities_of(whole, match_items(whole), 0) == ()


def test_scorings_of_one_token_sides_agree_wholly_and_share_no_token() -> None:
    rng = np.random.default_rng(9)
    values: dict[str, float] = {}
    whole = table(lambda item: values.setdefault(item.id, float(rng.standard_normal())))
    found = scoring_agreements(whole, match_items(whole))
    assert [(one.scoring, one.checkpoint) for one in found] == [
        ("per_token", "base"),
        ("per_token", "dpo"),
        ("per_byte", "base"),
        ("per_byte", "dpo"),
    ]
    for one in found:
        assert one.correlation == pytest.approx(1)
        assert one.cells == 5 * 6


def test_scorings_that_differ_are_correlated_over_clusters_and_identities() -> None:
    rng = np.random.default_rng(10)
    people = [("ref", "reference"), ("a", "marked"), ("b", "marked")]
    items = [
        pair(f"{who}/{c}", identity=who, role=role, cluster=f"c{c}", match=f"{c}")
        for c in range(8)
        for who, role in people
    ]
    harmful = {item.id: rng.standard_normal(3) for item in items}
    scorer = FakeScorer(lambda _, item, label: list(harmful[item.id]) if label == "harmful" else [-1.0])
    probe, series = probe_of(*items), series_of("only")
    whole = line_up(probe, "plain", [scorer.score(series.checkpoints[0], [probe])])
    found = {one.scoring: one for one in scoring_agreements(whole, match_items(whole))}
    summed = {one: float(values.sum()) + 1 for one, values in harmful.items()}
    # Mean token of a side of 3 against one of 1, at the mean length of 2.
    per_token = {one: 2 * (float(values.mean()) + 1) for one, values in harmful.items()}
    pairs = [
        [margin[f"{who}/{c}"] - margin[f"ref/{c}"] for who in "ab" for c in range(8)] for margin in (summed, per_token)
    ]
    assert found["per_token"].correlation == pytest.approx(np.corrcoef(*pairs)[0, 1])
