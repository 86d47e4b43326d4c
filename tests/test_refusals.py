"""Refusals are data: a reason for machines, a sentence for people."""

from typing import get_args

from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import match_items
from auditor.core.estimation import estimate_effects
from auditor.core.measures import measures_of
from auditor.core.refusals import Reason, Refusal
from auditor.core.tables import line_up


def test_a_refusal_stands_for_one_thing_unless_it_says_otherwise() -> None:
    assert Refusal("too_long", "longer than the window", "probe").count == 1


def test_every_refusal_the_kernel_makes_has_a_known_reason() -> None:
    probe, series = probe_of(pair("1"), pair("2", identity="y")), series_of("base")
    scores = FakeScorer(margins({"base": {"1": 1.0, "2": 2.0}})).score(series["base"], [probe])
    table = line_up(probe, "plain", [scores])
    _, refusals = estimate_effects(table, match_items(table), measures_of(series), Bootstrap(0))
    assert {one.reason for one in refusals} == {"no_match", "few_clusters"}
    assert {one.reason for one in refusals} <= set(get_args(Reason))
    assert {one.identity for one in refusals} == {"x", "y"}
