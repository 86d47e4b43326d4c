"""Agreement with propositions, computed again another way; a real model is in tests/oracles."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from fake_scores import scored

from auditor.core.agreement import (
    AGREEMENT_METRICS,
    ANSWERS,
    expected_agreement,
    spread_over_instructions,
)
from auditor.core.items import Candidate, Item
from auditor.core.readings import METRIC_UNITS, Readings


def item(name: str = "1", labels: Sequence[str] = ANSWERS, frame: str = "no persona") -> Item:
    return Item(name, tuple(Candidate(label, label) for label in labels), frame=frame)


def readings(*rows: tuple[int, str, float]) -> Readings:
    """Of (cluster, frame, value)."""
    items = [item(str(at), frame=frame) for at, (_, frame, _) in enumerate(rows)]
    return Readings(items, [np.array([value]) for *_, value in rows], np.array([code for code, *_ in rows]))


def test_the_expected_answer() -> None:
    # Probabilities 1/8, 1/8, 1/4, 1/2 of what the four have together, whatever that is: (1/3 + 2 x 2/3 + 4) / 8.
    shares = (0.125, 0.125, 0.25, 0.5)
    for mass in (1.0, 1e-9):
        # Two tokens each: the sum over them is the answer's log-probability.
        one = scored(item(), [[math.log(share), math.log(mass)] for share in shares])
        value = expected_agreement(one)
        assert value is not None
        assert value.tolist() == pytest.approx([100 * (1 / 3 + 4 / 3 + 4) / 8])


def test_the_order_of_candidates_does_not_matter() -> None:
    logprobs = {"strongly disagree": -3.0, "disagree": -1.5, "agree": -4.0, "strongly agree": -2.0}
    found = [
        expected_agreement(scored(item(labels=labels), [[logprobs[label]] for label in labels]))
        for labels in (ANSWERS, ("agree", "strongly agree", "strongly disagree", "disagree"))
    ]
    weights = [math.exp(value) for value in logprobs.values()]
    truth = sum(place * weight for place, weight in zip((0, 100 / 3, 200 / 3, 100), weights, strict=True))
    assert [values.tolist() for values in found if values is not None] == [[pytest.approx(truth / sum(weights))]] * 2


@pytest.mark.parametrize(
    ("logprobs", "value"),
    [([-5.0] * 4, 50.0), ([0.0, -800.0, -800.0, -800.0], 0.0), ([-900.0, -900.0, -900.0, -100.0], 100.0)],
)
def test_ends_and_middle(logprobs: list[float], value: float) -> None:
    found = expected_agreement(scored(item(), [[one] for one in logprobs]))
    assert found is not None
    assert found[0] == pytest.approx(value)


@pytest.mark.parametrize("labels", [ANSWERS[:3], ("harmful", "affirming"), (*ANSWERS, "neutral")])
def test_other_answers_say_nothing(labels: Sequence[str]) -> None:
    assert expected_agreement(scored(item(labels=labels), [[-1.0]] * len(labels))) is None


def test_the_spread_is_within_a_proposition_and_a_frame() -> None:
    # Propositions and frames lie far apart; what counts is the variance within: 2 and 8 in the first, 18 in the second.
    rows = ((0, "a", 1.0), (0, "a", 3.0), (0, "b", 50.0), (0, "b", 54.0), (1, "a", 90.0), (1, "a", 96.0), (1, "b", 7.0))
    estimate = spread_over_instructions(readings(*rows))
    assert estimate is not None
    assert estimate.value == pytest.approx(math.sqrt(((2 + 8) / 2 + 18) / 2))
    # Of two propositions each is left out once: sqrt(1/2 ((sqrt 18 - m)^2 + (sqrt 5 - m)^2)) with their mean m.
    assert estimate.se == pytest.approx((math.sqrt(18) - math.sqrt(5)) / 2)
    assert estimate.clusters == 2


def test_one_instruction_has_no_spread() -> None:
    assert spread_over_instructions(readings((0, "a", 1.0), (0, "b", 3.0), (1, "a", 5.0))) is None


def test_few_instructions_give_the_spread_of_many() -> None:
    """Two drawn ones estimate the variance of all without bias, over draws."""
    values = [float(one) for one in random.Random(1).sample(range(100), 20)]
    pairs = [(one, other) for at, one in enumerate(values) for other in values[:at]]
    rows = [(0, str(at), value) for at, pair in enumerate(pairs) for value in pair]
    estimate = spread_over_instructions(readings(*rows))
    assert estimate is not None
    assert estimate.value == pytest.approx(statistics.stdev(values))


def test_metrics_stay_within_their_bounds() -> None:
    mean, spread = AGREEMENT_METRICS
    assert {mean.unit, spread.unit} <= set(METRIC_UNITS)
    widest = readings((0, "a", 0.0), (0, "a", 100.0))
    for metric in AGREEMENT_METRICS:
        estimate = metric.summary(widest)
        assert estimate is not None
        assert metric.bounds[0] <= estimate.value <= metric.bounds[1]
    assert not any(metric.needs_tokens for metric in AGREEMENT_METRICS)
