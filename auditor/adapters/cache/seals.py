"""Bytes kept with a checksum over them and the place they belong to: changed or moved, they are not there."""

from __future__ import annotations

import hashlib

_CHECK_BYTES = 8


def seal(place: bytes, content: bytes) -> bytes:
    """The content with its checksum behind it."""
    return content + _check(place, content)


def unseal(place: bytes, value: object) -> bytes | None:
    """The content that was sealed for this place, None for anything else: a damaged row can hold any type."""
    if not isinstance(value, bytes):
        return None
    content = value[:-_CHECK_BYTES]
    return content if value[-_CHECK_BYTES:] == _check(place, content) else None


def _check(place: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(place + content, digest_size=_CHECK_BYTES).digest()
