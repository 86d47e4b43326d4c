"""Output tokens: the margin of a pair by the parts its scored tokens play.

A margin is a sum over tokens, so this is no approximation and asks no model: each token's log-probability, with the
sign of its side, counts for the word that holds most of its characters.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.attributions import Attribution, Unit
from auditor.core.items import Item
from auditor.core.score_columns import Mask, Rows, Small
from auditor.core.scores import FloatArray, IntArray
from auditor.core.tables import ScoreTable
from auditor.core.words import WORD_ROLES, Word, WordRole, candidate_roles

_CODES = {role: code for code, role in enumerate(WORD_ROLES)}


def role_shares(table: ScoreTable, wanted: Mask) -> FloatArray:
    """The margin of items at every checkpoint by the roles of their tokens.

    Args:
        wanted: which of the table's items, shape (n,).

    Returns:
        Nats, in the order of `WORD_ROLES`, shape (n, checkpoints, roles); a role without tokens counts 0. Summed over
        roles they are the margins; NaN for an item that is no pair or not wanted, and for
        scores without tokens.
    """
    shares = np.full((len(table.items), len(table.checkpoints), len(WORD_ROLES)), np.nan)
    pairs = wanted & np.array([item.pair is not None for item in table.items], dtype=bool)
    if table.kind != "tokens" or not pairs.any():
        return shares
    known: list[tuple[Rows, _Tokens]] = []
    for place, name in enumerate(table.checkpoints):
        rows, beside = table.scored[name], table.baselines[name]
        shares[pairs, place] = 0.0
        for all_rows, sign in ((rows, 1.0), (beside, -1.0)):
            own = Rows(all_rows.column, np.where(pairs, all_rows.at, -1))
            tokens = _read(own, table.items, known)
            parts = sign * tokens.signs * own.column.logprobs[tokens.positions].astype(np.float64)
            flat = np.bincount(tokens.owners * len(WORD_ROLES) + tokens.roles, parts, shares[:, place].size)
            shares[:, place] += flat.reshape(len(table.items), len(WORD_ROLES))
    return shares


def token_shares(table: ScoreTable, at: int, checkpoint: str) -> Attribution:
    """One item's margin by its scored tokens, the harmful side's first.

    Args:
        at: place of a pair in the table.

    Raises:
        ValueError: the item is no pair, or its scores hold no tokens.
    """
    item = table.items[at]
    if item.pair is None or table.kind != "tokens":
        raise ValueError(f"item {item.id!r} has no tokens that make up a margin")
    scored = table.scored[checkpoint][at]
    beside = table.baselines[checkpoint]
    baseline = beside[at] if beside.at[at] >= 0 else None
    units: list[Unit] = []
    values: list[float] = []
    for side, other, sign in _sides(item):
        own = scored.candidates[side]
        logprobs = own.logprobs if baseline is None else own.logprobs - baseline.candidates[side].logprobs
        roles = [WORD_ROLES[code] for code in _roles(own.starts, own.ends, candidate_roles(item, side, other)).tolist()]
        for number, role in enumerate(roles):
            start, end = int(own.starts[number]), int(own.ends[number])
            units.append(Unit(number, own.tokens[number], own.label, start, end, role))
        values += (sign * logprobs).tolist()
    total = float(table.sides.margins()[at, table.checkpoints.index(checkpoint)])
    named = table.probe.name, item.id, table.render, checkpoint
    return Attribution(*named, None, "tokens", "token", tuple(units), np.array(values), total)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Scored tokens of the pairs among some rows, shape (k,) each.

    Attributes:
        positions: among all scored tokens of the column.
        owners: place of the row.
        signs: 1 on the harmful side and -1 on the other.
        roles: place in `WORD_ROLES`.
    """

    positions: IntArray
    owners: IntArray
    signs: FloatArray
    roles: IntArray


def _read(rows: Rows, items: Sequence[Item], known: list[tuple[Rows, _Tokens]]) -> _Tokens:
    """Checkpoints of one tokenizer are cut alike, and are read once."""
    for other, tokens in known:
        if other.column.spans is rows.column.spans and np.array_equal(other.at, rows.at):
            return tokens
    tokens = _tokens_of(rows, items)
    known.append((rows, tokens))
    return tokens


def _tokens_of(rows: Rows, items: Sequence[Item]) -> _Tokens:
    """Of rows, or of their baselines, whose tokens play the parts they play in the rows themselves.

    Args:
        items: the rows', shape (n,); a baseline has the same candidates and need not say whom they are about.
    """
    spans, cuts = rows.column.spans, rows.column.spans.cuts
    remembered: dict[tuple[object, ...], IntArray] = {}
    positions, owners, signs, roles = [], [], [], []
    for owner in np.flatnonzero(rows.at >= 0).tolist():
        at = int(rows.at[owner])
        item = items[owner]
        for side, other, sign in _sides(item):
            sequence = int(spans.firsts[at]) + side
            scored = slice(int(cuts.scored[sequence]), int(cuts.scored[sequence + 1]))
            begins, ends = cuts.begins[scored], cuts.ends[scored]
            texts = item.candidates[side].text, item.candidates[other].text
            # A predicate stands in many items, and who is spoken about matters only where the text says it.
            surface = item.surface if item.surface.lower() in texts[0].lower() else ""
            key = (*texts, surface, item.design, item.language, begins.tobytes(), ends.tobytes())
            if key not in remembered:
                remembered[key] = _roles(begins, ends, candidate_roles(item, side, other))
            positions.append(np.arange(scored.start, scored.stop))
            owners.append(np.full(len(begins), owner))
            signs.append(np.full(len(begins), sign))
            roles.append(remembered[key])
    joined = [np.concatenate(part) if part else np.empty(0) for part in (positions, owners, signs, roles)]
    return _Tokens(joined[0].astype(np.int64), joined[1].astype(np.int64), joined[2], joined[3].astype(np.int64))


def _sides(item: Item) -> Iterator[tuple[int, int, float]]:
    """(side, the other, sign) of both sides of a pair; nothing of an item that is none."""
    if item.pair is not None:
        harmful, affirming = item.pair
        yield harmful, affirming, 1.0
        yield affirming, harmful, -1.0


def _roles(begins: Small | IntArray, ends: Small | IntArray, words: Sequence[tuple[Word, WordRole]]) -> IntArray:
    """The role of each token: of the word that holds most of it, of white space alone the next word's.

    Args:
        words: in the order of the text, none over another.
    """
    last = int(ends.max(initial=0))
    starts, stops = [word.start for word, _ in words], [word.end for word, _ in words]
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if begin == end:
            # Clipped to the text: behind it tokens close the turn, before it they are the context's last.
            found.append(_CODES["end"] if begin == last else _CODES["frame"])
            continue
        first = bisect_right(stops, begin)
        holding = words[first : bisect_left(starts, end)] or words[first : first + 1]
        own = max(holding, key=lambda one: _overlap(one[0], begin, end), default=None)
        found.append(_CODES["frame" if own is None else own[1]])
    return np.array(found, dtype=np.int64)


def _overlap(word: Word, begin: int, end: int) -> int:
    return min(end, word.end) - max(begin, word.start)
