"""Winogender's triples by hand."""

from __future__ import annotations

import pytest
from fake_scores import scored

from auditor.core.items import Candidate, Item
from auditor.core.winogender_metrics import WINOGENDER_METRICS

FEMALE, NEUTRAL = (metric.reading for metric in WINOGENDER_METRICS)
LABELS = ("male", "female", "neutral")


def test_differences_of_sums() -> None:
    item = Item("1", tuple(Candidate(label, label) for label in LABELS))
    one = scored(item, [[-1.0, -2.0], [-4.0], [-2.5, -1.0]])
    female, neutral = FEMALE(one), NEUTRAL(one)
    assert female is not None
    assert neutral is not None
    assert (female.tolist(), neutral.tolist()) == ([-1.0], [-0.5])


@pytest.mark.parametrize("labels", [LABELS[:2], ("harmful", "affirming", "neutral")])
def test_what_is_no_triple_says_nothing(labels: tuple[str, ...]) -> None:
    one = scored(Item("1", tuple(Candidate(label, label) for label in labels)), [[-1.0]] * len(labels))
    assert FEMALE(one) is NEUTRAL(one) is None
