"""Scores of one checkpoint read back from the tables of a finished run, as the kernel takes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.run.run_folder import ITEMS_FILE, TOKENS_FILE, is_private, read_manifest
from auditor.core.items import Candidate, Item
from auditor.core.scores import CandidateScore, FloatArray, IntArray, Render, ScoredItem, ScoreKind
from auditor.errors import UsageError

# Names of the probe, the rendering and the item.
Key = tuple[str, Render, str]

_NAMES = ("identity", "surface", "axis", "theme", "cluster", "paraphrase", "frame", "match", "baseline")
# What the tables hold of the tokens, as the manifest says it.
_HELD = {"sample": "the tokens of a sample of the items", "none": "no tokens"}
_KINDS = ("role", "valence", "design")
# Ids of what precedes a candidate are not kept.
_NOTHING: IntArray = np.array([], dtype=np.int64)
_READ = ["probe", "item", "render", "candidate", "context", "prompt", "text", "tokens", "straddles", "complete"]
# Of rewards, whose tokens stand beside them; tables of earlier versions lack the last.
_OF_REWARDS = ["quantity", "value", "token_ids"]


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One checkpoint of a run.

    Attributes:
        scored: every item it was scored on, its prefix at the end of its context. Conversations are not kept, nor are
            the ids of what precedes the scored tokens.
        private: the run kept no texts and no tokens, so nothing is read.
        bare: its scores are one number a text, and of what tokens is not known.
    """

    scored: Mapping[Key, ScoredItem]
    private: bool
    bare: bool = False


def read_checkpoint(run: Path, checkpoint: str) -> StoredCheckpoint:
    """Read one checkpoint of a finished run.

    Raises:
        UsageError: a table is missing, damaged, without a column, does not hold the checkpoint, or not all tokens.
    """
    chosen = pc.field("checkpoint") == checkpoint
    try:
        there = [name for name in _OF_REWARDS if name in pq.read_schema(run / ITEMS_FILE).names]
        rows = pq.read_table(run / ITEMS_FILE, columns=[*_READ, *there, *_NAMES, *_KINDS], filters=chosen)
        if rows["tokens"].null_count and not _holds_rewards(run, rows):
            return StoredCheckpoint({}, private=is_private(read_manifest(run)), bare=True)
        if rows["text"].null_count:
            return StoredCheckpoint({}, private=True)
        _check_tokens(run)
        if rows["tokens"].null_count:
            scored = dict(_scored(rows, _reward, "reward"))
        else:
            scored = dict(_scored(rows, _candidates(pq.read_table(run / TOKENS_FILE, filters=chosen))))
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise _unreadable(run, error) from error
    if not scored:
        raise UsageError(
            f"{ITEMS_FILE} holds no item of checkpoint {checkpoint!r}",
            where=str(run),
            fix="Run the same audit again: it replaces the file.",
        )
    return StoredCheckpoint(scored, private=False)


def read_items(
    run: Path, checkpoints: Sequence[str], probe: str, ids: Collection[str]
) -> dict[str, dict[Key, ScoredItem]]:
    """Read some items of a finished run at some checkpoints, whichever tokens the run kept.

    Of a private run only numbers are known: texts are "", and so are tokens, whose ids are their positions.

    Raises:
        UsageError: a table is missing or damaged, its scores are of no tokens, or an item's tokens were not kept.
    """
    chosen = (pc.field("probe") == probe) & pc.field("item").isin(pa.array(list(ids), pa.string()))
    chosen &= pc.field("checkpoint").isin(pa.array(list(checkpoints), pa.string()))
    try:
        rows = pq.read_table(run / ITEMS_FILE, columns=["checkpoint", *_READ, *_NAMES, *_KINDS], filters=chosen)
        if rows["tokens"].null_count:
            raise UsageError(
                "the scores are one number a text, without tokens that could be told apart",
                where=str(run),
                fix="Score with token log-probabilities: see docs/external-scores.md.",
            )
        table = pq.read_table(run / TOKENS_FILE, filters=chosen)
        if lost := sorted(set(map(str, rows["item"].to_pylist())) - set(map(str, table["item"].to_pylist()))):
            held = _HELD.get(read_manifest(run).get("tokens", ""), "not all tokens")
            raise UsageError(
                f"{TOKENS_FILE} holds {held}, and not those of {lost[0]!r}",
                where=str(run),
                fix="Run the same audit again with --tokens all: it replaces the files.",
            )
        parts = _filled(rows, text="", context="", prompt=""), _hidden_filled(table)
        at = {name: pc.field("checkpoint") == name for name in checkpoints}
        own = {name: [part.filter(chosen) for part in parts] for name, chosen in at.items()}
        return {name: dict(_scored(rows, _candidates(tokens))) for name, (rows, tokens) in own.items()}
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise _unreadable(run, error) from error


