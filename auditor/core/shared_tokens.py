"""The tokens that the two sides of a pair have in common, each after its own side's prefix."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

from auditor.core.column_sums import closing
from auditor.core.score_columns import Cuts
from auditor.core.scores import CandidateScore, IntArray


class SharedTokens(NamedTuple):
    """Scored positions of both sides, pairwise the same token; shape (k,) each, k = 0 for none."""

    harmful: IntArray
    affirming: IntArray


def shared_tokens(harmful: CandidateScore, affirming: CandidateScore) -> SharedTokens:
    """Find them as CrowS-Pairs' and WinoQueer's scripts do; tokens that only end the turn are left out.

    The spans are the ``equal`` blocks of `difflib.SequenceMatcher` over the token ids of both whole sequences. A
    token of one side's prefix may be a scored one of the other side: each side counts what it scores.
    """
    blocks = matching_blocks(_all_ids(harmful), _all_ids(affirming))
    return SharedTokens(
        _scored(harmful, [(a, size) for a, _, size in blocks]),
        _scored(affirming, [(b, size) for _, b, size in blocks]),
    )


def shared_positions(cuts: Cuts, pairs: IntArray) -> tuple[IntArray, IntArray]:
    """The same of many pairs.

    Args:
        pairs: sequences of the harmful and the affirming side, shape (n, 2).

    Returns:
        Places among all scored tokens of ``cuts``, those of each side together; and how many each side has, shape
        (2 n,), harmful first.
    """
    first, end = int(pairs.min()), int(pairs.max()) + 1
    ids = cuts.ids[cuts.bounds[first] : cuts.bounds[end]].tolist()
    bounds = (cuts.bounds[first : end + 1] - cuts.bounds[first]).tolist()
    texts = (~closing(cuts, first, end)).tolist()
    # From a place in a sequence to one among the scored tokens, before the first of which a place is negative.
    starts, scored = cuts.starts[first:end].tolist(), (cuts.scored[first : end + 1] - cuts.scored[first]).tolist()
    found: list[int] = []
    lengths = []
    for sides in (pairs - first).tolist():
        harmful, affirming = (ids[bounds[side] : bounds[side + 1]] for side in sides)
        blocks = matching_blocks(harmful, affirming)
        for side, which in zip(sides, (0, 1), strict=True):
            start, base = starts[side], scored[side] - starts[side]
            own = [
                base + at
                for block in blocks
                for at in range(max(block[which], start), block[which] + block[2])
                if texts[base + at]
            ]
            found += own
            lengths.append(len(own))
    return np.array(found, dtype=np.int64) + cuts.scored[first], np.array(lengths, dtype=np.int64)


def matching_blocks(one: list[int], other: list[int]) -> list[tuple[int, int, int]]:
    """Blocks of `difflib.SequenceMatcher`: where each begins in either list, and how long it is.

    Most pairs have their beginning and perhaps their end in common and nothing else. That is seen at a glance: where
    beginning, end and what lies between share no token, no other block can be.
    """
    # Of long lists difflib leaves out what is frequent.
    if len(other) < 200:
        head = _common(one, other)
        tail = _common(one[: head - len(one) - 1 : -1], other[: head - len(other) - 1 : -1])
        begin, end = set(one[:head]), set(one[len(one) - tail :])
        middle, between = (set(side[head : len(side) - tail]) for side in (one, other))
        ends = begin | end
        if begin.isdisjoint(end) and middle.isdisjoint(between) and ends.isdisjoint(middle | between):
            blocks = [(0, 0, head), (len(one) - tail, len(other) - tail, tail)]
            return [block for block in blocks if block[2]]
    return [(block.a, block.b, block.size) for block in SequenceMatcher(a=one, b=other).get_matching_blocks()]


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens two lists begin with alike."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _scored(side: CandidateScore, blocks: list[tuple[int, int]]) -> IntArray:
    first = len(side.prefix_ids)
    positions = np.array([start + step - first for start, size in blocks for step in range(size)], dtype=np.int64)
    positions = positions[positions >= 0]
    return positions[~side.closes_turn[positions]]


def _all_ids(score: CandidateScore) -> list[int]:
    return [*score.prefix_ids.tolist(), *score.token_ids.tolist()]
