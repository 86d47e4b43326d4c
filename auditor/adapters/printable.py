"""Text from probes, models and files as a terminal or a page may show it: it stands there and does nothing else."""

from __future__ import annotations

import math
import re

# Control characters and lone surrogates; marks that turn the direction of what follows and so can make
# a line say something else. Line breaks and tabs stay.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Write characters that act as escapes."""
    return _ACTING.sub(lambda one: one[0].encode("unicode_escape").decode("ascii"), text)


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, as a terminal or a file for CI shows it; ``n/a`` for none or an open end."""
    if not math.isfinite(value):
        return "n/a"
    shown = f"{value:+.{digits}f}"
    # A sign on what rounds to 0 would claim a direction.
    return shown if float(shown) else shown[1:]
