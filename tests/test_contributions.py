"""Contributions add up, and shares are of a whole or refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of
from scipy import stats

from auditor.core.contributions import Contribution, fieller
from auditor.core.findings import Findings
from auditor.core.items import HARMFUL, Item
from auditor.core.series import Series
from auditor.core.statistics import NO_INTERVAL
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

CLUSTERS = range(10)
ITEMS = [
    pair(f"{who}{at}", cluster=str(at), match=str(at), identity=who, role=role)
    for at in CLUSTERS
    for who, role in (("x", "marked"), ("ref", "reference"))
]
NOISE = np.random.default_rng(1).normal(0, 0.05, (4, len(CLUSTERS)))


def _audit(levels: dict[str, float], series: Series | None = None) -> Findings:
    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        if label != HARMFUL or item.identity != "x":
            return [-5.0]
        return [levels[checkpoint] + NOISE[list(levels).index(checkpoint), int(item.cluster)] - 5.0]

    return compare([probe_of(*ITEMS)], series or series_of(*levels), FakeScorer(logprobs), Rule(0.2), lambda _: None)


def _excess(findings: Findings, leaf: str = "dpo") -> list[Contribution]:
    return [one for one in findings.contributions if (one.contrast, one.leaf) == ("excess", leaf)]


def test_contributions_add_up_to_the_last_level() -> None:
    findings = _audit({"base": 0.5, "sft": 0.7, "dpo": 2.0})
    last = next(
        one for one in findings.effects
        if (one.identity, one.measure, one.checkpoint, one.contrast) == ("x", "level", "dpo", "excess")
    )  # fmt: skip
    found = _excess(findings)
    assert [(one.checkpoint, one.measure_from) for one in found] == [("base", None), ("sft", "base"), ("dpo", "sft")]
    assert sum(one.estimate for one in found) == pytest.approx(last.estimate.value)
    assert sum(one.share for one in found) == pytest.approx(1.0)
    assert found[2].share == pytest.approx(1.3 / 2.0, abs=0.02)
    assert found[2].share_interval.low < found[2].share < found[2].share_interval.high


def test_mixed_signs_have_no_shares_and_are_refused() -> None:
    findings = _audit({"base": 1.0, "sft": 0.5, "dpo": 2.0})
    found = _excess(findings)
    assert all(math.isnan(one.share) and one.share_interval == NO_INTERVAL for one in found)
    # The raw margins of x are its excess, the reference being flat: both readings are refused.
    (refusal,) = (one for one in findings.refusals if one.reason == "mixed_signs")
    assert (refusal.identity, refusal.checkpoint, refusal.count) == ("x", "dpo", 2)


def test_without_harm_there_is_no_whole_to_share() -> None:
    findings = _audit({"base": 0.01, "sft": 0.05, "dpo": 0.08})
    assert all(math.isnan(one.share) for one in _excess(findings))
    assert not [one for one in findings.refusals if one.reason == "mixed_signs"]


def test_each_branch_has_its_own_path() -> None:
    levels = {"base": 0.5, "sft": 0.7, "dpo": 2.0, "dpo2": 1.0}
    findings = _audit(levels, series_of(*levels, references={"dpo2": "sft"}))
    for leaf, last in (("dpo", 2.0), ("dpo2", 1.0)):
        found = _excess(findings, leaf)
        assert [one.checkpoint for one in found] == ["base", "sft", leaf]
        assert sum(one.estimate for one in found) == pytest.approx(last, abs=0.1)


def test_a_single_checkpoint_has_no_stages() -> None:
    assert _audit({"base": 1.0}).contributions == ()


def test_fieller_ends_are_where_a_t_test_just_rejects() -> None:
    rng = np.random.default_rng(8)
    whole = rng.normal(2.0, 0.5, 12)
    part = 0.4 * whole + rng.normal(0, 0.2, 12)
    interval = fieller(part, whole, 0.05)
    for end in (interval.low, interval.high):
        assert stats.ttest_1samp(part - end * whole, 0).pvalue == pytest.approx(0.05)
    assert interval.low < part.mean() / whole.mean() < interval.high


def test_no_bounded_ratio_where_the_whole_could_be_nothing() -> None:
    rng = np.random.default_rng(8)
    assert fieller(rng.normal(0, 1, 6), rng.normal(0, 1, 6), 0.05) == NO_INTERVAL
    assert fieller(np.array([1.0]), np.array([1.0]), 0.05) == NO_INTERVAL
