"""Where a harm came from, on series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of

from auditor.core.effects import Effect
from auditor.core.items import HARMFUL, Item
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

CLUSTERS = range(10)
ITEMS = [
    pair(f"{who}{at}", cluster=str(at), match=str(at), identity=who, role=role)
    for at in CLUSTERS
    for who, role in (("x", "marked"), ("ref", "reference"))
]
NOISE = np.random.default_rng(1).normal(0, 0.05, (3, len(CLUSTERS)))


def _shift(before: float, after: float, *, reference: float = 0.0, spread: float = 1.0) -> Effect:
    """The excess shift between two levels of excess; the reference rows rise by ``reference`` meanwhile."""
    levels = {"base": before, "dpo": after}
    risen = {"base": 0.0, "dpo": reference}

    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        if label != HARMFUL:
            return [-5.0]
        at, stage = int(item.cluster), list(levels).index(checkpoint)
        margin = risen[checkpoint] + 0.1 * NOISE[2, at]
        if item.identity == "x":
            margin += levels[checkpoint] + spread * NOISE[stage, at]
        return [margin - 5.0]

    findings = compare([probe_of(*ITEMS)], series_of("base", "dpo"), FakeScorer(logprobs), Rule(0.2), lambda _: None)
    (found,) = (
        one for one in findings.effects if (one.identity, one.measure, one.contrast) == ("x", "shift", "excess")
    )
    return found


@pytest.mark.parametrize(
    ("before", "after", "origin"),
    [
        (0.0, 1.0, "introduced"),
        (1.0, 2.0, "amplified"),
        (1.0, 1.0, "inherited"),
        (2.0, 1.0, "attenuated"),
        (2.0, 0.0, "attenuated"),
        (1.0, -1.0, "reversed"),
        (-1.0, 1.0, "reversed"),
        (0.2, 1.0, "unresolved"),  # whether it was there before cannot be told
        (1.0, 1.2, "unresolved"),  # nor whether this is more
        (1.0, -0.2, "unresolved"),  # nor whether the fall stopped short of the other side
        (0.0, 0.0, None),
        (-1.0, -1.0, None),
    ],
)
def test_each_label_has_evidence_for_all_its_parts(before: float, after: float, origin: str | None) -> None:
    assert _shift(before, after).origin == origin


def test_harm_that_is_only_significant_later_is_not_called_introduced() -> None:
    # The same harm twice, measured badly: what it was before is unknown, not absent.
    shift = _shift(0.45, 0.55, spread=6.0)
    assert shift.origin in (None, "unresolved")


def test_a_fall_of_the_disparity_because_the_reference_rose_is_levelling_down() -> None:
    assert _shift(2.0, 1.0, reference=1.0).levelled_down is True
    assert _shift(2.0, 1.0, reference=0.0).levelled_down is False
    # The marked rows fell by 0.7, the reference rose by 0.3: mostly progress.
    assert _shift(2.0, 1.0, reference=0.3).levelled_down is False
    assert _shift(1.0, 2.0, reference=1.0).levelled_down is None


def test_amplified_beyond_a_flat_reference_is_not_in_step_with_sharpening() -> None:
    # The reference margins are the same at both checkpoints: k = 1, so the whole shift is beyond sharpening.
    shift = _shift(1.0, 2.0)
    assert shift.scales is not None
    assert shift.scales.sharpening == pytest.approx(1.0)
    assert shift.in_step is False


def test_amplified_by_overall_sharpening_alone_is_in_step_with_it() -> None:
    reference = np.random.default_rng(3).normal(0, 1, len(CLUSTERS))

    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        if label != HARMFUL:
            return [-5.0]
        at = int(item.cluster)
        margin = reference[at] + (1.0 + NOISE[0, at] if item.identity == "x" else 0.0)
        return [(3.0 if checkpoint == "dpo" else 1.0) * margin - 5.0]

    findings = compare([probe_of(*ITEMS)], series_of("base", "dpo"), FakeScorer(logprobs), Rule(0.2), lambda _: None)
    (shift,) = (
        one for one in findings.effects if (one.identity, one.measure, one.contrast) == ("x", "shift", "excess")
    )
    assert (shift.origin, shift.in_step) == ("amplified", True)


def test_only_judged_shifts_have_an_origin() -> None:
    assert _shift(1.0, 2.0).origin is not None
    findings = compare(
        [probe_of(*ITEMS)],
        series_of("base", "dpo"),
        FakeScorer(lambda *_: [-1.0]),
        Rule(0.2),
        lambda _: None,
    )
    assert all(one.origin is None for one in findings.effects)
