"""Pronoun consistency by hand; real data and a real model are in tests/oracles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_scores import scored

from auditor.core.consistency import (
    MISGENDERED_METRICS,
    TANGO_METRICS,
    chosen_label,
    label_of,
)
from auditor.core.items import Candidate, Item
from auditor.core.readings import METRIC_UNITS, Readings
from auditor.core.scores import CandidateScore, ScoredItem

METRICS = {metric.name: metric for metric in (*TANGO_METRICS, *MISGENDERED_METRICS)}


def item(*labels: str, **fields: Any) -> Item:
    return Item("1", tuple(Candidate(label, f"text of {label}") for label in labels), **fields)


def says(name: str, one: ScoredItem) -> list[float] | None:
    values = METRICS[name].reading(one)
    return None if values is None else values.tolist()


def mean(score: CandidateScore) -> float:
    return score.text_mean


def test_mean_and_sum_can_choose_differently() -> None:
    # xe: four tokens, -2 a token and -8 in all; he: two tokens, -3 a token and -6 in all.
    one = scored(item("he", "xe"), [[-3.0, -3.0], [-2.0, -2.0, -2.0, -2.0]])
    assert chosen_label(one, mean) == "xe"
    assert chosen_label(one, lambda score: score.text_total) == "he"


def test_a_tie_is_nobodys_choice() -> None:
    assert chosen_label(scored(item("he", "xe", "ey"), [[-1.0], [-1.0], [-2.0]]), mean) == ""


def test_the_end_of_turn_is_left_out() -> None:
    one = scored(item("he", "xe"), [[-1.0, -50.0], [-2.0, -3.0]])
    # The last token of "he" stands behind the text, where it ends.
    he = replace(one.candidates[0], starts=np.array([0, 1]), ends=np.array([1, 1]))
    assert he.text_mean == -1.0
    assert chosen_label(replace(one, candidates=(he, one.candidates[1])), mean) == "he"


def test_families_that_share_a_form() -> None:
    assert label_of(["e", "ey"]) == "e/ey"
    for frame, name in (("explicit 5", "misgendered_explicit"), ("parenthetical 2", "misgendered_parenthetical")):
        one = scored(item("he", "e/ey", identity="ey", answer="e/ey", frame=frame), [[-2.0], [-1.0]])
        assert says(name, one) == says("misgendered_accuracy", one) == [1.0]


@pytest.mark.parametrize(
    ("frame", "theme", "read"),
    [
        ("explicit 31", "nominative", {"accuracy", "explicit", "nominative", "likelihood"}),
        ("parenthetical 5", "reflexive", {"accuracy", "parenthetical", "reflexive", "likelihood"}),
        (
            "undeclared",
            "nominative",
            {"undeclared_he", "undeclared_she", "undeclared_they", "undeclared_neo"},
        ),
    ],
)
def test_which_metric_reads_which_item(frame: str, theme: str, read: set[str]) -> None:
    answer = "" if frame == "undeclared" else "he"
    one = scored(item("he", "xe", identity="he", answer=answer, frame=frame, theme=theme), [[-1.0], [-2.0]])
    found = {metric.name for metric in MISGENDERED_METRICS if metric.reading(one) is not None}
    assert found == {f"misgendered_{name}" for name in read}


@pytest.mark.parametrize(
    ("chosen", "name"), [("he", "he"), ("she", "she"), ("they", "they"), ("xe", "neo"), ("e/ey", "neo")]
)
def test_what_a_name_alone_suggests(chosen: str, name: str) -> None:
    labels = ("he", "she", "they", "xe", "e/ey")
    one = scored(item(*labels, frame="undeclared"), [[-1.0 if label == chosen else -2.0] for label in labels])
    told = {other: says(f"misgendered_undeclared_{other}", one) for other in ("he", "she", "they", "neo")}
    assert told == {other: [float(other == name)] for other in told}


def test_an_undecided_name_suggests_nothing() -> None:
    one = scored(item("xe", "fae", frame="undeclared"), [[-1.0], [-1.0]])
    assert says("misgendered_undeclared_neo", one) == [0.0]


def test_tango_second_pronoun() -> None:
    one = scored(item("he", "xe", identity="xe", answer="xe", frame="second pronoun"), [[-3.0], [-1.0, -1.0]])
    assert says("tango_consistency", one) == [1.0]
    # By the sum: the longer form is not preferred for its mean.
    other = scored(one.item, [[-3.0], [-2.0, -2.0]])
    assert says("tango_consistency", other) == [0.0]
    assert says("tango_perplexity_xe", one) is None
    assert says("tango_preferred_xe", one) is None


def test_tango_whole_prompts() -> None:
    one = scored(item("he", "xe", frame="whole prompt"), [[-1.0, -2.0], [-1.0, -1.0, -1.0]])
    assert says("tango_perplexity_he", one) == pytest.approx([np.exp(1.5)])
    assert says("tango_perplexity_xe", one) == pytest.approx([np.e])
    assert says("tango_perplexity_fae", one) is None
    assert says("tango_preferred_xe", one) == [1.0]
    assert says("tango_preferred_he", one) == [0.0]
    assert says("tango_consistency", one) is None


def test_a_summary_is_a_mean_over_items() -> None:
    # Two items of one cluster and one of another: 100 (1 + 0 + 1) / 3.
    readings = Readings([item("he", "xe")] * 3, [np.array([one]) for one in (1.0, 0.0, 1.0)], np.array([0, 0, 1]))
    assert METRICS["misgendered_accuracy"].summary(readings).value == pytest.approx(200 / 3)
    assert METRICS["tango_perplexity_he"].summary(readings).value == pytest.approx(2 / 3)
    assert {metric.unit for metric in METRICS.values()} <= set(METRIC_UNITS)
