"""Vectors that took long to make, in the stores of an audit: what is there is not made again, what is new is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from auditor.adapters.cache.score_store import Float32Array, ScoreStore
from auditor.adapters.hf.sequences import Sequences
from auditor.core.scores import IntArray

_KEY_BYTES = 32


def vector_scope(
    method: str, parameters: Mapping[str, str], fingerprints: Sequence[str], engine: Mapping[str, str]
) -> str:
    """SHA-256 in hex of all that decides a vector but the item it is about.

    Args:
        method: what makes it, with the version of its code.
        parameters: of the method.
        fingerprints: of the checkpoints, in the method's order.
        engine: everything else that decides a number, as in the manifest.
    """
    # Not of the form of a score's scope, so neither is ever taken for the other.
    content = ["vector", method, dict(parameters), list(fingerprints), dict(engine)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def vector_key(sequences: Sequences, positions: IntArray) -> bytes:
    """A digest of the token ids of some sequences, in their order, and of where each is scored from."""
    digest = hashlib.blake2b(digest_size=_KEY_BYTES)
    for position in positions.tolist():
        ids = sequences[position].astype("<i4").tobytes()
        digest.update(int(sequences.starts[position]).to_bytes(8, "little") + len(ids).to_bytes(8, "little") + ids)
    return digest.digest()


class KeptVectors:
    """Reads from all stores and writes to the last; without a store it finds and keeps nothing."""

    def __init__(self, stores: Sequence[ScoreStore]) -> None:
        self._stores = stores

    def find(self, scope: str, keys: Sequence[bytes]) -> list[Float32Array | None]:
        """The vector of each key, None where there is none.

        Args:
            scope: as `vector_scope` gives it.
            keys: digests of 32 bytes, such as those of `vector_key`.

        Raises:
            StorageError: another process kept a file locked.
        """
        found: list[Float32Array | None] = [None] * len(keys)
        for store in self._stores:
            missing = [at for at, one in enumerate(found) if one is None]
            for at, one in zip(missing, store.find(scope, [keys[at] for at in missing]), strict=True):
                found[at] = one
        return found

    def keep(self, scope: str, entries: Sequence[tuple[bytes, Float32Array]]) -> None:
        """Keep vectors of shape (n,) under their keys: all of them, or none if this raises.

        Raises:
            StorageError: the disk is full or fails, or another process kept the file locked.
        """
        for store in self._stores[-1:]:
            store.keep(scope, entries)

    def facts(self, scope: str) -> dict[str, Any] | None:
        """JSON values kept beside the vectors of a scope, None where there are none."""
        found = (store.facts(scope) for store in self._stores)
        return next((one for one in found if one is not None), None)

    def keep_facts(self, scope: str, facts: Mapping[str, Any]) -> None:
        """Keep JSON values beside the vectors of a scope."""
        for store in self._stores[-1:]:
            store.keep_facts(scope, facts)
