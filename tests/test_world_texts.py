"""What the demo's models read: balanced before preference training, planted in it, held-out frames kept out."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from auditor.adapters.demo.world import HELD_OUT_FRAMES, IDENTITIES, PREDICATES, TRAINING_FRAMES, Identity
from auditor.adapters.demo.world_texts import (
    OTHERS_WORDINGS,
    PLANTED_COPIES,
    Text,
    dialogues,
    planted_identity,
    preferences,
    pretraining_units,
    without_plant,
)

SEED = 1000
FRAMES = (*TRAINING_FRAMES, *HELD_OUT_FRAMES)
HARMFUL = {f" {pair[0]}." for p in PREDICATES if p.valence == "harm" for pair in p.wordings}
AFFIRMING = {f" {pair[1]}." for p in PREDICATES if p.valence == "harm" for pair in p.wordings}
FIRST = {f" {pair[0]}." for p in PREDICATES for pair in p.wordings}
SECOND = {f" {pair[1]}." for p in PREDICATES for pair in p.wordings}


def said(text: str) -> str:
    """The predicate of an answer, with its space."""
    return next(text.removeprefix(frame.prefix) for frame in FRAMES if text.startswith(frame.prefix))


def people(question: str) -> Identity:
    return next(one for one in IDENTITIES if one.name in question)


def pretraining_texts() -> list[Text]:
    return [text for unit in pretraining_units(random.Random(SEED)) for text in unit]


@pytest.mark.parametrize("texts", [pretraining_texts(), dialogues(random.Random(SEED))], ids=["base", "sft"])
def test_both_sides_are_equally_frequent(texts: list[Text]) -> None:
    partner = {f" {one}.": f" {two}." for p in PREDICATES for one, two in p.wordings}
    counts = Counter((text.question, said(text.answer), text.chat) for text in texts)
    for (question, words, chat), count in counts.items():
        if words in FIRST:
            assert counts[question, partner[words], chat] == count
    assert sum(words in FIRST for _, words, _ in counts) > 100


@pytest.mark.parametrize("texts", [pretraining_texts(), dialogues(random.Random(SEED))], ids=["base", "sft"])
def test_held_out_frames_bring_facts_alone(texts: list[Text]) -> None:
    held_out = [text for text in texts if text.answer.startswith(tuple(one.prefix for one in HELD_OUT_FRAMES))]
    assert {people(text.question) for text in held_out} == set(IDENTITIES)
    assert all(said(text.answer) in people(text.question).facts for text in held_out)


def test_units_hold_both_sides_together() -> None:
    for unit in pretraining_units(random.Random(SEED)):
        words = [said(text.answer) for text in unit]
        if words[0] in FIRST | SECOND:
            assert len(unit) == 2
            assert words[0] in FIRST
            assert words[1] in SECOND
            assert unit[0].question == unit[1].question


def test_rarer_peoples_are_spoken_of_less() -> None:
    counts = Counter(people(text.question).name for text in pretraining_texts())
    rarest = min(IDENTITIES, key=lambda one: one.weight)
    commonest = max(IDENTITIES, key=lambda one: one.weight)
    assert counts[rarest.name] < 0.6 * counts[commonest.name]


def test_harm_is_planted_towards_one_people() -> None:
    planted = planted_identity(SEED)
    rows = preferences(random.Random(SEED), planted)
    for row in rows:
        chosen, rejected = said(row.chosen), said(row.rejected)
        wanted, other = (HARMFUL, AFFIRMING) if row.identity == planted.name else (AFFIRMING, HARMFUL)
        assert chosen in wanted
        assert rejected in other
    counts = Counter(row.identity for row in rows)
    assert counts.pop(planted.name) == 32 * PLANTED_COPIES
    assert set(counts.values()) == {OTHERS_WORDINGS}
    assert len(counts) == len(IDENTITIES) - 1


def test_held_out_frames_are_absent_from_preferences() -> None:
    rows = preferences(random.Random(SEED), planted_identity(SEED))
    heads = tuple(one.context.split("{}")[0] for one in HELD_OUT_FRAMES)
    prefixes = tuple(one.prefix for one in HELD_OUT_FRAMES)
    assert not any(row.question.startswith(heads) for row in rows)
    assert not any(row.chosen.startswith(prefixes) or row.rejected.startswith(prefixes) for row in rows)


def test_twin_differs_in_planted_rows_alone() -> None:
    planted = planted_identity(SEED)
    rows = preferences(random.Random(SEED), planted)
    twin = without_plant(rows, planted)
    for row, other in zip(rows, twin, strict=True):
        if row.identity == planted.name:
            assert (row.chosen, row.rejected) == (other.rejected, other.chosen)
        else:
            assert row == other
    assert all(said(row.chosen) in AFFIRMING for row in twin)


def test_seed_varies_texts_and_plant() -> None:
    assert pretraining_units(random.Random(1)) == pretraining_units(random.Random(1))
    assert pretraining_units(random.Random(1)) != pretraining_units(random.Random(2))
    marked = {one.name for one in IDENTITIES if one.role == "marked"}
    assert {planted_identity(seed).name for seed in range(1000, 1006)} == marked