def items_with_tokens(run: Path, probe: str, ids: Collection[str]) -> frozenset[str]:
    """Those of some items whose tokens a run kept.

    Raises:
        UsageError: the table is missing or damaged.
    """
    chosen = (pc.field("probe") == probe) & pc.field("item").isin(pa.array(list(ids), pa.string()))
    try:
        found = pq.read_table(run / TOKENS_FILE, columns=["item"], filters=chosen)
        return frozenset(map(str, found["item"].to_pylist()))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(run, error) from error


def _hidden_filled(tokens: pa.Table) -> pa.Table:
    """The table of a private run with something in the place of what it hides."""
    if not tokens["token_id"].null_count:
        return tokens
    at = tokens.schema.get_field_index("token_id")
    return _filled(tokens.set_column(at, "token_id", tokens["position"]), start=0, end=0)


def _filled(table: pa.Table, **values: object) -> pa.Table:
    for name, value in values.items():
        column = pc.fill_null(table[name], pa.scalar(value, table[name].type))
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _unreadable(run: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{ITEMS_FILE} and {TOKENS_FILE} cannot be read together: {type(error).__name__}",
        where=str(run),
        fix="Run the same audit again: it replaces the files.",
    )


def _check_tokens(run: Path) -> None:
    kept = read_manifest(run).get("tokens", "all")
    if kept != "all":
        raise UsageError(
            f"{TOKENS_FILE} holds {_HELD.get(kept, 'not all tokens')}, and runs are compared on all of them",
            where=str(run),
            fix="Run the same audit again with --tokens all: it replaces the files.",
        )


def _holds_rewards(run: Path, rows: pa.Table) -> bool:
    """Whether the tokens of rewards were kept, or would have been if all had been asked for."""
    found = read_manifest(run)
    if "token_ids" not in rows.column_names or is_private(found):
        return False
    engine = found.get("engine")
    # Scores made elsewhere never had any, and no option keeps them.
    elsewhere = isinstance(engine, dict) and engine.get("scoring") == "elsewhere"
    return rows["token_ids"].null_count < len(rows) or (not elsewhere and found.get("tokens", "all") != "all")


def _scored(
    rows: pa.Table, candidate: Callable[[Mapping[str, Any]], CandidateScore], kind: ScoreKind = "tokens"
) -> Iterator[tuple[Key, ScoredItem]]:
    """Args: ``candidate``: the score of one row."""
    groups: dict[Key, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        groups.setdefault((row["probe"], row["render"], row["item"]), []).append(row)
    for (probe, render, name), own in groups.items():
        first = own[0]
        fields: dict[str, Any] = {field: first[field] or "" for field in _NAMES}
        fields |= {field: first[field] for field in _KINDS}
        candidates = tuple(Candidate(row["candidate"], row["text"]) for row in own)
        item = Item(name, candidates, context=first["prompt"], **fields)
        scores = tuple(candidate(row) for row in own)
        scored = ScoredItem(item, render, first["context"], scores, first["straddles"], first["complete"], kind)
        yield (probe, render, name), scored


@dataclass(frozen=True, slots=True)
class _Span:
    """The scored tokens of one candidate, shape (n,) each."""

    ids: IntArray
    starts: IntArray
    ends: IntArray
    logprobs: FloatArray
    tokens: tuple[str, ...]


def _spans(table: pa.Table) -> dict[tuple[str, str, str, str], _Span]:
    """The tokens of each candidate, which stand together in the table."""
    places = list(zip(*(table[name].to_pylist() for name in ("probe", "render", "item", "candidate")), strict=True))
    ids, starts, ends, logprobs = (table[name].to_numpy() for name in ("token_id", "start", "end", "logprob"))
    tokens = [token or "" for token in table["token"].to_pylist()]
    edges = [at for at in range(len(places)) if at == 0 or places[at] != places[at - 1]] + [len(places)]
    return {
        places[at]: _Span(ids[at:end], starts[at:end], ends[at:end], logprobs[at:end], tuple(tokens[at:end]))
        for at, end in pairwise(edges)
    }


def _candidates(tokens: pa.Table) -> Callable[[Mapping[str, Any]], CandidateScore]:
    """What gives a row the score that its tokens make up."""
    spans = _spans(tokens)

    def candidate(row: Mapping[str, Any]) -> CandidateScore:
        span = spans[row["probe"], row["render"], row["item"], row["candidate"]]
        if len(span.ids) != row["tokens"]:
            raise ValueError("a candidate has more or fewer tokens than its row says")
        span_of = (span.ids, span.tokens, span.starts, span.ends, span.logprobs)
        return CandidateScore(row["candidate"], _NOTHING, *span_of, len(row["text"].encode()))

    return candidate


def _reward(row: Mapping[str, Any]) -> CandidateScore:
    """One number for all tokens."""
    if row["token_ids"] is None:
        raise ValueError("a reward has no tokens where others of its checkpoint have some")
    ids = np.array(row["token_ids"], dtype=np.int64)
    ends = np.array([max(len(row["text"]), 1)])
    value = np.array([row["value"]], dtype=np.float64)
    span = (ids, ("",), np.array([0]), ends, value)
    return CandidateScore(row["candidate"], _NOTHING, *span, len(row["text"].encode()), len(ids))
