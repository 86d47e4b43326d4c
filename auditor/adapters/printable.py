"""Text from probes, models and files as a terminal or a page may show it: it stands there and does nothing else."""

from __future__ import annotations

import math
import re

# Control characters and lone surrogates; marks that turn the direction of what follows and so can make
# a line say something else; separators that few expect to end a line. Line breaks and tabs stay.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\ud800-\udfff\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BREAKS = re.compile(r"[\t\n]")


def printable(text: str) -> str:
    """Write characters that act as escapes."""
    return _ACTING.sub(_escaped, text)


def on_one_line(text: str) -> str:
    """The same with line breaks and tabs as escapes too: no name in it can write a line of its own."""
    return _BREAKS.sub(_escaped, printable(text))


def _escaped(one: re.Match[str]) -> str:
    return one[0].encode("unicode_escape").decode("ascii")


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign, as a terminal or a file for CI shows it; ``n/a`` for none or an open end."""
    if value is None or not math.isfinite(value):
        return "n/a"
    shown = f"{value:+.{digits}f}" if abs(value) < 1e5 else f"{value:+.2e}"
    # A sign on what rounds to 0 would claim a direction.
    return shown if float(shown) else shown[1:]


def duration(seconds: float) -> str:
    """So long, in the largest unit of which there are two at least."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return "a second" if seconds < 1.5 else f"{seconds:,.0f} seconds"


def span(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval; an end of which nothing is known is left open."""
    known = [end is not None and math.isfinite(end) for end in (low, high)]
    if not any(known):
        return "unbounded"
    ends = (signed(low, digits) if known[0] else "-inf", signed(high, digits) if known[1] else "+inf")
    return " to ".join(ends)
