"""The items that carry an audit's strongest evidence, with their tokens, from a run folder's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.item_margins import SIDES, ItemMargins, read_error
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.run_folder import ITEMS_FILE, TOKENS_FILE
from auditor.core.items import HARMFUL

PER_PROBE, IN_ALL = 10, 30
MAX_TOKENS, MAX_CONTEXT = 60, 500

Name = tuple[str, str]  # probe, item


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
class Side:
    """One candidate of a pair; ``text`` is None in a private run."""

    label: str
    text: str | None
    totals: tuple[float, ...]
    glosses: tuple[Gloss, ...]


@dataclass(frozen=True, slots=True)
class StrongItem:
    """One item and why it is shown.

    Attributes:
        path: the checkpoints training passed through to the leaf it was chosen at, that leaf included.
        margins: harmful minus affirming in nats, at each checkpoint of the path.
        shift: of the leaf from the checkpoint it was trained from, None where that is none.
        reasons: ``margin``, ``shift`` or both.
    """

    probe: str
    item: str
    identity: str
    theme: str
    cluster: str
    design: str
    path: tuple[str, ...]
    margins: tuple[float, ...]
    shift: float | None
    reasons: tuple[str, ...]
    context: str | None = None
    sides: tuple[Side, ...] = ()


def strongest_items(run: Path, *, render: str, branches: Sequence[Branch], private: bool) -> tuple[StrongItem, ...]:
    """The marked rows with the largest margin and the largest shift at each leaf.

    At most one for each identity and cluster, ten a probe and leaf, and thirty in all, though every probe
    has one at every leaf.

    Raises:
        UsageError: a table cannot be read.
    """
    checkpoints = list(dict.fromkeys(name for one in branches for name in one.path))
    margins = ItemMargins(run / ITEMS_FILE, render, checkpoints)
    share = max(1, min(PER_PROBE, IN_ALL // max(1, margins.probes * len(branches))))
    chosen = [
        StrongItem(*one.about, branch.path, one.margins, one.shift, one.reasons)
        for branch in branches
        for one in margins.largest(branch, share)
    ]
    names = list(dict.fromkeys((one.probe, one.item) for one in chosen))
    texts = _texts(run, render, names)
    tokens = {} if private else _tokens(run, render, names)
    return tuple(_with_texts(one, texts, tokens, private) for one in chosen)


def _read(path: Path, columns: Sequence[str], rows_where: pc.Expression) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=list(columns), filters=rows_where).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, error) from error
    return rows


def _about(render: str, names: Sequence[Name]) -> pc.Expression:
    return (pc.field("render") == render) & pc.field("item").isin([item for _, item in names])


def _texts(run: Path, render: str, names: Sequence[Name]) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    """Rows of the chosen items by probe, item, checkpoint and candidate."""
    columns = ("probe", "item", "checkpoint", "candidate", "context", "text", "value")
    rows = _read(run / ITEMS_FILE, columns, _about(render, names)) if names else []
    return {(row["probe"], row["item"], row["checkpoint"], row["candidate"]): row for row in rows}


def _tokens(run: Path, render: str, names: Sequence[Name]) -> dict[tuple[str, str, str, str], list[dict[str, Any]]]:
    """Token rows of the chosen items by probe, item, checkpoint and candidate, in order."""
    found: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    if names and (run / TOKENS_FILE).exists():
        columns = ("probe", "item", "checkpoint", "candidate", "position", "token", "start", "end", "logprob")
        for row in _read(run / TOKENS_FILE, columns, _about(render, names)):
            found.setdefault((row["probe"], row["item"], row["checkpoint"], row["candidate"]), []).append(row)
    return {key: sorted(rows, key=lambda row: row["position"]) for key, rows in found.items()}


def _with_texts(
    one: StrongItem,
    texts: Mapping[tuple[str, str, str, str], Mapping[str, Any]],
    tokens: Mapping[tuple[str, str, str, str], Sequence[Mapping[str, Any]]],
    private: bool,
) -> StrongItem:
    def side(label: str) -> Side:
        rows = [texts[one.probe, one.item, name, label] for name in one.path]
        text = None if private else rows[-1]["text"]
        mine = {name: tokens.get((one.probe, one.item, name, label), ()) for name in one.path}
        glosses = () if text is None else tuple(_glosses(text, mine))
        return Side(label, text, tuple(row["value"] for row in rows), glosses)

    context = None if private else texts[one.probe, one.item, one.path[-1], HARMFUL]["context"]
    if context is not None and len(context) > MAX_CONTEXT:
        context = "\u2026" + context[-MAX_CONTEXT:]
    return replace(one, context=context, sides=tuple(side(label) for label in SIDES))


def _glosses(text: str, tokens: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Gloss]:
    """One gloss for each set of checkpoints that cut the text into the same tokens."""
    groups: dict[tuple[tuple[Any, Any, Any], ...], list[str]] = {}
    for checkpoint, rows in tokens.items():
        if rows:
            groups.setdefault(tuple((row["token"], row["start"], row["end"]) for row in rows), []).append(checkpoint)
    for cut, checkpoints in groups.items():
        shown: list[Token] = []
        reached = 0
        for position, (name, _, end) in enumerate(cut[:MAX_TOKENS]):
            adds = end is not None and end > reached
            logprobs = tuple(tokens[checkpoint][position]["logprob"] for checkpoint in checkpoints)
            shown.append(Token(text[reached:end] if adds else str(name or ""), not adds, logprobs))
            reached = end if adds else reached
        yield Gloss(tuple(checkpoints), tuple(shown), max(0, len(cut) - MAX_TOKENS))
