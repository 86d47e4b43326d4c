"""Reads the packs of a report back, by the words of their format alone."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Unpacked:
    """A pack's head and bytes."""

    head: dict[str, Any]
    body: bytes

    def column(self, name: str) -> list[int]:
        """Whole numbers: the lowest bytes of all come first."""
        first, count, width = self.head["columns"][name]
        planes = [self.body[first + at * count : first + (at + 1) * count] for at in range(width)]
        return [sum(byte << (8 * at) for at, byte in enumerate(own)) for own in zip(*planes, strict=True)]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """0 is no number, an odd code is positive."""
        codes = self.column(name)
        whole = [np.nan if code == 0 else (code - 1) // 2 if code % 2 else -(code // 2) for code in codes]
        return np.array(whole) / self.head["steps"]


def unpacked(pack: str) -> Unpacked:
    content = zlib.decompress(base64.b64decode(pack, validate=True), wbits=31)
    (length,) = struct.unpack("<I", content[:4])
    return Unpacked(json.loads(content[4 : 4 + length]), content[4 + length :])


def packs_of(html: str) -> dict[str, Unpacked]:
    """The packs of a page by name; those that hold nothing are left out."""
    found = re.findall(r'<script type="application/octet-stream" id="explorer-(\w+)">([^<]+)</script>', html)
    return {name: unpacked(pack) for name, pack in found}
