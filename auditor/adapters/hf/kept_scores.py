"""Scores of one checkpoint in the stores of an audit: what is there is not scored again, what is new is kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf.sequences import KEY_BYTES, Logprobs, Scored, Sequences

# Scores asked for together: each comes as an object.
_AT_ONCE = 50_000


def scope_of(fingerprint: str, engine: Mapping[str, str]) -> str:
    """SHA-256 in hex of all that decides a score but the token ids.

    Args:
        fingerprint: of weights, config, code, adapter and tokenizer.
        engine: everything else, as in the manifest.
    """
    return hashlib.sha256(json.dumps([fingerprint, dict(engine)], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Facts:
    """What loading a checkpoint tells, so that it need not be loaded to say so again.

    Attributes:
        notes: remarks for the report.
        vocabulary: rows of its embedding.
    """

    notes: tuple[str, ...]
    vocabulary: int


class KeptScores:
    """Reads from all stores and writes to the last.

    Args:
        scope: of the checkpoint, as `scope_of` gives it.

    Attributes:
        seconds: spent in the stores so far.
    """

    def __init__(self, stores: Sequence[ScoreStore], scope: str) -> None:
        self.seconds = 0.0
        self._stores = stores
        self._scope = scope
        # One after the other: a million objects would take more than what is in them.
        self._keys = b""

    def find(self, sequences: Sequences) -> tuple[Logprobs, NDArray[np.bool_]]:
        """What is kept.

        Returns:
            Log-probabilities of all scored tokens, NaN where they are not known, shape (scored tokens,); and which
            sequences are known, shape (n,).
        """
        bounds = sequences.scored_bounds
        logprobs = np.full(int(bounds[-1]), np.nan, dtype=np.float32)
        known = np.zeros(len(sequences), dtype=bool)
        with self._timed():
            if self._stores:
                self._keys = b"".join(map(sequences.key, range(len(sequences))))
            for store in self._stores:
                unknown = np.flatnonzero(~known)
                for part in np.split(unknown, range(_AT_ONCE, len(unknown), _AT_ONCE)):
                    found = store.find(self._scope, [self._key_of(position) for position in part])
                    for position, values in zip(part.tolist(), found, strict=True):
                        if values is not None and len(values) == bounds[position + 1] - bounds[position]:
                            logprobs[bounds[position] : bounds[position + 1]] = values
                            known[position] = True
        return logprobs, known

    def keep(self, scored: Scored) -> None:
        """Keep what one pass found: all of it, or none if this raises.

        Raises:
            StorageError: the disk is full or fails.
        """
        with self._timed():
            for store in self._stores[-1:]:
                keys = [self._key_of(position) for position in scored.positions]
                store.keep(self._scope, list(zip(keys, scored.logprobs, strict=True)))

    @property
    def facts(self) -> Facts | None:
        """What was kept of the checkpoint, None where nothing was."""
        with self._timed():
            kept = (store.facts(self._scope) for store in self._stores)
            content = next((one for one in kept if one is not None), None)
        return None if content is None else Facts(tuple(content["notes"]), int(content["vocabulary"]))

    def keep_facts(self, facts: Facts) -> None:
        """Keep them beside the scores."""
        with self._timed():
            for store in self._stores[-1:]:
                store.keep_facts(self._scope, {"notes": list(facts.notes), "vocabulary": facts.vocabulary})

    def _key_of(self, position: int) -> bytes:
        return self._keys[KEY_BYTES * position : KEY_BYTES * (position + 1)]

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
