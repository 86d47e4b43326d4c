"""Token sequences to score, many of them in a few flat arrays: a million fit where a million objects would not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from auditor.core.scores import IntArray

# Vocabularies end far below 2^31.
TokenIds = NDArray[np.int32]
# What a log-softmax in float32 gives, nats.
Logprobs = NDArray[np.float32]
# Bytes of a digest that stands for a text.
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences in the order they were asked for; of each, all tokens from ``starts`` on are scored.

    Attributes:
        ids: token ids of all sequences, one after the other.
        bounds: where each begins in ``ids``, and where the last ends, shape (n + 1,).
        starts: index of the first scored token within its sequence, at least 1, shape (n,); of rewards that of the last
            token, which is the one that is read.
        items: never falling; equal numbers are the candidates of one item, shape (n,).
    """

    ids: TokenIds
    bounds: IntArray
    starts: IntArray
    items: IntArray

    @classmethod
    def of(cls, rows: Sequence[tuple[Sequence[int] | IntArray, int]], items: Iterable[int] | None = None) -> Sequences:
        """From (token ids, start) of each; every sequence an item of its own unless ``items`` says otherwise."""
        bounds = np.concatenate([[0], np.cumsum([len(ids) for ids, _ in rows])]).astype(np.int64)
        ids = np.concatenate([np.asarray(ids, dtype=np.int32) for ids, _ in rows]) if rows else np.array([], np.int32)
        starts = np.array([start for _, start in rows], dtype=np.int64)
        numbers = np.arange(len(rows)) if items is None else np.fromiter(items, dtype=np.int64)
        return cls(ids, bounds, starts, numbers.astype(np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, position: int) -> TokenIds:
        """The whole of one sequence, a view."""
        return self.ids[self.bounds[position] : self.bounds[position + 1]]

    def sorting_key(self, position: int) -> bytes:
        """Bytes that sort as the token ids of a sequence do."""
        # Big-endian, the highest byte of a number is compared first.
        return self[position].astype(">i4").tobytes()

    def key(self, position: int) -> bytes:
        """A digest of the token ids of one sequence and of where scoring starts: equal keys have equal scores."""
        start = int(self.starts[position]).to_bytes(8, "little")
        return hashlib.blake2b(start + self[position].astype("<i4").tobytes(), digest_size=KEY_BYTES).digest()

    def distinct(self) -> tuple[IntArray, IntArray]:
        """Each text once.

        Returns:
            Where each first stands, rising, shape (m,); and of every sequence its place among these, shape (n,).
        """
        # As one array: a million objects would take more than what is in them.
        keys = np.frombuffer(b"".join(map(self.key, range(len(self)))), dtype=f"S{KEY_BYTES}")
        _, firsts, which = np.unique(keys, return_index=True, return_inverse=True)
        positions = np.sort(firsts)
        return positions, np.searchsorted(positions, firsts[which])

    def read_to_the_end(self) -> Sequences:
        """The same with one more token each, of which alone is asked.

        What is asked of is what stands before it: so a pack reads the last token too, and predicts nothing by another.
        """
        lengths, count = self.lengths, len(self)
        ids = np.zeros(len(self.ids) + count, dtype=np.int32)
        ids[np.arange(len(self.ids)) + np.repeat(np.arange(count), lengths)] = self.ids
        return Sequences(ids, self.bounds + np.arange(count + 1), lengths, self.items)

    @property
    def lengths(self) -> IntArray:
        """Tokens of each sequence, shape (n,)."""
        return np.diff(self.bounds)

    @property
    def scored_bounds(self) -> IntArray:
        """Where the scored tokens of each begin among all scored tokens, and where the last end, shape (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths - self.starts)]).astype(np.int64)

    def take(self, positions: IntArray) -> Sequences:
        """Some of the sequences, which stay in the order they are named in; ``items`` must not fall in it."""
        # Of these alone: looking at all of them for each pack would take the square of their number.
        lengths = self.bounds[positions + 1] - self.bounds[positions]
        bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        steps = np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths)
        ids = self.ids[np.repeat(self.bounds[:-1][positions], lengths) + steps]
        return Sequences(ids, bounds, self.starts[positions], self.items[positions])


class Scored(NamedTuple):
    """What one forward pass found.

    Attributes:
        positions: of the sequences it finished.
        logprobs: of each, log p(ids[t] | ids[:t]) in nats for t from its start on.
    """

    positions: Sequence[int]
    logprobs: Sequence[Logprobs]
