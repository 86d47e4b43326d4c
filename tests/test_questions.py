"""What is attributed of each table, and that tokens add up to the margins and shifts that are asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of

from auditor.adapters.attribution.questions import Question, marked, output_attributions, questions_of
from auditor.core.items import Candidate, Item
from auditor.core.tables import ScoreTable, line_up

SERIES = series_of("base", "sft", "dpo")
WHO = (("x", "marked"), ("y", "marked"), ("r", "reference"))


def _items() -> list[Item]:
    sides = {"candidates": (Candidate("harmful", "are bad"), Candidate("affirming", "are kind"))}
    return [
        pair(f"{who}{at}", identity=who, role=role, cluster=str(at), match=str(at), **sides)
        for at in range(4)
        for who, role in WHO
    ]


def _logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
    seed = [ord(letter) for letter in checkpoint + item.id + label]
    return (-np.random.default_rng(seed).exponential(1, 7)).tolist()


def _table(*more: Item) -> ScoreTable:
    probe = probe_of(*_items(), *more)
    return line_up(probe, "plain", [FakeScorer(_logprobs).score(one, [probe]) for one in SERIES.checkpoints])


def _ask(table: ScoreTable, *checkpoints: str, **asked: object) -> list[Question]:
    options = {"identities": (), "clusters": 2, "top": 1, "seed": 0, **asked}
    return list(questions_of([table], SERIES, checkpoints, **options))  # type: ignore[arg-type]


def test_a_checkpoint_is_asked_about_with_what_it_was_trained_from() -> None:
    first, last = _ask(_table(), "base", "dpo")
    assert (first.checkpoints, last.checkpoints) == (("base",), ("dpo", "sft"))


def test_the_strongest_are_those_of_the_shift() -> None:
    table = _table()
    (asked,) = _ask(table, "dpo", clusters=0)
    margins = {name: table.sides.margins()[:, at] for at, name in enumerate(table.checkpoints)}
    shifts = margins["dpo"] - margins["sft"]
    rows = {item.id: at for at, item in enumerate(table.items)}
    excess = {name: shifts[at] - shifts[rows["r" + name[1:]]] for name, at in rows.items() if name[0] != "r"}
    largest = max(excess, key=lambda name: abs(excess[name]))
    assert sorted(table.items[at].id for at in asked.chosen.strongest) == sorted([largest, "r" + largest[1:]])


def test_parts_add_up_to_margins_and_shifts() -> None:
    table = _table()
    (asked,) = _ask(table, "dpo")
    found = list(output_attributions([asked]))
    # Both margins and the shift, each by token and by role.
    assert len(found) == 6 * len(asked.chosen.all)
    rows = {item.id: at for at, item in enumerate(table.items)}
    for one in found:
        expected = asked.margin(rows[one.item], one.checkpoint)
        if one.reference is not None:
            expected -= asked.margin(rows[one.item], one.reference)
        assert one.values.sum() == pytest.approx(expected, abs=1e-9)
        assert one.total == expected
    assert {(one.checkpoint, one.reference) for one in found} == {("dpo", None), ("sft", None), ("dpo", "sft")}


def test_what_was_drawn_is_told_from_what_was_picked() -> None:
    table = _table()
    (asked,) = _ask(table, "base", clusters=1, top=12)
    told = {one.item: one.sampled for one in marked([asked], output_attributions([asked]))}
    drawn = {table.items[at].id for at in asked.chosen.drawn}
    assert 0 < len(drawn) < len(told)
    assert {name for name, sampled in told.items() if sampled} == drawn


def test_what_two_questions_say_of_one_reference_is_said_once() -> None:
    branched = series_of("base", "one", "two", references={"two": "base"})
    probe = probe_of(*_items())
    table = line_up(probe, "plain", [FakeScorer(_logprobs).score(one, [probe]) for one in branched.checkpoints])
    asked = list(questions_of([table], branched, ("one", "two"), identities=(), clusters=4, top=0, seed=0))
    found = [*output_attributions(asked)]
    once = marked(asked, found)
    assert len(found) == 2 * 6 * 12
    # The margins of "base" stand in both.
    assert len(once) == len(found) - 2 * 12
    assert len({(one.item, *one.key) for one in once}) == len(once)


def test_nothing_is_asked_of_what_has_no_tokens_or_no_pairs() -> None:
    assert _ask(replace(_table(), kind="sum"), "dpo") == []
    answers = (Candidate("yes", "yes"), Candidate("no", "no"))
    probe = probe_of(pair("1", candidates=answers), pair("2", candidates=answers))
    scores = [FakeScorer(_logprobs).score(one, [probe]) for one in SERIES.checkpoints]
    assert _ask(line_up(probe, "plain", scores), "dpo") == []
