"""Which items of a column have equal token ids, as numbers: no bytes are kept of a million items."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import numpy as np

from auditor.core.score_columns import Mask, Rows, Spans
from auditor.core.scores import IntArray


def candidate_codes(rows: Rows) -> IntArray:
    """Equal numbers for equal labels and scored token ids of all candidates, -1 where there is no item, shape (n,)."""
    there = np.flatnonzero(rows.at >= 0)
    # 16 bytes of a hash are two equal ones in 10^38: no audit meets them.
    digests = np.array([_digest(rows.column.spans, at) for at in rows.at[there].tolist()], dtype="S16")
    codes = np.full(len(rows), -1, dtype=np.intp)
    codes[there] = np.unique(digests, return_inverse=True)[1]
    return codes


def _digest(spans: Spans, at: int) -> bytes:
    cuts, first = spans.cuts, int(spans.firsts[at])
    parts = []
    for place, candidate in enumerate(spans.item(at).candidates, first):
        start, end = cuts.bounds[place] + cuts.starts[place], cuts.bounds[place + 1]
        parts += [_label(candidate.label), int(end - start).to_bytes(8, "little"), cuts.ids[start:end].tobytes()]
    return blake2b(b"".join(parts), digest_size=16).digest()


@lru_cache(maxsize=1024)
def _label(label: str) -> bytes:
    """A label behind its length, so that two lists of labels and ids never look alike."""
    text = label.encode()
    return len(text).to_bytes(8, "little") + text


def same_tokens(one: Rows, other: Rows) -> Mask:
    """Where two columns have equal token ids of the whole item, what precedes the candidates included, shape (n,).

    Where neither has an item they are equal too.
    """
    if one.column.spans is other.column.spans:
        equal: Mask = one.at == other.at
        return equal
    pairs = zip(one.at.tolist(), other.at.tolist(), strict=True)
    return np.array([_same(one.column.spans, at, other.column.spans, place) for at, place in pairs], dtype=bool)


def _same(spans: Spans, at: int, others: Spans, place: int) -> bool:
    if at < 0 or place < 0:
        return at == place
    mine, theirs = (
        [
            (int(own.cuts.starts[which]), own.cuts.ids[own.cuts.bounds[which] : own.cuts.bounds[which + 1]].tobytes())
            for which in range(own.firsts[row], own.firsts[row + 1])
        ]
        for own, row in ((spans, at), (others, place))
    )
    return mine == theirs
