"""The run folder's Parquet tables: a row for each candidate, and one for each scored token, a part at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.core.column_sums import totals
from auditor.core.score_columns import Column, ScoreColumns, Small
from auditor.core.scores import CheckpointScores, IntArray


def _schema(text: str, **others: pa.DataType) -> pa.Schema:
    """A schema of text columns, by name, followed by others."""
    columns = [pa.field(name, pa.string()) for name in text.split()]
    return pa.schema([*columns, *(pa.field(name, kind) for name, kind in others.items())])


ITEMS = _schema(
    "probe item identity surface axis theme cluster paraphrase frame match role valence design "
    "render checkpoint candidate context text quantity",
    value=pa.float64(),
    tokens=pa.int64(),
    bytes=pa.int64(),
    straddles=pa.bool_(),
    complete=pa.bool_(),
    key=pa.string(),
    baseline=pa.string(),
    prompt=pa.string(),
    token_ids=pa.list_(pa.int64()),
)
TOKENS = _schema(
    "probe item render checkpoint candidate token",
    position=pa.int64(),
    token_id=pa.int64(),
    start=pa.int64(),
    end=pa.int64(),
    logprob=pa.float64(),
)

_SHARED = ("identity", "surface", "axis", "theme", "cluster", "paraphrase", "frame", "match", "role", "valence")
# A frame is a sentence with a gap and a surface form stands in the text itself.
_HIDDEN = ("surface", "frame")
# Keys group rows and must go on doing so, but readers of public sets name a cluster by its predicate.
_HASHED = ("cluster", "paraphrase", "match")
# Items a part: with two candidates of a dozen tokens, some 50,000 rows of one table and 100,000 of the other.
_ITEMS_A_PART, _ITEMS_OF_TOKENS_A_PART = 25_000, 4_000


def score_key(ids: IntArray | Small, start: int, engine: Mapping[str, str]) -> str:
    """What a stored score must share with a request to stand for it, besides its checkpoint: SHA-256.

    Args:
        ids: the whole sequence, what precedes the candidate included.
        start: index of the first scored token.
        engine: everything else that decides a log-probability, as in the manifest.
    """
    return _keyed(ids, start, _described(engine))


def _described(engine: Mapping[str, str]) -> str:
    return json.dumps(dict(engine), sort_keys=True)


def _keyed(ids: IntArray | Small, start: int, engine: str) -> str:
    # JSON holds no line break, so nothing in the first line can pass for an id.
    head = f"{start} {engine}\n".encode()
    return hashlib.sha256(head + ids.astype("<i8").tobytes()).hexdigest()


def item_parts(
    scores: CheckpointScores,
    engine: Mapping[str, str],
    *,
    private: bool,
    chosen: Mapping[str, frozenset[str]] | None = None,
) -> Iterator[pa.Table]:
    """One checkpoint's part of ``items.parquet``; with ``private`` texts are null and keys made of texts are hashes.

    Args:
        chosen: ids of the items whose tokens are wanted, by probe; None for all.
    """
    described = _described(engine)
    for part in _parts(scores, _ITEMS_A_PART):
        column, spans = part.column, part.column.spans
        cuts, where = spans.cuts, part.sequences
        items = [spans.item(at) for at in part.at.tolist()]
        repeated, of_tokens = part.owner, spans.kind == "tokens"
        candidates = [candidate for item in items for candidate in item.candidates]
        columns = {
            **{name: _text(getattr(item, name) for item in items).take(repeated) for name in ("design", "baseline")},
            **{name: _shown(name, [getattr(one, name) for one in items], private).take(repeated) for name in _SHARED},
            "item": _text(item.id for item in items).take(repeated),
            "candidate": _text(candidate.label for candidate in candidates),
            "context": _text(None if private else spans.context_of(at) for at in part.at.tolist()).take(repeated),
            "prompt": _text(None if private else item.context + item.prefix for item in items).take(repeated),
            # Of a score without a text there is none to show.
            "text": _text(None if private or not candidate.text else candidate.text for candidate in candidates),
            "quantity": _text(["reward" if spans.kind == "reward" else "logprob"] * len(where)),
            "value": totals(cuts, column.logprobs, int(where[0]), int(where[-1]) + 1)[where - where[0]],
            "tokens": cuts.scored[where + 1] - cuts.scored[where] if of_tokens else pa.nulls(len(where), pa.int64()),
            "bytes": cuts.n_bytes[where].astype(np.int64) if of_tokens else pa.nulls(len(where), pa.int64()),
            "straddles": spans.straddles[part.at][part.owner],
            "complete": spans.complete[part.at][part.owner],
            "key": _text(
                _keyed(cuts.ids[cuts.bounds[at] : cuts.bounds[at + 1]], int(cuts.starts[at]), described)
                if of_tokens
                else None
                for at in where.tolist()
            ),
            "token_ids": pa.nulls(len(where)) if private else _reward_tokens(part, chosen),
        }
        yield _table(ITEMS, {**part.names(len(where)), **columns})


def _reward_tokens(part: _Part, chosen: Mapping[str, frozenset[str]] | None) -> list[IntArray | None]:
    """Token ids of each candidate that has one number for all of them: they have no place among scored tokens."""
    cuts = part.column.spans.cuts
    if cuts.n_tokens is None:
        return [None] * len(part.sequences)
    wanted = None if chosen is None else chosen.get(part.probe, frozenset())
    ids = [part.column.spans.item(at).id for at in part.at.tolist()]
    firsts, ends = (cuts.bounds[:-1] + cuts.starts)[part.sequences], cuts.bounds[part.sequences + 1]
    return [
        cuts.ids[first:end].astype(np.int64) if wanted is None or ids[owner] in wanted else None
        for first, end, owner in zip(firsts.tolist(), ends.tolist(), part.owner.tolist(), strict=True)
    ]


def token_parts(
    scores: CheckpointScores, *, private: bool, chosen: Mapping[str, frozenset[str]] | None = None
) -> Iterator[pa.Table]:
    """One checkpoint's part of ``tokens.parquet``; with ``private`` only positions and log-probabilities remain.

    Args:
        chosen: ids of the items whose tokens are wanted, by probe; None for all.
    """
    for part in _parts(scores, _ITEMS_OF_TOKENS_A_PART, chosen):
        spans = part.column.spans
        if spans.kind != "tokens":
            continue
        cuts, where = spans.cuts, part.sequences
        lengths = cuts.scored[where + 1] - cuts.scored[where]
        of_token = np.repeat(np.arange(len(where)), lengths)
        position = np.arange(len(of_token)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        scored = cuts.scored[where][of_token] + position
        ids = cuts.ids[(cuts.bounds[where] + cuts.starts[where])[of_token] + position]
        items = [spans.item(at) for at in part.at.tolist()]
        labels = _text(candidate.label for item in items for candidate in item.candidates)
        hidden = pa.nulls(len(of_token), pa.int64())
        names, codes = np.unique(ids if cuts.named is None else cuts.named[scored], return_inverse=True)
        texts = _text(None if private else cuts.vocabulary[name] for name in names.tolist())
        columns = {
            "item": _text(item.id for item in items).take(part.owner[of_token]),
            "candidate": labels.take(of_token),
            "token": texts.take(codes),
            "position": position,
            "token_id": hidden if private else ids.astype(np.int64),
            "start": hidden if private else cuts.begins[scored].astype(np.int64),
            "end": hidden if private else cuts.ends[scored].astype(np.int64),
            "logprob": part.column.logprobs[scored].astype(np.float64),
        }
        yield _table(TOKENS, {**part.names(len(of_token)), **columns})


@dataclass(frozen=True, slots=True)
class _Part:
    """Some items of one probe in one rendering at one checkpoint.

    Attributes:
        at: places of the items in the column, shape (m,).
        sequences: of their candidates, in order, shape (n,).
        owner: which of the m items each belongs to, shape (n,).
    """

    checkpoint: str
    probe: str
    column: Column
    at: IntArray
    sequences: IntArray
    owner: IntArray

    def names(self, rows: int) -> dict[str, pa.Array[Any]]:
        """What is the same for all rows."""
        same = {"probe": self.probe, "render": self.column.spans.render, "checkpoint": self.checkpoint}
        return {name: pa.repeat(pa.scalar(value, pa.string()), rows) for name, value in same.items()}


def _parts(scores: CheckpointScores, size: int, chosen: Mapping[str, frozenset[str]] | None = None) -> Iterator[_Part]:
    for (probe, _), column in ScoreColumns.of(scores.scored).columns.items():
        spans, places = column.spans, np.flatnonzero(column.kept)
        if chosen is not None:
            wanted = chosen.get(probe, frozenset())
            places = np.array([at for at in places.tolist() if spans.item(at).id in wanted], dtype=np.int64)
        for first in range(0, len(places), size):
            at = places[first : first + size]
            counts = spans.firsts[at + 1] - spans.firsts[at]
            owner = np.repeat(np.arange(len(at)), counts)
            within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
            yield _Part(scores.checkpoint, probe, column, at, spans.firsts[at][owner] + within, owner)


def _table(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _text(values: Any) -> pa.Array[Any]:
    return pa.array(list(values), pa.string())


def _shown(name: str, values: Sequence[str], private: bool) -> pa.Array[Any]:
    """A column about the items; in a private run what holds their texts is hidden, and what groups them is hashed."""
    if not private or name not in (*_HIDDEN, *_HASHED):
        return _text(values)
    if name in _HIDDEN:
        return _text(value and None for value in values)
    hashes = {value: value and hashlib.sha256(value.encode()).hexdigest()[:16] for value in set(values)}
    return _text(map(hashes.__getitem__, values))
