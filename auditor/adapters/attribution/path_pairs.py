"""Chosen pairs for the path between two checkpoints' weights, and what their parts say of each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from auditor.adapters.attribution.questions import Question
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.hf.weight_units import UnitLevel
from auditor.core.attributions import Attribution, Unit
from auditor.core.items import Item
from auditor.core.refusals import Refusal
from auditor.core.scores import FloatArray

PATH_LEVELS: tuple[UnitLevel, ...] = ("layer", "module", "head", "tensor")
# Names of the parts, and of each pair what they carry, nats, shape (pairs, names).
NamedParts = tuple[tuple[str, ...], FloatArray]
_OTHER_TOKENS = "the parts of a model were not told: the item has other token ids at the two checkpoints"


def _same_tokens(question: Question) -> Iterator[int]:
    """Places of the chosen items that have the same token ids at checkpoint and reference."""
    table = question.table
    codes = table.token_codes[:, [table.checkpoints.index(name) for name in question.checkpoints]]
    return (at for at in question.chosen.all.tolist() if (codes[at] == codes[at, 0]).all())


def _first_of(question: Question, at: int, *, baseline: bool = False) -> int | None:
    """The first sequence of an item or of its baseline, None where there is no baseline."""
    table = question.table
    rows = (table.baselines if baseline else table.scored)[question.checkpoint]
    place = int(rows.at[at])
    return int(rows.column.spans.firsts[place]) if place >= 0 else None


def _firsts(question: Question) -> dict[int, Item]:
    """First sequences of all items that are asked, and of their baselines, which have the same candidates."""
    found: dict[int, Item] = {}
    for at in _same_tokens(question):
        for first in (_first_of(question, at), _first_of(question, at, baseline=True)):
            if first is not None:
                found[first] = question.table.items[at]
    return found


def path_pairs(sequences: Sequences, questions: Sequence[Question]) -> tuple[Sequences, Mapping[int, int]]:
    """The two sides of every pair, harmful first; and by first sequence which of the pairs it is."""
    items: dict[int, Item] = {}
    for question in questions:
        items |= _firsts(question)
    firsts = sorted(items)
    positions: list[int] = []
    for first in firsts:
        pair = items[first].pair
        assert pair is not None, "only pairs are chosen"
        positions += [first + side for side in pair]
    return sequences.take(np.array(positions, dtype=np.int64)), {first: at for at, first in enumerate(firsts)}


def path_answers(
    question: Question, levels: Mapping[UnitLevel, NamedParts], places: Mapping[int, int]
) -> Iterator[Attribution]:
    """Every item's shift by layers, modules, heads and tensors.

    Args:
        levels: the parts of all pairs.
        places: which of the pairs each first sequence is, as `path_pairs` gives it.
    """
    table = question.table
    for at in _same_tokens(question):
        own, beside = _first_of(question, at), _first_of(question, at, baseline=True)
        assert own is not None, "an item has sequences"
        assert question.reference is not None, "a path has two ends"
        total = question.margin(at, question.checkpoint) - question.margin(at, question.reference)
        named = table.probe.name, table.items[at].id, table.render, question.checkpoint, question.reference
        for level, (names, values) in levels.items():
            shares = values[places[own]] - (0.0 if beside is None else values[places[beside]])
            units = tuple(Unit(number, name) for number, name in enumerate(names))
            yield Attribution(*named, "path", level, units, shares, total)


def other_tokens(question: Question) -> Iterator[Refusal]:
    """How many items were left out."""
    missing = len(question.chosen.all) - len(list(_same_tokens(question)))
    if missing:
        table = question.table
        yield Refusal(
            "tokens_differ",
            _OTHER_TOKENS,
            table.probe.name,
            render=table.render,
            checkpoint=question.checkpoint,
            count=missing,
        )
