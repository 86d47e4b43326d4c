"""The tokens of some items, with their log-probabilities at every checkpoint, from a run folder's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.items.item_margins import read_error
from auditor.adapters.run.run_folder import TOKENS_FILE
from auditor.core.items import HARMFUL

MAX_TOKENS = 60
# Upper ends of the colour scale of log-probabilities, in nats, from likely to surprising.
SCALE = (-0.5, -1.0, -2.0, -4.0, -7.0)

Name = tuple[str, str]  # probe, item
Place = tuple[str, str, str, str]  # probe, item, checkpoint, candidate
_ABOUT = ("probe", "item", "checkpoint", "candidate")
_TEXTS = (*_ABOUT, "render", "token")


@dataclass(frozen=True, slots=True)
class Token:
    """One scored token.

    Attributes:
        text: the characters it adds to those of the tokens before it; its own name where it adds
            none, as one of several tokens of a single character or an end of turn.
        named: ``text`` is the tokenizer's name, not a part of the candidate.
        logprobs: in nats, at each checkpoint of its gloss.
    """

    text: str
    named: bool
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Gloss:
    """A candidate's tokens with their log-probabilities at the checkpoints that share these tokens."""

    checkpoints: tuple[str, ...]
    tokens: tuple[Token, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row of the table: the token's own name, the end of its characters in the text, its log-probability."""

    position: int
    token: str | None
    start: int | None
    end: int | None
    logprob: float


def names_with_tokens(run: Path, render: str, checkpoint: str) -> list[Name]:
    """The items of one rendering whose tokens were kept, in the order of the table.

    Raises:
        UsageError: the table cannot be read.
    """
    about = {"render": render, "checkpoint": checkpoint, "candidate": HARMFUL, "position": 0}
    rows = _read(run, ("probe", "item"), [pc.field(name) == value for name, value in about.items()])
    if rows is None:
        return []
    return [
        (str(probe), str(item))
        for probe, item in zip(*(rows[name].to_pylist() for name in ("probe", "item")), strict=True)
    ]


def token_rows(run: Path, render: str, names: Sequence[Name]) -> dict[Place, list[TokenRow]]:
    """The tokens of some items, in order, by probe, item, checkpoint and candidate.

    Raises:
        UsageError: the table cannot be read.
    """
    chosen = pc.field("item").isin(sorted({item for _, item in names}))
    columns = (*_ABOUT, "position", "token", "start", "end", "logprob")
    rows = _read(run, columns, [pc.field("render") == render, chosen]) if names else None
    found: dict[Place, list[TokenRow]] = {}
    if rows:
        wanted = set(names)
        for probe, item, checkpoint, candidate, *token in zip(
            *(rows[name].to_pylist() for name in columns), strict=True
        ):
            if (probe, item) in wanted:
                found.setdefault((probe, item, checkpoint, candidate), []).append(TokenRow(*token))
    return {place: sorted(own, key=lambda row: row.position) for place, own in found.items()}


def glosses_of(text: str, tokens: Mapping[str, Sequence[TokenRow]]) -> Iterator[Gloss]:
    """One gloss for each set of checkpoints that cut the text into the same tokens.

    Args:
        tokens: by checkpoint.
    """
    groups: dict[tuple[tuple[Any, Any, Any], ...], list[str]] = {}
    for checkpoint, rows in tokens.items():
        if rows:
            groups.setdefault(tuple((row.token, row.start, row.end) for row in rows), []).append(checkpoint)
    for cut, checkpoints in groups.items():
        shown: list[Token] = []
        reached = 0
        for position, (name, _, end) in enumerate(cut[:MAX_TOKENS]):
            adds = end is not None and end > reached
            logprobs = tuple(tokens[checkpoint][position].logprob for checkpoint in checkpoints)
            shown.append(Token(text[reached:end] if adds else str(name or ""), not adds, logprobs))
            reached = end if adds else reached
        yield Gloss(tuple(checkpoints), tuple(shown), max(0, len(cut) - MAX_TOKENS))


def _read(run: Path, columns: Sequence[str], conditions: Sequence[pc.Expression]) -> pa.Table | None:
    """Some columns of the rows that meet all conditions; None where the run has no such table."""
    path = run / TOKENS_FILE
    if not path.exists():
        return None
    where = conditions[0]
    for one in conditions[1:]:
        where &= one
    try:
        # Of millions of rows few texts are different: as numbers they are told apart four times as fast.
        found = pq.read_table(path, columns=list(columns), filters=where, read_dictionary=list(_TEXTS))
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, error) from error
    texts = {name: found[name].cast(pa.string()) for name in columns if name in _TEXTS}
    return pa.table({name: texts.get(name, found[name]) for name in columns})
