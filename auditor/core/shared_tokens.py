"""The tokens that the two sides of a pair have in common, each after its own side's prefix."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

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
    blocks = SequenceMatcher(a=_all_ids(harmful), b=_all_ids(affirming)).get_matching_blocks()
    return SharedTokens(
        _scored(harmful, [(block.a, block.size) for block in blocks]),
        _scored(affirming, [(block.b, block.size) for block in blocks]),
    )


def _scored(side: CandidateScore, blocks: list[tuple[int, int]]) -> IntArray:
    first = len(side.prefix_ids)
    positions = np.array([start + step - first for start, size in blocks for step in range(size)], dtype=np.int64)
    positions = positions[positions >= 0]
    return positions[~side.closes_turn[positions]]


def _all_ids(score: CandidateScore) -> list[int]:
    return [*score.prefix_ids.tolist(), *score.token_ids.tolist()]
