"""The run folder's Parquet tables: a row for each candidate, and one for each scored token."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from auditor.core.scores import CandidateScore, CheckpointScores, FloatArray, IntArray, ScoredItem


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

# (probe, item, render, candidate): the place of a score at one checkpoint.
Place = tuple[str, str, str, str]


def score_key(ids: IntArray, start: int, engine: Mapping[str, str]) -> str:
    """What a stored score must share with a request to stand for it, besides its checkpoint: SHA-256.

    Args:
        ids: the whole sequence, what precedes the candidate included.
        start: index of the first scored token.
        engine: everything else that decides a log-probability, as in the manifest.
    """
    # JSON holds no line break, so nothing in the first line can pass for an id.
    head = f"{start} {json.dumps(dict(engine), sort_keys=True)}\n".encode()
    return hashlib.sha256(head + ids.astype("<i8").tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredScores:
    """Scores of one checkpoint that an earlier run kept.

    Attributes:
        engine: that of the run that asks now.
        kept: key and log-probabilities of each candidate.
    """

    engine: Mapping[str, str]
    kept: Mapping[Place, tuple[str, FloatArray]]

    def find(self, place: Place, ids: IntArray, start: int) -> FloatArray | None:
        """The log-probabilities of exactly these tokens, None where others were scored or none."""
        key, logprobs = self.kept.get(place, ("", None))
        return logprobs if key == score_key(ids, start, self.engine) else None


def items_table(scores: Sequence[CheckpointScores], engine: Mapping[str, str], *, private: bool) -> pa.Table:
    """``items.parquet``; with ``private`` texts are null and keys made of texts are hashes."""
    rows = [
        _item_row(probe, one.checkpoint, scored, at, private) | {"key": _key(scored.candidates[at], engine)}
        for one in scores
        for (probe, _, _), scored in one.scored.items()
        for at in range(len(scored.candidates))
    ]
    return pa.Table.from_pylist(rows, schema=ITEMS)


def _key(score: CandidateScore, engine: Mapping[str, str]) -> str:
    return score_key(np.concatenate([score.prefix_ids, score.token_ids]), len(score.prefix_ids), engine)


def _item_row(probe: str, checkpoint: str, scored: ScoredItem, at: int, private: bool) -> dict[str, Any]:
    item, score = scored.item, scored.candidates[at]
    return {
        "probe": probe,
        "item": item.id,
        **{name: _shown(name, getattr(item, name), private) for name in _SHARED},
        "render": scored.render,
        "checkpoint": checkpoint,
        "candidate": score.label,
        "context": None if private else scored.context,
        "text": None if private else item.candidates[at].text,
        "quantity": "logprob",
        "value": score.total,
        "tokens": len(score.token_ids),
        "bytes": score.n_bytes,
        "design": item.design,
        "straddles": scored.straddles,
        "complete": scored.complete,
        "baseline": item.baseline,
        "prompt": None if private else item.context + item.prefix,
    }


def _shown(name: str, value: str, private: bool) -> str | None:
    if not (private and value):
        return value
    if name in _HIDDEN:
        return None
    return hashlib.sha256(value.encode()).hexdigest()[:16] if name in _HASHED else value


def tokens_table(scores: Sequence[CheckpointScores], *, private: bool) -> pa.Table:
    """``tokens.parquet``; with ``private`` only positions and log-probabilities remain."""
    columns: dict[str, list[Any]] = {name: [] for name in TOKENS.names}
    for checkpoint, probe, scored, score in _candidates(scores):
        n = len(score.token_ids)
        hidden = [None] * n
        columns["probe"] += [probe] * n
        columns["item"] += [scored.item.id] * n
        columns["render"] += [scored.render] * n
        columns["checkpoint"] += [checkpoint] * n
        columns["candidate"] += [score.label] * n
        columns["position"] += range(n)
        columns["token_id"] += hidden if private else score.token_ids.tolist()
        columns["token"] += hidden if private else score.tokens
        columns["start"] += hidden if private else score.starts.tolist()
        columns["end"] += hidden if private else score.ends.tolist()
        columns["logprob"] += score.logprobs.tolist()
    return pa.Table.from_pydict(columns, schema=TOKENS)


def _candidates(scores: Sequence[CheckpointScores]) -> Iterator[tuple[str, str, ScoredItem, CandidateScore]]:
    for one in scores:
        for (probe, _, _), scored in one.scored.items():
            for score in scored.candidates:
                yield one.checkpoint, probe, scored, score


def read_scores(items: Path, tokens: Path, checkpoint: str, engine: Mapping[str, str]) -> StoredScores:
    """What two tables hold of one checkpoint: the keys of ``items``, the values of ``tokens``.

    A candidate whose tokens do not add up to its value is left out: the two tables are then of two runs.

    Raises:
        OSError, KeyError, pa.ArrowException: a table is missing, damaged or without a column.
    """
    rows = pq.read_table(items, filters=[("checkpoint", "=", checkpoint)])
    expected = dict(zip(_places(rows), zip(*_columns(rows, "key", "value"), strict=True), strict=True))
    table = pq.read_table(tokens, filters=[("checkpoint", "=", checkpoint)])
    places, logprobs = _places(table), table["logprob"].to_numpy()
    edges = [at for at in range(len(places)) if at == 0 or places[at] != places[at - 1]] + [len(places)]
    found = {places[start]: logprobs[start:stop] for start, stop in pairwise(edges)}
    return StoredScores(
        engine,
        {
            place: (key, found[place])
            for place, (key, value) in expected.items()
            if place in found and math.isclose(value, float(found[place].sum()), rel_tol=1e-9, abs_tol=1e-9)
        },
    )


def _places(table: pa.Table) -> list[Place]:
    return list(zip(*_columns(table, "probe", "item", "render", "candidate"), strict=True))


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]
