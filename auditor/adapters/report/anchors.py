"""Permanent addresses on the page."""

from __future__ import annotations

import hashlib

# Of 16 million items two share 12 hexadecimal digits with a chance of a half.
_BYTES = 6


def anchor_of(probe: str, item: str) -> str:
    """What names one item in a link for as long as its probe and its id stay the same: 12 hexadecimal digits."""
    return anchor_bytes(probe, item).hex()


def anchor_bytes(probe: str, item: str) -> bytes:
    """The same as 6 bytes: the first of SHA-256 over both names, parted by a zero byte."""
    # What is no Unicode text has a place in a file name at most; an address is wanted for it all the same.
    return hashlib.sha256(f"{probe}\0{item}".encode("utf-8", "surrogatepass")).digest()[:_BYTES]
