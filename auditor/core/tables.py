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

from auditor.core.column_codes import candidate_codes, same_tokens
from auditor.core.items import Item, Probe
from auditor.core.measures import Measure
from auditor.core.naming import NameScores, name_table
from auditor.core.refusals import Refusal
from auditor.core.row_groups import Cell, cells_of
from auditor.core.score_columns import Rows, rows_of
from auditor.core.scores import CheckpointScores, FloatArray, Render, ScoreKind
from auditor.core.sides import Scoring, Sides, sides_of
from auditor.core.statistics import IntArray


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Items valid at every checkpoint, with their margins.

    Attributes:
        items: in the probe's order, length n; baselines and items that ask for names are not among them.
        scored: by checkpoint, each in the order of ``items``, made when it is asked for.
        baselines: likewise the rows that are subtracted from them, none for an item without one.
        sides: sums over the tokens of both sides, the item's baseline subtracted where it has one.
        token_codes: equal numbers in a row mean equal token ids of the whole item (and of its baseline), shape (n,
            checkpoints).
        candidate_codes: equal numbers in a column mean that rows of one match key may be compared, same shape: equal
            scored ids of the candidates, or a baseline in which what the candidates are drops out.
        names: log p(words of the identity | frame) in nats, same shape; NaN where it was not asked for, and of rewards,
            which say of no name how likely it is.
        straddles: at some checkpoint a token holds characters of both context and candidate, shape (n,).
        complete: every scored span includes the end of the turn.
        cells: the rows that answer one question each.
        refusals: items whose baseline cannot be subtracted.
        kind: what the scores are, at all checkpoints.
    """

    probe: Probe
    render: Render
    checkpoints: tuple[str, ...]
    items: tuple[Item, ...]
    scored: Mapping[str, Rows]
    baselines: Mapping[str, Rows]
    sides: Sides
    token_codes: IntArray
    candidate_codes: IntArray
    names: FloatArray
    straddles: NDArray[np.bool_]
    complete: bool
    cells: tuple[Cell, ...]
    refusals: tuple[Refusal, ...] = ()
    kind: ScoreKind = "tokens"

    @property
    def length_differences(self) -> FloatArray:
        """Tokens of the harmful side minus the other's at the last checkpoint, shape (n,).

        NaN for no pair, and where scores do not say how many tokens they are of.
        """
        lengths = self.sides.lengths[:, -1]
        difference: FloatArray = lengths[:, 0] - lengths[:, 1]
        return difference

    def names_at(self, checkpoint: str) -> FloatArray | None:
        """log p(words of the identity | frame) of every item, shape (n,); None of rewards, which give names none."""
        return None if self.kind == "reward" else self.names[:, self.checkpoints.index(checkpoint)]

    def values(self, measure: Measure, scoring: Scoring = "sum") -> FloatArray:
        """The measure of every item, shape (n,), in the measure's unit."""
        weights = np.array([measure.weights.get(name, 0.0) for name in self.checkpoints])
        margins = self.sides.margins_per_token() if measure.per_token else self.sides.margins(scoring)
        return weighted(margins, weights)

    def same_tokens(self, measure: Measure) -> NDArray[np.bool_]:
        """Which items have equal token ids at all checkpoints of the measure, shape (n,)."""
        codes = self.token_codes[:, [name in measure.weights for name in self.checkpoints]]
        same: NDArray[np.bool_] = (codes == codes[:, :1]).all(axis=1)
        return same


def weighted(margins: FloatArray, weights: FloatArray) -> FloatArray:
    """Sums over checkpoints of numbers of shape (n, checkpoints), shape (n,).

    What all weights share, such as beta, is multiplied last: rounded first, it would make a difference of equals.
    """
    used = weights != 0
    scale = np.abs(weights).max()
    sums: FloatArray = (margins[:, used] @ (weights[used] / scale)) * scale
    return sums


