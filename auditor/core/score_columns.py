"""Scores of one checkpoint in flat arrays: what a million items need to fit into memory.

Objects of `auditor.core.scores` are made when somebody asks for one and kept by nobody. What the kernel needs of
every item (sums, codes) is read off the arrays (`auditor.core.column_sums`, `auditor.core.column_codes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from auditor.core.items import Item, Probe
from auditor.core.scores import CandidateScore, IntArray, Render, ScoredItem, ScoreKind

Mask = NDArray[np.bool_]
# Vocabularies and texts end far below 2^31.
Small = NDArray[np.int32]
# In float32 from a log-softmax in float32, which loses nothing.
Logprobs = NDArray[np.float32] | NDArray[np.float64]
# Names of the probe, the rendering and the item.
Key = tuple[str, Render, str]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Candidates as one tokenizer cuts them: n sequences, of which all tokens from their start on are scored, k in all.

    Attributes:
        ids: token ids of all sequences, one after the other.
        bounds: where each begins in ``ids``, and where the last ends, shape (n + 1,).
        starts: index of the first scored token within its sequence, shape (n,).
        scored: where the scored tokens of each begin among all scored tokens, and the end, shape (n + 1,).
        begins: first character of each scored token in its candidate's text, clipped to it, shape (k,).
        ends: one past the last, same shape.
        n_bytes: UTF-8 bytes of each candidate's text, shape (n,).
        vocabulary: names of tokens.
        named: which name each scored token has, shape (k,); None: that of its id.
        n_tokens: how many tokens each candidate has where one number stands for them all, shape (n,); None where each
            has a number of its own, or where they are not known.
    """

    ids: Small
    bounds: IntArray
    starts: IntArray
    scored: IntArray
    begins: Small
    ends: Small
    n_bytes: Small
    vocabulary: Sequence[str]
    named: Small | None = None
    n_tokens: IntArray | None = None

    def names(self, at: int) -> tuple[str, ...]:
        """The tokenizer's names of the scored tokens of one sequence."""
        if self.named is not None:
            codes = self.named[self.scored[at] : self.scored[at + 1]]
        else:
            codes = self.ids[self.bounds[at] + self.starts[at] : self.bounds[at + 1]]
        return tuple(map(self.vocabulary.__getitem__, codes.tolist()))

    def lengths_of(self, first: int, end: int) -> IntArray:
        """How many tokens are scored of each sequence from ``first`` to ``end``, shape (end - first,)."""
        return np.diff(self.scored[first : end + 1])


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """The m items of one probe that one tokenizer can cut in one rendering.

    Attributes:
        items: those of the probe, or more than these m.
        rows: places of the m in ``items``, shape (m,).
        firsts: the first sequence of each in ``cuts``, and the end; those of an item stand together, shape (m + 1,).
        straddles, complete: as in `ScoredItem`, shape (m,).
        context_of: the rendered text before the candidates of one of the m.
        kind: as in `ScoredItem`, of all of them.
    """

    render: Render
    items: Sequence[Item]
    rows: IntArray
    firsts: IntArray
    straddles: Mask
    complete: Mask
    context_of: Callable[[int], str]
    cuts: Cuts
    kind: ScoreKind = "tokens"

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, at: int) -> Item:
        """One of the m items."""
        return self.items[int(self.rows[at])]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One probe in one rendering at one checkpoint.

    Attributes:
        spans: one object for checkpoints whose tokenizers agree.
        logprobs: of all scored tokens of ``spans.cuts``, nats, shape (k,).
        kept: which of the m items have a score, shape (m,).
    """

    spans: Spans
    logprobs: Logprobs
    kept: Mask

    @classmethod
    def of(cls, scored: Sequence[ScoredItem]) -> Column:
        """Flat arrays from objects."""
        candidates = [one for item in scored for one in item.candidates]
        firsts = _bounds(len(item.candidates) for item in scored)
        codes: dict[str, int] = {}
        named = [codes.setdefault(name, len(codes)) for one in candidates for name in one.tokens]
        counts = [one.n_tokens for one in candidates if one.n_tokens is not None]
        cuts = Cuts(
            ids=_flat(chain.from_iterable((one.prefix_ids, one.token_ids) for one in candidates), np.int32),
            bounds=_bounds(len(one.prefix_ids) + len(one.token_ids) for one in candidates),
            starts=np.array([len(one.prefix_ids) for one in candidates], dtype=np.int64),
            scored=_bounds(len(one.logprobs) for one in candidates),
            begins=_flat((one.starts for one in candidates), np.int32),
            ends=_flat((one.ends for one in candidates), np.int32),
            n_bytes=np.array([one.n_bytes for one in candidates], dtype=np.int32),
            vocabulary=tuple(codes),
            named=np.array(named, dtype=np.int32),
            n_tokens=np.array(counts, dtype=np.int64) if counts and len(counts) == len(candidates) else None,
        )
        spans = Spans(
            render=scored[0].render if scored else "plain",
            items=tuple(one.item for one in scored),
            rows=np.arange(len(scored), dtype=np.int64),
            firsts=firsts,
            straddles=np.array([one.straddles for one in scored], dtype=bool),
            complete=np.array([one.complete for one in scored], dtype=bool),
            context_of=[one.context for one in scored].__getitem__,
            cuts=cuts,
            kind=scored[0].kind if scored else "tokens",
        )
        logprobs = _flat((one.logprobs for one in candidates), np.float64)
        return cls(spans, logprobs, np.ones(len(scored), dtype=bool))

    def scored(self, at: int) -> ScoredItem:
        """One of the m items as an object."""
        spans = self.spans
        item = spans.item(at)
        first = int(spans.firsts[at])
        return ScoredItem(
            item,
            spans.render,
            spans.context_of(at),
            tuple(self._candidate(first + place, one.label) for place, one in enumerate(item.candidates)),
            bool(spans.straddles[at]),
            bool(spans.complete[at]),
            spans.kind,
        )

    def _candidate(self, at: int, label: str) -> CandidateScore:
        cuts = self.spans.cuts
        first, end = cuts.bounds[at], cuts.bounds[at + 1]
        start = first + cuts.starts[at]
        scored = slice(cuts.scored[at], cuts.scored[at + 1])
        return CandidateScore(
            label,
            cuts.ids[first:start].astype(np.int64),
            cuts.ids[start:end].astype(np.int64),
            cuts.names(at),
            cuts.begins[scored].astype(np.int64),
            cuts.ends[scored].astype(np.int64),
            self.logprobs[scored].astype(np.float64),
            int(cuts.n_bytes[at]),
            None if cuts.n_tokens is None else int(cuts.n_tokens[at]),
        )


class ScoreColumns(Mapping[Key, ScoredItem]):
    """All scores of one checkpoint, by probe, rendering and item id, as a mapping that makes its values on demand.

    Args:
        columns: by probe and rendering, in the order they were scored.
    """

    def __init__(self, columns: Mapping[tuple[str, Render], Column]) -> None:
        self.columns = columns
        self._places: dict[tuple[str, Render], dict[str, int]] = {}

    @classmethod
    def of(cls, scored: Mapping[Key, ScoredItem]) -> ScoreColumns:
        """From any mapping; one of this kind as it is."""
        if isinstance(scored, cls):
            return scored
        groups: dict[tuple[str, Render], list[ScoredItem]] = {}
        for (probe, render, _), one in scored.items():
            groups.setdefault((probe, render), []).append(one)
        return cls({place: Column.of(own) for place, own in groups.items()})

    def __getitem__(self, key: Key) -> ScoredItem:
        probe, render, item = key
        column = self.columns[probe, render]
        if (probe, render) not in self._places:
            self._places[probe, render] = {column.spans.item(at).id: at for at in np.flatnonzero(column.kept).tolist()}
        return column.scored(self._places[probe, render][item])

    def __iter__(self) -> Iterator[Key]:
        for (probe, render), column in self.columns.items():
            for at in np.flatnonzero(column.kept).tolist():
                yield probe, render, column.spans.item(at).id

    def __len__(self) -> int:
        return sum(int(column.kept.sum()) for column in self.columns.values())


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some items of a column, in an order.

    Attributes:
        at: places among the m items of ``column.spans``, -1 for none, shape (n,).
    """

    column: Column
    at: IntArray

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, position: int) -> ScoredItem:
        return self.column.scored(int(self.at[position]))

    def __iter__(self) -> Iterator[ScoredItem]:
        return (self[position] for position in range(len(self)))

    def take(self, positions: IntArray) -> Rows:
        """Some of them, in the order named; none where a position is -1."""
        return Rows(self.column, np.where(positions < 0, -1, self.at[positions]))


