"""What a score store holds, counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScopeInfo:
    """What is kept of one scope.

    Attributes:
        scope: SHA-256 in hex.
        scores: how many.
        n_bytes: of keys and values.
        created: when the first was kept.
        used: when one was last kept or, noted once in each run, found.
    """

    scope: str
    scores: int
    n_bytes: int
    created: datetime
    used: datetime


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What a store holds: its scopes, the last used first, and the bytes it takes on the disk."""

    path: Path
    n_bytes: int
    scopes: tuple[ScopeInfo, ...]

    @property
    def scores(self) -> int:
        """How many scores in all."""
        return sum(one.scores for one in self.scopes)
