"""Twin of auditor.integrations.audit_budget, by a clock that is told what time it is."""

from __future__ import annotations

import pytest

from auditor.integrations.audit_budget import AuditBudget, affordable, expected_seconds


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spend(clock: Clock, budget: AuditBudget, seconds: float) -> None:
    clock.now += seconds
    budget.spend(seconds)


def test_audits_keep_to_the_share_and_lie_evenly() -> None:
    """A training of 1,000 steps of a second, audits of 4 s, a tenth of the time for them."""
    clock = Clock()
    budget = AuditBudget(0.1, clock)
    budget.begin(4, 4)
    at = []
    for step in range(1, 1001):
        clock.now += 1
        if step < 1000 and budget.allows(step / 1000):
            at.append(step)
            spend(clock, budget, 4)
    spend(clock, budget, 4)
    assert budget.training_s == pytest.approx(1000)
    # 100 s are given: 4 for the beginning, 4 for the end, so 92 s for 23 audits, the last of which falls on the end.
    assert len(at) == 22
    assert budget.taken == pytest.approx(0.096)
    gaps = [b - a for a, b in zip([0, *at], at, strict=False)]
    assert set(gaps) <= {43, 44}, "92 s in 1,000 s of training: one in 43.5"


def test_what_is_dearer_than_its_share_is_left_out() -> None:
    clock = Clock()
    budget = AuditBudget(0.1, clock)
    budget.begin(30, 30)
    clock.now += 500
    assert not budget.allows(0.5), "the beginning and the end take 60 of 100 s, and half of the other 40 are 20"
    clock.now += 300
    assert budget.allows(0.8), "of 1,000 s a tenth is 100, less 60: 32 of 40 s are due by now"
    spend(clock, budget, 30)
    assert not budget.allows(0.8)
    assert AuditBudget(None, clock).allows(0.01)


def test_what_was_tried_at_the_beginning_is_taken_and_no_measure_of_what_comes() -> None:
    clock = Clock()
    budget = AuditBudget(0.1, clock)
    budget.begin(30, 4)
    clock.now += 500
    assert budget.taken == pytest.approx(0.06)
    assert budget.allows(0.5), "of 100 s 30 are gone and 4 are for the end: 33 of the other 66 are due by now"


def test_the_pace_is_that_of_the_training_without_its_audits() -> None:
    clock = Clock()
    budget = AuditBudget(0.5, clock)
    budget.begin(1, 1)
    clock.now += 10
    spend(clock, budget, 90)
    assert budget.training_s == pytest.approx(10)
    assert budget.taken == pytest.approx(9.1)
    assert not budget.allows(0.5)
    budget.begin(1, 1)
    clock.now += 10
    assert budget.allows(0.5), "another training begins at nothing"


def test_the_largest_tier_that_can_be_paid_for() -> None:
    asked = []

    def costs() -> object:
        for tier, seconds in (("quick", 1.0), ("standard", 10.0), ("full", 40.0)):
            asked.append(tier)
            yield tier, seconds

    assert affordable(costs(), 10, 1000, 0.1) == "standard"  # type: ignore[arg-type]
    assert asked == ["quick", "standard", "full"]
    asked.clear()
    assert affordable(costs(), 10, 999, 0.1) == "quick"  # type: ignore[arg-type]
    assert asked == ["quick", "standard"], "a large probe is not opened to be found too dear"
    assert affordable(costs(), 10, 4000, 0.1) == "full"  # type: ignore[arg-type]
    assert affordable(costs(), 10, 1, 0.1) == "quick", "less there is not"  # type: ignore[arg-type]


def test_a_training_is_as_long_as_its_rows() -> None:
    rows = [{"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5, 6], "mask": [1] * 100}] * 10
    # 6 tokens a row, 8 rows a step, 50 steps, three passes, 100 tokens a second.
    assert expected_seconds(rows, 8, 50, 100.0) == pytest.approx(6 * 8 * 50 * 3 / 100)
    assert expected_seconds([{"input_ids": [1]}, {"input_ids": [1, 2, 3]}], 1, 1, 1.0) == pytest.approx(6)
    for unknown in (iter(rows), None, [], [{"text": "not prepared"}], ["text"]):
        assert expected_seconds(unknown, 8, 50, 100.0) is None
