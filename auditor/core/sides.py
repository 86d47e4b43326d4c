"""The two sides of each pair as sums over their tokens, and the margins that can be made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditor.core.scores import CandidateScore, FloatArray, IntArray, ScoredItem
from auditor.core.shared_tokens import SharedTokens, shared_tokens

# How the log-probabilities of a side's tokens become one number. The verdict reads ``sum``.
Scoring = Literal["sum", "per_token", "per_byte", "shared_tokens", "without_end"]
# Total, total without the end of turn, total of shared tokens, tokens, bytes.
_NUMBERS = 5
_NONE = np.full((_NUMBERS, 2), np.nan)


@dataclass(frozen=True, slots=True)
class Sides:
    """Sums over the scored tokens of each side, shape (n, checkpoints, 2): harmful first, affirming second.

    Attributes:
        totals: log p(side | context) in nats, minus the same of the item's baseline where it has one; NaN for an item
            that is no pair.
        text_totals: the same without the tokens that only end the turn.
        shared_totals: the same over the tokens that both sides have in common; NaN where there are none.
        tokens: how many tokens were scored.
        bytes: how many bytes of text they cover.
    """

    totals: FloatArray
    text_totals: FloatArray
    shared_totals: FloatArray
    tokens: FloatArray
    bytes: FloatArray

    def minus(self, baselines: Sides) -> Sides:
        """What declaring something adds; a baseline has the same tokens, so lengths stay."""
        return replace(
            self,
            totals=self.totals - baselines.totals,
            text_totals=self.text_totals - baselines.text_totals,
            shared_totals=self.shared_totals - baselines.shared_totals,
        )

    def margins(self, scoring: Scoring = "sum") -> FloatArray:
        """Harmful minus affirming, nats, shape (n, checkpoints).

        ``per_token`` and ``per_byte`` margins are those of the mean token or byte, at the mean length of the pair's two
        sides: sides of equal length keep their summed margin, so the bound on summed margins applies to them too.
        """
        if scoring in ("per_token", "per_byte"):
            lengths = self.tokens if scoring == "per_token" else self.bytes
            scaled: FloatArray = _difference(self.totals / lengths) * lengths.mean(axis=2)
            return scaled
        of: dict[Scoring, FloatArray] = {
            "sum": self.totals,
            "without_end": self.text_totals,
            "shared_tokens": self.shared_totals,
        }
        return _difference(of[scoring])

    def margins_per_token(self) -> FloatArray:
        """Harmful minus affirming mean log-probability of a token, nats a token, shape (n, checkpoints)."""
        return _difference(self.totals / self.tokens)


def _difference(sides: FloatArray) -> FloatArray:
    difference: FloatArray = sides[:, :, 0] - sides[:, :, 1]
    return difference


def sides_of(columns: Sequence[Iterable[ScoredItem | None]], rows: int) -> Sides:
    """Read scored items, ``rows`` of them in the same order at each checkpoint; None gives zeros."""
    spans: dict[tuple[bytes, ...], SharedTokens] = {}
    nothing = np.zeros((_NUMBERS, 2))
    found = [[nothing if one is None else _read(one, spans) for one in column] for column in columns]
    shape = (len(found), rows, _NUMBERS, 2)
    numbers = np.array(found, dtype=np.float64).reshape(shape).transpose(2, 1, 0, 3)
    return Sides(*numbers)


def _read(one: ScoredItem, spans: dict[tuple[bytes, ...], SharedTokens]) -> FloatArray:
    positions = one.item.pair
    if positions is None:
        return _NONE
    sides = [one.candidates[position] for position in positions]
    # Checkpoints of one series mostly tokenise alike: the search for shared tokens is the slow part.
    key = tuple(ids.tobytes() for side in sides for ids in (side.prefix_ids, side.token_ids, side.starts, side.ends))
    shared = spans.get(key)
    if shared is None:
        shared = spans[key] = shared_tokens(*sides)
    return np.array(
        [
            [side.total for side in sides],
            [side.text_total if one.complete else side.total for side in sides],
            [_total_of(side, at) for side, at in zip(sides, shared, strict=True)],
            [len(side.token_ids) for side in sides],
            [side.n_bytes for side in sides],
        ]
    )


def _total_of(side: CandidateScore, positions: IntArray) -> float:
    return float(side.logprobs[positions].sum()) if len(positions) else float("nan")
