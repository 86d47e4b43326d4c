"""Scores of one probe in one rendering, lined up over the series.

An item refused at any checkpoint is dropped at all of them, so that shifts telescope; so is one whose
baseline was. What a row with a baseline measures is the difference of the two margins, so the baseline is
subtracted here, once, and nothing downstream needs to know of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.core.items import Item, Probe
from auditor.core.measures import Measure
from auditor.core.naming import NameScores
from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores, FloatArray, Render, ScoredItem
from auditor.core.sides import Scoring, Sides, sides_of
from auditor.core.statistics import IntArray


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Items valid at every checkpoint, with their margins.

    Attributes:
        items: in the probe's order, length n; baselines and items that ask for names are not among them.
        scored: by checkpoint, each in the order of ``items``.
        sides: sums over the tokens of both sides, the item's baseline subtracted where it has one.
        token_codes: equal numbers mean equal token ids of the whole item (and of its baseline), shape (n,
            checkpoints).
        candidate_codes: equal numbers mean that rows of one match key may be compared, same shape: equal
            scored ids of the candidates, or a baseline in which what the candidates are drops out.
        names: log p(words of the identity | frame) in nats, same shape; NaN where it was not asked for.
        complete: every scored span includes the end of the turn.
        refusals: items whose baseline cannot be subtracted.
    """

    probe: Probe
    render: Render
    checkpoints: tuple[str, ...]
    items: tuple[Item, ...]
    scored: Mapping[str, tuple[ScoredItem, ...]]
    sides: Sides
    token_codes: IntArray
    candidate_codes: IntArray
    names: FloatArray
    complete: bool
    refusals: tuple[Refusal, ...] = ()

    @property
    def length_differences(self) -> FloatArray:
        """Scored tokens of the harmful side minus the other's at the last checkpoint, shape (n,); NaN for no pair."""
        tokens = self.sides.tokens[:, -1]
        difference: FloatArray = tokens[:, 0] - tokens[:, 1]
        return difference

    def values(self, measure: Measure, scoring: Scoring = "sum") -> FloatArray:
        """The measure of every item, shape (n,), in the measure's unit."""
        weights = np.array([measure.weights.get(name, 0.0) for name in self.checkpoints])
        margins = self.sides.margins_per_token() if measure.per_token else self.sides.margins(scoring)
        used = weights != 0
        values: FloatArray = margins[:, used] @ weights[used]
        return values

    def same_tokens(self, measure: Measure) -> NDArray[np.bool_]:
        """Which items have equal token ids at all checkpoints of the measure, shape (n,)."""
        codes = self.token_codes[:, [name in measure.weights for name in self.checkpoints]]
        same: NDArray[np.bool_] = (codes == codes[:, :1]).all(axis=1)
        return same


def line_up(probe: Probe, render: Render, scores: Sequence[CheckpointScores]) -> ScoreTable:
    """Line up one probe's scores over the checkpoints, dropping what any of them refused."""
    rows = {one.checkpoint: _rows(probe, render, one) for one in scores}
    columns = list(rows.values())
    # What the probe asks about: neither baselines nor names.
    asked = [
        item
        for item in probe.items
        if item.design != "naming" and not item.is_baseline and all(item.id in column for column in columns)
    ]
    items = tuple(item for item in asked if all(_has_baseline(item, column) for column in columns))
    scored = {name: tuple(column[item.id] for item in items) for name, column in rows.items()}
    pairs = [(column[item.id], column.get(item.baseline)) for column in columns for item in items]
    shape = (len(items), len(columns))
    return ScoreTable(
        probe,
        render,
        tuple(scored),
        items,
        scored,
        sides=_sides(columns, items),
        token_codes=codes_of(_token_key(*pair) for pair in pairs).reshape(shape[::-1]).T,
        candidate_codes=codes_of(_candidate_key(one) for one, _ in pairs).reshape(shape[::-1]).T,
        names=np.stack([NameScores.read(column.values()).of(items) for column in columns], axis=1),
        complete=all(one.complete for column in scored.values() for one in column),
        refusals=_refuse_baselines(probe, render, len(asked) - len(items)),
    )


def _rows(probe: Probe, render: Render, scores: CheckpointScores) -> dict[str, ScoredItem]:
    """One checkpoint's scored items of one probe and rendering, by id."""
    places = ((item.id, (probe.name, render, item.id)) for item in probe.items)
    return {item: scores.scored[place] for item, place in places if place in scores.scored}


def _has_baseline(item: Item, column: Mapping[str, ScoredItem]) -> bool:
    """No baseline is asked for, or it was scored with the same candidate tokens."""
    if not item.baseline:
        return True
    baseline = column.get(item.baseline)
    return baseline is not None and _candidate_ids(baseline) == _candidate_ids(column[item.id])


def _refuse_baselines(probe: Probe, render: Render, count: int) -> tuple[Refusal, ...]:
    if not count:
        return ()
    detail = "the row's baseline was refused or its candidates have other token ids there: nothing to subtract"
    return (Refusal("no_baseline", detail, probe.name, render=render, count=count),)


def _sides(columns: Sequence[Mapping[str, ScoredItem]], items: Sequence[Item]) -> Sides:
    own = sides_of([[column[item.id] for item in items] for column in columns], len(items))
    if not any(item.baseline for item in items):
        return own
    baselines = [[column.get(item.baseline) for item in items] for column in columns]
    return own.minus(sides_of(baselines, len(items)))


def codes_of(keys: Iterable[Hashable]) -> IntArray:
    """Number keys by first appearance: equal codes mean equal keys."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)


def _token_key(one: ScoredItem, baseline: ScoredItem | None) -> Hashable:
    return tuple(
        (candidate.prefix_ids.tobytes(), candidate.token_ids.tobytes())
        for row in (one, baseline)
        if row is not None
        for candidate in row.candidates
    )


def _candidate_key(one: ScoredItem) -> Hashable:
    return "a baseline of its own" if one.item.baseline else _candidate_ids(one)


def _candidate_ids(one: ScoredItem) -> tuple[tuple[str, bytes], ...]:
    return tuple((candidate.label, candidate.token_ids.tobytes()) for candidate in one.candidates)
