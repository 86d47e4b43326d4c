"""Chosen pairs for the path between two checkpoints' weights, and what their parts say of each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from auditor.adapters.attribution.questions import Question
from auditor.adapters.hf.path.weight_units import UnitLevel
from auditor.adapters.hf.sequences import Sequences
from auditor.core.attributions import ROUNDING_UNIT, Attribution, Unit
from auditor.core.items import Item
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import FloatArray

PATH_LEVELS: tuple[UnitLevel, ...] = ("layer", "module", "head", "tensor")
# Names of the parts, and of each pair what they carry, nats, shape (pairs, names).
NamedParts = tuple[tuple[str, ...], FloatArray]
_OTHER_TOKENS = "the parts of a model were not told: the item has other token ids at the two checkpoints"
_NOT_FINITE = "the parts of a model were not told: a gradient between the two checkpoints is not finite"


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
    question: Question,
    levels: Mapping[UnitLevel, NamedParts],
    places: Mapping[int, int],
    totals: FloatArray | None = None,
) -> tuple[tuple[Attribution, ...], tuple[Refusal, ...]]:
    """Every item's shift by layers, modules, heads and tensors, and how many items were left out.

    Args:
        levels: the parts of all pairs.
        places: which of the pairs each first sequence is, as `path_pairs` gives it.
        totals: what the parts of each pair are to add up to in float32, nats, shape (pairs,), where the run's scores
            are in half precision: what rounding did to an item's shift then is a part of its own. None where the
            run's scores are in float32 too.
    """
    table = question.table
    assert question.reference is not None, "a path has two ends"
    named = {level: tuple(Unit(at, name) for at, name in enumerate(names)) for level, (names, _) in levels.items()}
    rounding = () if totals is None else (Unit(-1, ROUNDING_UNIT),)
    same = list(_same_tokens(question))
    answers: list[Attribution] = []
    left_out = 0
    for at in same:
        total = question.margin(at, question.checkpoint) - question.margin(at, question.reference)
        off = np.zeros(0) if totals is None else total - _of(question, at, totals[:, None], places)
        about = table.probe.name, table.items[at].id, table.render, question.checkpoint, question.reference
        shares = {level: np.append(_of(question, at, values, places), off) for level, (_, values) in levels.items()}
        if all(np.isfinite(one).all() for one in shares.values()):
            answers += [
                Attribution(*about, "path", level, (*named[level], *rounding), one, total)
                for level, one in shares.items()
            ]
        else:
            left_out += 1
    refusals = (
        _refused(question, "tokens_differ", _OTHER_TOKENS, len(question.chosen.all) - len(same)),
        _refused(question, "not_finite", _NOT_FINITE, left_out),
    )
    return tuple(answers), tuple(one for one in refusals if one.count)


def _of(question: Question, at: int, numbers: FloatArray, places: Mapping[int, int]) -> FloatArray:
    """An item's numbers from those of all pairs, its baseline's subtracted."""
    own, beside = _first_of(question, at), _first_of(question, at, baseline=True)
    assert own is not None, "an item has sequences"
    found: FloatArray = numbers[places[own]] - (0.0 if beside is None else numbers[places[beside]])
    return found


def _refused(question: Question, reason: Reason, detail: str, count: int) -> Refusal:
    table = question.table
    return Refusal(reason, detail, table.probe.name, render=table.render, checkpoint=question.checkpoint, count=count)
