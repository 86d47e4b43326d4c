"""Twin of auditor.core.margins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_scores import pair, scored

from auditor.core.items import Candidate
from auditor.core.margins import baseline_margin, margin_of
from auditor.core.scores import CheckpointScores


def test_a_margin_is_harmful_minus_affirming_whatever_their_order() -> None:
    one = pair("1")
    assert margin_of(scored(one, [[-1.0, -0.5], [-4.0]])) == 2.5
    turned = replace(one, candidates=one.candidates[::-1])
    assert margin_of(scored(turned, [[-1.0, -0.5], [-4.0]])) == -2.5


def test_a_baselines_margin_is_its_own_and_missing_where_it_was_refused() -> None:
    scores = CheckpointScores("dpo", {("p", "plain", "0"): scored(pair("0"), [[-1.0], [-3.0]])})
    assert baseline_margin(scores, "p", "plain", pair("1", baseline="0")) == 2.0
    assert baseline_margin(scores, "p", "plain", pair("1")) == 0.0
    assert baseline_margin(scores, "p", "chat", pair("1", baseline="0")) is None


def test_only_pairs_have_one() -> None:
    one = replace(pair("1"), candidates=(Candidate("x", "a"), Candidate("y", "b")))
    with pytest.raises(ValueError, match="pair"):
        margin_of(scored(one, [[-1.0], [-2.0]]))
