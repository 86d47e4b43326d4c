"""Scores that follow from a number, so that one process can check what another one kept; imports nothing slow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from auditor.adapters.cache.score_store import Float32Array

# Two scopes.
ONE, TWO = "ab" * 32, "cd" * 32


def key(number: int) -> bytes:
    """A digest."""
    return hashlib.sha256(str(number).encode()).digest()


@cache
def score(number: int) -> Float32Array:
    """One to thirty values."""
    return np.random.default_rng(number).standard_normal(1 + number % 30).astype(np.float32)


def entries(numbers: Sequence[int]) -> list[tuple[bytes, Float32Array]]:
    """What a store keeps."""
    return [(key(one), score(one)) for one in numbers]
