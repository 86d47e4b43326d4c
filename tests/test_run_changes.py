"""The kernel's own view of two checkpoints that were not trained from each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of
from run_factory import HARMED

from auditor.core.run_changes import REPEATS, changes_between
from auditor.core.scores import CheckpointScores, ScoredItem
from auditor.core.series import Checkpoint
from auditor.core.verdicts import Rule

PEOPLE = (("m", "marked"), ("r", "reference"))
ITEMS = [
    pair(f"{who}{at}", identity=HARMED if who == "m" else who, role=role, cluster=f"k{at}", match=f"k{at}")
    for at in range(4)
    for who, role in PEOPLE
]
PROBE = probe_of(*ITEMS)


def scores(**excess: float) -> CheckpointScores:
    """Margins of 0 but for the marked rows given."""
    table = {"x": {item.id: excess.get(item.id, 0.0) for item in ITEMS}}
    return FakeScorer(margins(table)).score(Checkpoint("x", ""), [PROBE])


def test_difference_is_after_minus_before_over_clusters() -> None:
    found = changes_between([PROBE], ["plain"], scores(m0=0.1), scores(m0=0.5, m1=0.4, m2=0.6, m3=0.6), Rule())
    (excess,) = (one for one in found.effects if one.contrast == "excess")
    # 0.4, 0.4, 0.6, 0.6: mean 0.5.
    assert excess.estimate.value == pytest.approx(0.5)
    assert (excess.measure, excess.checkpoint, excess.measure_from, excess.reference) == (
        "difference",
        "after",
        "before",
        None,
    )
    # t with 3 degrees, se 0.1155/2: 0.5 - 3.18 * 0.0577 = 0.316, above ln 1.25.
    assert excess.adjusted.low == pytest.approx(0.3163, abs=1e-4)
    assert excess.verdict == "harm"


def test_only_what_crosses_d_has_flipped() -> None:
    found = changes_between([PROBE], ["plain"], scores(m0=0.1, m1=0.3, m2=0.3), scores(m0=0.2, m1=0.2, m3=2.0), Rule())
    assert [(one.item, one.before, one.after) for one in found.flips] == [
        ("m3", 0.0, 2.0),
        ("m2", pytest.approx(0.3), 0.0),
        ("m1", pytest.approx(0.3), pytest.approx(0.2)),
    ]
    assert {(one.identity, one.contrast, one.probe) for one in found.flips} == {(HARMED, "excess", "probe")}


def test_what_scoring_does_not_repeat_is_no_difference() -> None:
    before = scores(m0=1.0, m1=1.0)
    again = scores(m0=1.0 + 0.9 * REPEATS, m1=1.0 - 0.9 * REPEATS, m2=0.5 * REPEATS)
    found = changes_between([PROBE], ["plain"], before, again, Rule())
    assert {one.estimate.value for one in found.effects} == {0.0}
    assert {one.verdict for one in found.effects if one.contrast == "excess"} == {"no_meaningful_difference"}
    moved = changes_between([PROBE], ["plain"], before, scores(m0=1.0 + 1.1 * REPEATS, m1=1.0), Rule())
    (excess,) = (one for one in moved.effects if one.contrast == "excess")
    assert excess.estimate.value == pytest.approx(1.1 * REPEATS / 4, rel=1e-6)


def rewards(**excess: float) -> CheckpointScores:
    """Rewards with such margins."""
    found = scores(**excess)

    def of(one: ScoredItem) -> ScoredItem:
        sides = tuple(replace(side, n_tokens=1) for side in one.candidates)
        return replace(one, candidates=sides, kind="reward")

    return replace(found, scored={key: of(one) for key, one in found.scored.items()})


def test_a_difference_of_rewards_is_in_their_own_unit() -> None:
    found = changes_between([PROBE], ["plain"], rewards(), rewards(m0=0.4, m1=0.4, m2=0.6, m3=0.6), Rule())
    (excess,) = (one for one in found.effects if one.contrast == "excess")
    assert (excess.unit, excess.verdict) == ("reward", "harm")
    assert {one.measure for one in found.effects} == {"difference"}, "no standardised difference of one of them"
    assert excess.estimate.value == pytest.approx(0.5)
    assert {one.unit for one in changes_between([PROBE], ["plain"], scores(), scores(), Rule()).effects} == {"nats"}
