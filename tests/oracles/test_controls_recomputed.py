"""Control checks against a recomputation from the margins alone, where nothing is complete or alike.

Two checkpoints, two axes with one identity on both, two reference identities, rows without a match, a control
identity that lacks a cluster, names that differ by frame and checkpoint.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of
from scipy import stats

from auditor.core.effects import Effect
from auditor.core.findings import Findings
from auditor.core.items import HARMFUL, Item
from auditor.core.naming import with_names
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

BETA = 0.1
REFERENCES = ("r1", "r2")
CONTROLS = tuple(f"c{at}" for at in range(8))
CHECKPOINTS = ("base", "dpo")
# Weights of each measure over (base, dpo), and the checkpoint whose names count.
MEASURES = {
    ("level", "base"): ((1.0, 0.0), "base"),
    ("level", "dpo"): ((0.0, 1.0), "dpo"),
    ("shift", "dpo"): ((-1.0, 1.0), "dpo"),
    ("implicit_reward", "dpo"): ((-BETA, BETA), "dpo"),
}
# (axis, valence, cluster) in which nobody can be compared with x, and one where x itself is not asked.
UNMATCHED = {("a", "harm", 6), ("a", "harm", 7), ("b", "neutral", 1)}
NOT_ASKED = ("b", "harm", 3)


def _items() -> list[Item]:
    items = []
    for axis in "ab":
        for valence in ("harm", "neutral"):
            for cluster in range(8):
                for who in ("x", *REFERENCES, *CONTROLS):
                    place = (axis, valence, cluster)
                    if who in REFERENCES and place in UNMATCHED:
                        continue
                    if (who == "x" and place == NOT_ASKED) or (who == "c7" and cluster == 2):
                        continue
                    if who in CONTROLS and valence == "neutral":
                        continue
                    role: dict[str, Any] = {"x": "marked", **dict.fromkeys(REFERENCES, "reference")}
                    items.append(
                        pair(
                            f"{axis}{valence}{cluster}{who}",
                            axis=axis,
                            valence=valence,
                            cluster=f"{valence}{cluster}",
                            match=f"{axis}{valence}{cluster}",
                            identity=who,
                            surface=who,
                            role=role.get(who, "control"),
                            context=f"Frame {cluster % 3} about {who}.",
                        )
                    )
    return items


@pytest.fixture(scope="module")
def numbers() -> dict[tuple[str, ...], float]:
    """Margins by (checkpoint, item), names by (checkpoint, identity, frame); x is harmed at dpo on axis a."""
    rng = np.random.default_rng(17)
    found: dict[tuple[str, ...], float] = {}
    for checkpoint in CHECKPOINTS:
        for who in ("x", *REFERENCES, *CONTROLS):
            level = rng.normal(-8, 3)
            for frame in range(3):
                found[checkpoint, who, str(frame)] = level + rng.normal(0, 0.5)
        for item in _items():
            harmed = (item.identity, item.valence, item.axis, checkpoint) == ("x", "harm", "a", "dpo")
            found[checkpoint, item.id] = rng.normal(4.0 if harmed else 0.0, 0.4)
    return found


@pytest.fixture(scope="module")
def findings(numbers: dict[tuple[str, ...], float]) -> Findings:
    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        if item.design == "naming":
            return [numbers[checkpoint, label, item.context.split()[1]]]
        return [-9.0 + (numbers[checkpoint, item.id] if label == HARMFUL else 0.0)]

    series = series_of(*CHECKPOINTS, betas={"": BETA})
    return compare([with_names(probe_of(*_items()))], series, FakeScorer(logprobs), Rule(0.2), lambda _: None)


def _effect(findings: Findings, axis: str, measure: tuple[str, str]) -> Effect:
    (found,) = (
        one
        for one in findings.effects
        if (one.identity, one.axis, one.contrast, one.valence, one.measure, one.checkpoint)
        == ("x", axis, "excess", "harm", *measure)
    )
    return found


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("axis", ["a", "b"])
def test_form_contrast_and_band(
    findings: Findings, numbers: dict[tuple[str, ...], float], axis: str, measure: tuple[str, str]
) -> None:
    weights, named_at = MEASURES[measure]
    there = {item.id for item in _items()}

    def value(valence: str, cluster: int, who: str) -> float:
        item = f"{axis}{valence}{cluster}{who}"
        return sum(weight * numbers[name, item] for weight, name in zip(weights, CHECKPOINTS, strict=True))

    def asked(valence: str) -> list[int]:
        """Clusters in which x meets its references, one row each."""
        return [c for c in range(8) if {f"{axis}{valence}{c}x", f"{axis}{valence}{c}r1"} <= there]

    def excess(valence: str) -> list[float]:
        return [
            value(valence, c, "x") - np.mean([value(valence, c, who) for who in REFERENCES]) for c in asked(valence)
        ]

    def name(who: str) -> float:
        return float(np.mean([numbers[named_at, who, str(c % 3)] for c in asked("harm")]))

    checks = _effect(findings, axis, measure).checks
    assert checks is not None
    form = stats.ttest_ind(excess("harm"), excess("neutral"), equal_var=False).confidence_interval(0.95)
    assert (checks.form_interval.low, checks.form_interval.high) == pytest.approx((form.low, form.high))
    assert checks.name_logprob == pytest.approx(name("x"))

    # c7 lacks a cluster and is no point of the line.
    points = [(name(who), np.mean([value("harm", c, who) for c in asked("harm")])) for who in CONTROLS[:-1]]
    x, y = np.array(points).T
    line = stats.linregress(x, y)
    gap = name("x") - np.mean([name(who) for who in REFERENCES])
    error = np.sum((y - line.intercept - line.slope * x) ** 2) / (len(x) - 2)
    reach = stats.t.ppf(0.975, len(x) - 2) * np.sqrt(2 * error + (gap * line.stderr) ** 2)
    assert checks.identities == len(CONTROLS) - 1
    assert (checks.band.low, checks.band.high) == pytest.approx((line.slope * gap - reach, line.slope * gap + reach))


def test_a_reward_tells_of_its_shifts_controls(findings: Findings) -> None:
    shift, reward = (_effect(findings, "a", (name, "dpo")) for name in ("shift", "implicit_reward"))
    assert shift.verdict == reward.verdict == "harm"
    assert shift.controls == reward.controls == "passed"
