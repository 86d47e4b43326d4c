"""Columns of whole numbers, and JSON about them, as one compressed text that a page can hold and its script can read.

A pack is base64 of gzip of: the length of the head (4 bytes, little endian), the head (JSON in UTF-8), the columns. The
head's ``columns`` give for each its first byte after the head, how many numbers it has and how many bytes each of them.
A column's lowest bytes come first, then the next ones: high bytes are nearly all alike, so they cost little.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from auditor.core.scores import FloatArray, IntArray

# A fraction of a unit in which numbers are kept, unless some are too large for it.
FINEST = 1000.0
# A margin can be twice the larger of its scores, and a sign takes another bit.
_LARGEST = 2**29


def packed(head: Mapping[str, Any], columns: Mapping[str, IntArray]) -> str:
    """One pack; equal arguments give equal texts.

    Args:
        head: anything JSON can hold, but for the key ``columns``.
        columns: numbers from 0 to 2^32 - 1.
    """
    places: dict[str, tuple[int, int, int]] = {}
    planes: list[bytes] = []
    reached = 0
    for name, values in columns.items():
        width = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
        places[name] = (reached, len(values), width)
        planes += [((values >> (8 * at)) & 255).astype(np.uint8).tobytes() for at in range(width)]
        reached += len(values) * width
    text = json.dumps({**head, "columns": places}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Half a surrogate pair is no text that UTF-8 can hold; JSON writes it as an escape.
    start = text.encode("utf-8", "backslashreplace")
    content = b"".join([len(start).to_bytes(4, "little"), start, *planes])
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def steps_a_unit(values: Iterable[FloatArray]) -> float:
    """How many steps a unit is parted into, so that all numbers fit: 1,000, or a power of ten less."""
    largest = max((float(np.abs(one[np.isfinite(one)]).max(initial=0.0)) for one in values), default=0.0)
    steps = FINEST
    while largest * steps >= _LARGEST:
        steps /= 10
    return steps


def quantised(values: FloatArray, steps: float) -> IntArray:
    """Numbers as whole steps, to the nearest: 0 where there is none, else 1 + 2k for k and 2k for -k."""
    there = np.isfinite(values)
    whole = np.rint(np.where(there, values, 0.0) * steps).astype(np.int64)
    return np.where(there, 2 * np.abs(whole) + (whole >= 0), 0)


def fitting(pack: Callable[[int], str], count: int, budget: int) -> tuple[str, int]:
    """The pack of as many of the first ``count`` things as stay within a budget of characters, and how many."""
    text = pack(count)
    while len(text) > budget and count:
        count = int(count * 0.95 * budget / len(text))
        text = pack(count)
    return text, count


class Interned:
    """Texts by number, in the order they were first seen; 0 is none.

    Attributes:
        characters: of all different texts.
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self.characters = 0

    def code(self, text: str | None) -> int:
        """The number of a text, the same for equal ones."""
        if text is None:
            return 0
        known = self._codes.get(text)
        if known is None:
            known = self._codes[text] = len(self._codes) + 1
            self.characters += len(text)
        return known

    @property
    def texts(self) -> list[str]:
        """All texts; the one of number n stands at n - 1."""
        return list(self._codes)