def rows_of(scored: Mapping[Key, ScoredItem], probe: Probe, render: Render) -> Rows:
    """The scores of one probe in one rendering in the order of its items, none for those that were not scored."""
    at = np.full(len(probe.items), -1, dtype=np.int64)
    if not isinstance(scored, ScoreColumns):
        keys = ((place, (probe.name, render, item.id)) for place, item in enumerate(probe.items))
        found = [(place, scored[key]) for place, key in keys if key in scored]
        at[[place for place, _ in found]] = np.arange(len(found))
        return Rows(Column.of([one for _, one in found]), at)
    column = scored.columns.get((probe.name, render))
    if column is None:
        return Rows(Column.of([]), at)
    kept = np.flatnonzero(column.kept)
    if column.spans.items is probe.items:
        at[column.spans.rows[kept]] = kept
    else:
        places = {item.id: place for place, item in enumerate(probe.items)}
        for one in kept.tolist():
            place = places.get(column.spans.item(one).id)
            if place is not None:
                at[place] = one
    return Rows(column, at)


def _bounds(lengths: Iterable[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(np.fromiter(lengths, dtype=np.int64))]).astype(np.int64)


def _flat(parts: Iterable[NDArray[Any]], dtype: type[_Number]) -> NDArray[_Number]:
    listed = list(parts)
    return np.concatenate(listed).astype(dtype) if listed else np.array([], dtype=dtype)
