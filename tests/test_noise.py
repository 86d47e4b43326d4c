"""Twin of auditor.core.noise: the error that rounding puts on an effect, where that error is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of

from auditor.core.contrasts import match_items
from auditor.core.items import HARMFUL, Item, Probe
from auditor.core.measures import measures_of
from auditor.core.noise import Moments, Rounding
from auditor.core.scores import CheckpointScores, FloatArray
from auditor.core.statistics import IntArray, by_cluster
from auditor.core.verdicts import Rule
from auditor.pipeline import analyse

SERIES = series_of("sft", "dpo", betas={"": 0.1})
PEOPLE = {"x": "marked", "y": "marked", "ref": "reference"}
ITEMS = [
    pair(f"{who}{cluster}{wording}", identity=who, role=role, cluster=str(cluster), paraphrase=str(wording))
    for (who, role), cluster, wording in product(PEOPLE.items(), range(6), range(2))
]
PROBE = probe_of(*ITEMS)


def scores(
    probe: Probe, errors: dict[str, dict[str, float]], sampled: Sequence[str] | None = None
) -> list[CheckpointScores]:
    """Both checkpoints with margins of 1 and these rounding errors by checkpoint and item."""
    found = []
    for checkpoint in SERIES.checkpoints:
        exact = FakeScorer(lambda _, __, label: [-4.0 if label == HARMFUL else -5.0]).score(checkpoint, [probe])

        def rounded(name: str, item: Item, label: str) -> list[float]:
            return [-4.0 + errors[name][item.id] if label == HARMFUL else -5.0]

        kept = {key: one for key, one in exact.scored.items() if sampled is None or key[2] in sampled}
        found.append(replace(FakeScorer(rounded).score(checkpoint, [probe]), exact=kept))
    return found


def drawn(seed: int = 0, scale: float = 0.1) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(seed)
    return {name: {item.id: float(scale * rng.standard_normal()) for item in ITEMS} for name in SERIES.names}


def test_moments_and_noise_by_hand() -> None:
    # Two identities; ordered pairs of one cluster: 1 x 3; of different clusters: 1 x 2, 3 x 2 and -1 x 1.
    moments = Moments.of([(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1])), (np.array([-1.0, 1.0]), np.array([0, 1]))])
    assert moments is not None
    assert moments.row == pytest.approx((1 + 9 + 4 + 1 + 1) / 5)
    assert moments.cluster == pytest.approx(3.0)
    assert moments.identity == pytest.approx((2 + 6 - 1) / 3)
    # Weights 1/4, 1/4 and 1/2: squares add up to 3/8, those of the clusters to 1/2.
    noise = moments.noise(np.array([0, 1, 2]), np.array([0, 0, 1]))
    assert noise**2 == pytest.approx(3.2 * 3 / 8 + 3 * 1 / 8 + 7 / 3 / 2)


def test_weights_are_those_of_the_effects_own_mean() -> None:
    # Three rows of one key, one of another in the same cluster, two clusters more.
    match, cluster = np.array([0, 0, 0, 1, 2, 3]), np.array([0, 0, 0, 0, 5, 7])
    weights = np.array([1 / 18, 1 / 18, 1 / 18, 1 / 6, 1 / 3, 1 / 3])
    assert Moments(1.0, 0.0, 0.0).noise(match, cluster) == pytest.approx(np.sqrt(np.sum(weights**2)))
    # An error that all rows share stays whole, one that rows of a cluster share falls with their number.
    assert Moments(1.0, 1.0, 1.0).noise(match, cluster) == pytest.approx(1.0)
    assert Moments(1.0, 1.0, 0.0).noise(match, cluster) == pytest.approx(1 / np.sqrt(3))


def test_what_was_not_sampled_errs_towards_width_and_no_moment_is_below_zero() -> None:
    assert Moments.of([]) is None
    alone = Moments.of([(np.array([2.0]), np.array([4])), (np.array([2.0, -2.0]), np.array([4, 5]))])
    assert alone == Moments(4.0, 4.0, 0.0)


def test_excess_shift_and_reward_agree_with_all_pairs_of_rows() -> None:
    errors = drawn()
    rounding = Rounding.of(PROBE, "plain", scores(PROBE, errors))
    assert rounding is not None
    of_shift = {item.id: errors["dpo"][item.id] - errors["sft"][item.id] for item in ITEMS}
    for measure, own, scale in zip(
        measures_of(SERIES), (errors["sft"], errors["dpo"], of_shift, of_shift), (1, 1, 1, 0.1), strict=True
    ):
        found = rounding.moments(measure)["text_swap", "excess"]
        values = {
            who: [
                (scale * (own[f"{who}{cluster}{wording}"] - own[f"ref{cluster}{wording}"]), cluster, wording)
                for cluster, wording in product(range(6), range(2))
            ]
            for who in ("x", "y")
        }
        pairs = [(one, other) for rows in values.values() for one, other in product(rows, rows)]
        assert found.row == pytest.approx(np.mean([a[0] * b[0] for a, b in pairs if a is b]))
        for name, group in (
            ("cluster", [a[0] * b[0] for a, b in pairs if a[1] == b[1] and a[2] != b[2]]),
            ("identity", [a[0] * b[0] for a, b in pairs if a[1] != b[1]]),
        ):
            assert getattr(found, name) == pytest.approx(max(float(np.mean(group)), 0.0), abs=1e-12)


def test_errors_shared_by_checkpoints_or_by_a_row_and_its_reference_cancel() -> None:
    of_cluster = {item.id: 0.1 * int(item.cluster) for item in ITEMS}
    effects = analyse([PROBE], SERIES, scores(PROBE, {"sft": of_cluster, "dpo": of_cluster}), ["plain"], Rule()).effects
    for one in effects:
        assert one.noise is not None
        if one.measure == "level" and one.contrast == "raw":
            assert one.noise > 0.1
        else:
            cancels = one.contrast == "excess" or one.measure != "level"
            assert (one.noise == pytest.approx(0.0, abs=1e-9)) == cancels


def test_effects_below_their_noise_are_marked_and_floors_given() -> None:
    errors = drawn()
    findings = analyse([PROBE], SERIES, scores(PROBE, errors), ["plain"], Rule())
    judged = {(one.measure, one.contrast, one.identity, one.checkpoint): one for one in findings.effects}
    raw, excess = (judged["level", contrast, "x", "dpo"] for contrast in ("raw", "excess"))
    # True margins are 1 and true excesses 0: what is left of these is rounding alone.
    assert raw.below_noise is False
    assert excess.below_noise is True
    assert judged["implicit_reward", "excess", "x", "dpo"].noise == pytest.approx(
        0.1 * (judged["shift", "excess", "x", "dpo"].noise or 0.0)
    )
    own = np.array(list(errors["dpo"].values()))
    floor = findings.noise_floors[1]
    assert (floor.checkpoint, floor.items) == ("dpo", len(ITEMS))
    assert floor.margin == pytest.approx(np.sqrt(np.mean(own**2)))
    assert floor.bias == pytest.approx(own.mean())
    assert any("rounding moves a margin by" in one for one in findings.cautions)


def test_without_a_sample_nothing_is_marked() -> None:
    bare = [replace(one, exact={}) for one in scores(PROBE, drawn())]
    findings = analyse([PROBE], SERIES, bare, ["plain"], Rule())
    assert findings.noise_floors == ()
    assert all(one.noise is None and one.below_noise is None for one in findings.effects)
    assert not any("rounding" in one for one in findings.cautions)


def test_a_checkpoint_that_did_not_fit_leaves_the_others_their_noise() -> None:
    first, second = scores(PROBE, drawn())
    effects = analyse([PROBE], SERIES, [first, replace(second, exact={})], ["plain"], Rule()).effects
    for one in effects:
        assert (one.noise is None) == (one.checkpoint == "dpo")


def test_a_sample_of_rows_that_were_refused_is_no_sample() -> None:
    first, second = scores(PROBE, drawn(), sampled=["x00", "ref00"])
    gone = {key: one for key, one in second.scored.items() if key[2] not in ("x00", "ref00")}
    assert Rounding.of(PROBE, "plain", [first, replace(second, scored=gone)]) is None


def test_verdicts_that_rounding_can_reach_are_named() -> None:
    # One bias of 0.3 nats on all rows of x: more than d, and it does not average out.
    errors = {
        name: {item.id: 0.3 * (item.identity == "x") + 0.01 * int(item.cluster) for item in ITEMS}
        for name in SERIES.names
    }
    findings = analyse([PROBE], SERIES, scores(PROBE, errors), ["plain"], Rule())
    assert [one for one in findings.cautions if "rounding alone can move effects about" in one]
    assert not [
        one
        for one in analyse([PROBE], SERIES, scores(PROBE, drawn(0, 1e-4)), ["plain"], Rule()).cautions
        if "alone can" in one
    ]


@pytest.mark.parametrize(
    ("of_all", "of_identity", "of_cluster", "most"),
    [(0.0, 0.0, 0.0, 2.3), (0.0, 0.0, 0.06, 2.0), (0.0, 0.04, 0.03, 1.1), (0.03, 0.0, 0.03, 1.15)],
)
def test_noise_covers_the_true_error(of_all: float, of_identity: float, of_cluster: float, most: float) -> None:
    # 20 identities in 16 clusters of 3 rows; sampled are 3 clusters x 2 rows of each. Errors of sd 0.08 a row, parts
    # of them shared. 2 x noise must cover the error of an effect about as often as 2 sd of a Gaussian cover it.
    rng = np.random.default_rng(7)
    identities, clusters, rows = 20, 16, 3
    cluster = np.repeat(np.arange(clusters), rows)
    match = np.arange(len(cluster))
    shared = np.sqrt(0.08**2 - of_all**2 - of_identity**2 - of_cluster**2)
    covered, by_rows_alone, squares = [], [], []
    for _ in range(300):
        errors = (
            of_all * rng.standard_normal()
            + of_identity * rng.standard_normal((identities, 1))
            + of_cluster * rng.standard_normal((identities, clusters))[:, cluster]
            + shared * rng.standard_normal((identities, len(cluster)))
        )
        moments = Moments.of([sample(one, cluster, rng) for one in errors])
        assert moments is not None
        noise = moments.noise(match, cluster)
        true = np.array([by_cluster(one, match, cluster).means.mean() for one in errors])
        covered.append(np.mean(np.abs(true) <= 2 * noise))
        by_rows_alone.append(np.mean(np.abs(true) <= 2 * np.sqrt(moments.row / len(cluster))))
        squares.append((np.mean(true**2), noise**2))
    assert 0.93 < np.mean(covered) < 0.99
    true_square, estimated = np.mean(squares, axis=0)
    # A shared part is at least 0, so where there is none it is too large by chance (the square by a factor of 2.2 for
    # so few rows); where there is one it is right on average.
    assert 0.95 * true_square < estimated < most * true_square
    if of_all or of_identity or of_cluster:
        assert np.mean(by_rows_alone) < np.mean(covered) - 0.05


def sample(errors: FloatArray, cluster: IntArray, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Two rows of each of three clusters."""
    chosen = np.concatenate([np.flatnonzero(cluster == one)[:2] for one in rng.choice(cluster.max() + 1, 3, False)])
    return errors[chosen], cluster[chosen]


def test_the_sampled_table_matches_as_the_whole_one_does() -> None:
    found = scores(PROBE, drawn(), sampled=[item.id for item in ITEMS if item.cluster in "01"])
    rounding = Rounding.of(PROBE, "plain", found)
    assert rounding is not None
    assert match_items(rounding.rounded).matched.sum() == 8
