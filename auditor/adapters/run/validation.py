"""What pydantic found wrong with a file, in one line and without the file's own values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from auditor.errors import one_line

# A problem as pydantic tells it: its type, its place, its message and what it was said of.
Details = dict[str, Any]


def _dotted(problem: Details) -> str:
    return ".".join(str(part) for part in problem["loc"])


def first_problem(error: Exception, place: Callable[[Details], str] = _dotted) -> str:
    """The first of the problems and how many more there are; any other error's own message.

    Args:
        place: says where a problem is.
    """
    if isinstance(error, UnicodeDecodeError):
        return f"it is no text in UTF-8 (byte {error.start + 1})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if not isinstance(error, ValidationError):
        return one_line(error)
    problems: list[Details] = [dict(one) for one in error.errors(include_url=False)]
    # Where an entry is wrong, pydantic also counts one too few in the list that it is missing from.
    places = [one["loc"] for one in problems]
    own = [
        one
        for one in problems
        if one["type"] != "too_short"
        or all(loc == one["loc"] or loc[: len(one["loc"])] != one["loc"] for loc in places)
    ]
    where, said = place(own[0]), _said(own[0])
    more = f" (and {len(own) - 1} more)" if len(own) > 1 else ""
    return (f"{where}: " if where else "") + said + more


def _said(problem: Details) -> str:
    # Inputs stay out: they may be texts of a probe, and they may be long.
    if problem["type"] == "string_type" and isinstance(problem["input"], bool):
        return "Input should be a valid string, not true or false: a bare yes, no, on or off in YAML needs quotes"
    if problem["type"] == "string_type" and isinstance(problem["input"], int | float):
        return "Input should be a valid string, not a number: put it in quotes"
    if problem["type"] == "string_pattern_mismatch":
        return PATTERNS.get(problem["ctx"]["pattern"], str(problem["msg"]))
    if problem["type"] == "model_type":
        return "must be a mapping of keys to values"
    return str(problem["msg"]).removeprefix("Value error, ")


# What a text must be, by the pattern that it must match.
PATTERNS = {
    r"\S": "must not be blank",
    r"^\S(.*\S)?$": "must be one line that neither begins nor ends with a space",
    r"^((, ?)?[^\s,](.*\S)?)?$": "must be a clause that neither begins nor ends with a space, after one comma or none",
    r"^[a-z0-9][a-z0-9-]*$": "must be of small letters, digits and '-'",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "must be of letters, digits, '.', '_' and '-', and begin with a letter or digit",
}