def line_up(probe: Probe, render: Render, scores: Sequence[CheckpointScores]) -> ScoreTable:
    """Line up one probe's scores over the checkpoints, dropping what any of them refused."""
    whole = [rows_of(one.scored, probe, render) for one in scores]
    candidates = [candidate_codes(rows) for rows in whole]
    there = np.all([rows.at >= 0 for rows in whole], axis=0)
    # What the probe asks about: neither baselines nor names.
    asked = [at for at in np.flatnonzero(there).tolist() if _is_asked(probe.items[at])]
    places, baselines = _with_baselines(probe, asked, candidates)
    items = tuple(probe.items[at] for at in places.tolist())
    columns = [rows.take(places) for rows in whole]
    beside = [rows.take(baselines) for rows in whole]
    sides = sides_of(columns)
    subtracted = baselines >= 0
    return ScoreTable(
        probe,
        render,
        tuple(one.checkpoint for one in scores),
        items,
        {one.checkpoint: rows for one, rows in zip(scores, columns, strict=True)},
        {one.checkpoint: rows for one, rows in zip(scores, beside, strict=True)},
        sides=sides.minus(sides_of(beside)) if subtracted.any() else sides,
        token_codes=_token_codes(columns, beside),
        candidate_codes=np.stack([np.where(subtracted, -1, codes[places]) for codes in candidates], axis=1),
        names=name_table([_names(probe, rows) for rows in whole], items),
        straddles=np.any([rows.column.spans.straddles[rows.at] for rows in columns], axis=0),
        complete=all(bool(rows.column.spans.complete[rows.at].all()) for rows in columns),
        cells=cells_of(items),
        refusals=_refuse_baselines(probe, render, len(asked) - len(items)),
        kind=columns[0].column.spans.kind,
    )


def _is_asked(item: Item) -> bool:
    return item.design != "naming" and not item.is_baseline


def _with_baselines(probe: Probe, asked: Sequence[int], candidates: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Places of the items whose baseline, if they ask for one, has their candidates' tokens everywhere; and of that.

    Returns:
        Shape (n,) each; -1 where no baseline is asked for.
    """
    everything = np.array(asked, dtype=np.int64)
    if not any(probe.items[at].baseline for at in asked):
        return everything, np.full(len(everything), -1)
    places = {item.id: at for at, item in enumerate(probe.items)}
    ids = [probe.items[at].baseline for at in asked]
    named = np.array([bool(one) for one in ids])
    found = np.array([places.get(one, -1) for one in ids], dtype=np.int64)
    same = np.all([(codes[found] == codes[everything]) & (found >= 0) for codes in candidates], axis=0)
    usable = ~named | same
    return everything[usable], np.where(named, found, -1)[usable]


def _token_codes(columns: Sequence[Rows], baselines: Sequence[Rows]) -> IntArray:
    """The first checkpoint at which each item has the token ids that it has here, shape (n, checkpoints)."""
    codes = np.tile(np.arange(len(columns)), (len(columns[0]), 1))
    for later in range(len(columns)):
        for earlier in range(later):
            same = same_tokens(columns[earlier], columns[later]) & same_tokens(baselines[earlier], baselines[later])
            codes[same, later] = np.minimum(codes[same, later], codes[same, earlier])
    return codes


def _names(probe: Probe, rows: Rows) -> NameScores:
    if rows.column.spans.kind == "reward":
        return NameScores({})
    asked = [at for at, item in enumerate(probe.items) if item.design == "naming" and rows.at[at] >= 0]
    return NameScores.read(rows[at] for at in asked)


def _refuse_baselines(probe: Probe, render: Render, count: int) -> tuple[Refusal, ...]:
    if not count:
        return ()
    detail = "the row's baseline was refused or its candidates have other token ids there: nothing to subtract"
    return (Refusal("no_baseline", detail, probe.name, render=render, count=count),)


def codes_of(keys: Iterable[Hashable]) -> IntArray:
    """Number keys by first appearance: equal codes mean equal keys."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)
