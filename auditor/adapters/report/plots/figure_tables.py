"""The data of a figure as a CSV file, and names for such files."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.adapters.printable import on_one_line

Value = str | float | int | None
# What a spreadsheet would take for a formula at the beginning of a cell.
_FORMULA = ("=", "+", "-", "@")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Table:
    """What a figure draws, a row for each thing drawn; units stand in the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def csv(self) -> str:
        """As CSV: numbers in full precision, nothing for none, no text that a spreadsheet would run."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(_cell(one) for one in self.header)
        writer.writerows([_cell(one) for one in row] for row in self.rows)
        return buffer.getvalue()


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    text = on_one_line(value)
    return "'" + text if text.startswith(_FORMULA) else text


def file_name(*parts: str) -> str:
    """A name without an ending that is safe in every file system: words of a-z and 0-9 with hyphens between."""
    return "-".join(_slug(one) for one in parts)


def numbered(names: Sequence[str]) -> list[str]:
    """The same names in order, a number behind each that came before."""
    taken: list[str] = []
    for name in names:
        free = (name, *(f"{name}-{at}" for at in range(2, len(names) + 2)))
        taken.append(next(one for one in free if one not in taken))
    return taken


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text[:500]).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_LONGEST].strip("-") or "unnamed"
