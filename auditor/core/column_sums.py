"""Sums over the scored tokens of every candidate of a column, all at once.

Bit for bit those of one candidate alone: ``numpy.sum`` starts at 0 and adds a row pairwise, and ``numpy.add.reduceat``
does the same where each segment begins with a 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from auditor.core.score_columns import Cuts, Logprobs, Mask
from auditor.core.scores import FloatArray, IntArray

# Candidates summed at a time: what is made for it on the way stays small.
_CHUNK = 1 << 16


def totals(cuts: Cuts, logprobs: Logprobs, first: int, end: int) -> FloatArray:
    """Sum over all scored tokens of the candidates from ``first`` to ``end``, nats, shape (end - first,)."""
    found = np.empty(end - first)
    for start, stop in _chunks(first, end):
        tokens = slice(cuts.scored[start], cuts.scored[stop])
        found[start - first : stop - first] = segment_sums(logprobs[tokens], cuts.lengths_of(start, stop))
    return found


def text_totals(cuts: Cuts, logprobs: Logprobs, first: int, end: int) -> FloatArray:
    """The same without the tokens that only end the turn."""
    found = np.empty(end - first)
    for start, stop in _chunks(first, end):
        tokens = slice(cuts.scored[start], cuts.scored[stop])
        text = ~closing(cuts, start, stop)
        owner = np.repeat(np.arange(stop - start), cuts.lengths_of(start, stop))
        lengths = np.bincount(owner[text], minlength=stop - start)
        found[start - first : stop - first] = segment_sums(logprobs[tokens][text], lengths)
    return found


def closing(cuts: Cuts, first: int, end: int) -> Mask:
    """Which scored tokens of some candidates stand behind the text and only end its turn."""
    tokens = slice(cuts.scored[first], cuts.scored[end])
    lengths = cuts.lengths_of(first, end)
    begins, ends = cuts.begins[tokens], cuts.ends[tokens]
    owner = np.repeat(np.arange(end - first), lengths)
    last = np.zeros(end - first, dtype=ends.dtype)
    np.maximum.at(last, owner, ends)
    behind: Mask = (begins == ends) & (begins == last[owner])
    return behind


def segment_sums(values: Logprobs, lengths: IntArray) -> FloatArray:
    """Sums of segments that stand one after the other, in float64; 0 of an empty one.

    Args:
        values: shape (k,).
        lengths: of the segments, shape (n,), k together.
    """
    if not len(lengths):
        return np.empty(0)
    heads = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    padded = np.zeros(len(values) + len(lengths))
    padded[np.arange(len(values)) + np.repeat(np.arange(1, len(lengths) + 1), lengths)] = values
    sums: FloatArray = np.add.reduceat(padded, heads)
    return sums


def _chunks(first: int, end: int) -> Iterator[tuple[int, int]]:
    for start in range(first, end, _CHUNK):
        yield start, min(start + _CHUNK, end)
