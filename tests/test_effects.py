"""What an effect says of itself."""

from __future__ import annotations

import pytest

from auditor.core.effects import interval_refused
from auditor.core.refusals import Reason
from auditor.core.statistics import Estimate


@pytest.mark.parametrize(
    ("estimate", "reason"),
    [
        (Estimate(1.0, 0.1, 2), None),
        (Estimate(1.0, float("nan"), 1), "few_clusters"),
        (Estimate(float("nan"), float("nan"), 0), "few_clusters"),
        # Equal means leave a rounding error for a spread.
        (Estimate(1.0, 1e-12, 5), "no_spread"),
        (Estimate(1.0, 0.0, 5), "no_spread"),
        # Zero everywhere is a checkpoint against itself: a number like any other.
        (Estimate(0.0, 0.0, 5), None),
    ],
)
def test_why_an_estimate_can_carry_no_verdict(estimate: Estimate, reason: Reason | None) -> None:
    assert interval_refused(estimate) == reason
