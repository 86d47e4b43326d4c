"""Permanent anchors of the page: the same probe and identity have the same address in every report."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 40  # characters of a name that stand in an anchor
_DIGITS = 8  # of the hash that tells names apart which look alike there


def probe_anchor(name: str, design: str = "") -> str:
    """Where a probe's answer stands; a probe of several designs has one place for each.

    Args:
        name: the probe's, as it was asked for.
        design: of its rows, empty where the text-swap rows are meant or none is told apart.
    """
    return "-".join(["probe", _slug(name), *([design.replace("_", "-")] if design not in ("", "text_swap") else [])])


def identity_anchor(*names: str) -> str:
    """Where an identity's verdict stands.

    Args:
        names: all that tells the verdict from others, the identity last.
    """
    told = hashlib.sha256("\0".join(names).encode()).hexdigest()[:_DIGITS]
    return "-".join(["identity", *(part for part in (_letters(names[-1]),) if part), told])


def _slug(text: str) -> str:
    """The text where it can stand in an address as it is; else what can, and a hash of the whole."""
    letters = _letters(text)
    if letters == text:
        return text
    told = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return f"{letters}-{told}" if letters else told


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:_LONGEST].strip("-")
