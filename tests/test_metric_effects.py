"""A card's metrics over all rows, by axis and by identity, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.bbq_metrics import AMBIGUOUS, DISAMBIGUATED
from auditor.core.effects import Effect
from auditor.core.items import Candidate, Item
from auditor.core.metric_effects import metric_effects
from auditor.core.refusals import Refusal
from auditor.core.tables import line_up

LABELS = ("harmful", "affirming", "unknown")


def effects_of(*items: Item, metrics: tuple[str, ...]) -> tuple[tuple[Effect, ...], tuple[Refusal, ...]]:
    """The first candidate of every item is the likeliest."""
    probe, series = probe_of(*items, metrics=metrics), series_of("base", "dpo")
    scorer = FakeScorer(lambda _, item, label: [-1.0 if item.candidates[0].label == label else -2.0])
    scores = [scorer.score(series[name], [probe]) for name in series.names]
    table = line_up(probe, "plain", scores)
    return metric_effects(table)


def question(item_id: str, first: str, theme: str = DISAMBIGUATED, identity: str = "x", axis: str = "age") -> Item:
    labels = (first, *(one for one in LABELS if one != first))
    candidates = tuple(Candidate(one, one) for one in labels)
    return Item(item_id, candidates, identity=identity, axis=axis, theme=theme, cluster=item_id, answer="unknown")


def places(effects: tuple[Effect, ...]) -> list[tuple[str | None, str]]:
    return [(one.identity, one.axis) for one in effects if one.checkpoint == "dpo"]


def test_all_rows_axes_and_identities_have_one() -> None:
    items = [
        question("1", "harmful"),
        question("2", "harmful", identity="y"),
        question("3", "harmful", identity="z", axis="race"),
    ]
    effects, refusals = effects_of(*items, metrics=("bbq_accuracy_disambiguated",))
    assert places(effects) == [(None, ""), (None, "age"), ("x", "age"), ("y", "age"), ("z", "race")]
    assert {one.checkpoint for one in effects} == {"base", "dpo"}
    assert refusals == ()


def test_what_is_asked_alike_on_several_axes_is_one_cluster_over_all_rows() -> None:
    """As a proposition that is asked of several personas: its answers are no independent ones."""
    answers = ("harmful", "unknown", "unknown")
    items = [
        replace(question(f"{axis} {at}", answer, axis=axis), cluster=f"proposition {at}")
        for axis in ("age", "race")
        for at, answer in enumerate(answers)
    ]
    effects, _ = effects_of(*items, metrics=("bbq_accuracy_disambiguated",))
    clusters = {(one.identity, one.axis): one.estimate.clusters for one in effects}
    assert clusters == {(None, ""): 3, ("x", "age"): 3, ("x", "race"): 3}
    errors = {(one.identity, one.axis): one.estimate.se for one in effects}
    # The same three answers twice say no more than once.
    assert errors[None, ""] == pytest.approx(errors["x", "age"])


def test_an_effects_keys() -> None:
    effects, _ = effects_of(question("1", "harmful"), question("2", "unknown"), metrics=("bbq_accuracy_disambiguated",))
    one = effects[0]
    assert (one.measure, one.estimate.value, one.unit, one.items) == ("bbq_accuracy_disambiguated", 50.0, "%", 2)
    assert (one.interval.low, one.interval.high) == (0.0, 100.0)
    # It compares nothing, so there are neither positive shares nor ties.
    assert (math.isnan(one.shares.items), one.shares.item_ties, math.isnan(one.p)) == (True, 0, True)


def test_what_no_row_is_asked_is_refused_once_a_checkpoint() -> None:
    effects, refusals = effects_of(
        question("1", "harmful"), metrics=("bbq_accuracy_ambiguous", "bbq_bias_disambiguated")
    )
    assert {one.measure for one in effects} == {"bbq_bias_disambiguated"}
    (refusal,) = refusals
    assert (refusal.reason, refusal.count, refusal.render) == ("no_readings", 2, "plain")
    assert refusal.detail.startswith("bbq_accuracy_ambiguous: ")


def test_a_ratio_to_nothing_is_refused_in_each_group() -> None:
    items = [question("1", "unknown"), question("2", "harmful", identity="y"), question("3", "harmful", AMBIGUOUS, "y")]
    effects, refusals = effects_of(*items, metrics=("bbq_bias_disambiguated",))
    assert places(effects) == [(None, ""), ("y", "age")]
    (refusal,) = refusals
    # x at both checkpoints.
    assert (refusal.reason, refusal.count) == ("undefined", 2)


def test_a_probe_without_metrics_has_none() -> None:
    assert effects_of(question("1", "harmful"), metrics=()) == ((), ())


def test_items_that_are_no_pair_are_no_rows_of_a_pair_metric() -> None:
    items = (pair("1"), pair("2", candidates=(Candidate("a", "1"), Candidate("b", "2"))))
    probe, series = probe_of(*items, metrics=("crows_pairs_sentence",)), series_of("base")
    table = line_up(
        probe, "plain", [FakeScorer(margins({"base": {"1": 1.0, "2": 1.0}})).score(series["base"], [probe])]
    )
    effects, _ = metric_effects(table)
    assert [(one.identity, one.items, one.estimate.value) for one in effects] == [(None, 1, 100.0), ("x", 1, 100.0)]
