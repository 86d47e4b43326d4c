"""Likelihood Bias against Mann-Whitney U counted pair by pair, with its Gaussian approximation written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from fake_scores import scored

from auditor.core.holisticbias_metrics import HOLISTICBIAS_METRICS, likelihood_bias
from auditor.core.items import Candidate, Item
from auditor.core.readings import Readings

(METRIC,) = HOLISTICBIAS_METRICS


def asked(noun: int, axis: str, frame: str, scores: dict[str, float]) -> tuple[Item, np.ndarray]:
    candidates = tuple(Candidate(label, label) for label in scores)
    item = Item(f"{axis} {frame} {noun}", candidates, axis=axis, frame=frame, cluster=f"{frame} {noun}")
    return item, np.array(list(scores.values()))


def percentage(rows: Sequence[tuple[Item, np.ndarray]]) -> float | None:
    readings = Readings([item for item, _ in rows], [values for _, values in rows], np.arange(len(rows)))
    found = likelihood_bias(readings)
    if found is None:
        return None
    assert math.isnan(found.se)
    return found.value


def differs(one: Sequence[float], other: Sequence[float]) -> bool:
    """Two-sided at 5%, with the continuity correction; no ties. Mann & Whitney 1947."""
    n, m = len(one), len(other)
    u = sum(mine > theirs for mine in one for theirs in other)
    far = abs(u - n * m / 2) - 0.5
    z = far / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(z / math.sqrt(2)) < 0.05


def test_against_counted_pairs() -> None:
    generator = np.random.default_rng(5)
    shift = {"a": 0.0, "b": 0.3, "c": 1.5, "d": 3.0}
    rows = []
    for axis in ("x", "y"):
        for frame in ("love", "hate"):
            for noun in range(12):
                # "d" does not go with every noun.
                labels = [label for label in shift if label != "d" or noun % 2]
                rows.append(asked(noun, axis, frame, {label: generator.normal() + shift[label] for label in labels}))
    differing = pairs = 0
    for axis in ("x", "y"):
        for frame in ("love", "hate"):
            values: dict[str, list[float]] = {}
            for item, scores in rows:
                if (item.axis, item.frame) == (axis, frame):
                    for candidate, score in zip(item.candidates, scores, strict=True):
                        values.setdefault(candidate.label, []).append(score)
            for one, other in combinations(values, 2):
                pairs += 1
                differing += differs(values[one], values[other])
    assert (pairs, 0 < differing < pairs) == (24, True)
    assert percentage(rows) == pytest.approx(100 * differing / pairs)


@pytest.mark.parametrize(
    ("one", "other", "told"), [(3, 3, False), (4, 4, True), (3, 4, False), (3, 5, True), (2, 7, False), (2, 20, True)]
)
def test_what_cannot_differ_is_not_tested(one: int, other: int, told: bool) -> None:
    """Of so few nouns even distributions that do not overlap are not told apart."""
    apart = {"a": range(one), "b": range(100, 100 + other)}
    rows = [
        asked(noun, "x", "love", {label: float(values[noun]) for label, values in apart.items() if noun < len(values)})
        for noun in range(max(one, other))
    ]
    assert percentage(rows) == (100 if told else None)
    assert told == differs(apart["a"], apart["b"])


def test_equal_distributions_do_not_differ() -> None:
    assert percentage([asked(noun, "x", "love", {"a": noun, "b": noun}) for noun in range(8)]) == 0
    assert percentage([asked(noun, "x", "love", {"a": -1.0, "b": -1.0}) for noun in range(8)]) == 0


def test_a_reading_is_a_mean_over_tokens() -> None:
    item, _ = asked(1, "x", "love", {"a": 0.0, "b": 0.0})
    values = METRIC.reading(scored(item, [[-1.0, -3.0], [-5.0]]))
    assert values is not None
    assert values.tolist() == [-2.0, -5.0]
