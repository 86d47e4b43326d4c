"""What readers of public data sets share: refuse and count the rows that are no pair, keep the rest.

Public sets are taken as they are; a bad row is theirs, not the user's, so it never stops the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.core.items import Card, Item, Probe
from auditor.core.refusals import Refusal


def read_public_set(
    table: TableFile,
    name: str,
    card: Card,
    *,
    columns: Sequence[str],
    sides: tuple[str, str],
    item_of: Callable[[Row], Item],
) -> Probe:
    """Read a pair set whose rows carry ``columns``, none of them empty, and two different sides."""
    items: dict[str, Item] = {}
    refusals: list[Refusal] = []
    for row in table.stream():
        problem = row.problem or _problem(row, columns, sides)
        item = None if problem else item_of(row)
        if item is None or item.id in items:
            detail = problem or f"its id {row_id(row)!r} stands in the file already"
            refusals.append(Refusal("unreadable_row", f"{table.where(row)}: {detail}", name))
        else:
            items[item.id] = item
    return Probe(name, tuple(items.values()), card, tuple(refusals))


def row_id(row: Row) -> str:
    """The row's number in the published file, kept in its unnamed first column; else the line it stands on."""
    return str(row.values.get("", row.line))


def _problem(row: Row, columns: Sequence[str], sides: tuple[str, str]) -> str:
    for column in columns:
        value = row.values.get(column, "")
        if not isinstance(value, str):
            return f"{column} is not text"
        if not value.strip():
            return f"{column} is empty"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return f"{column} holds a lone surrogate, which is no character"
    one, other = (row.values[side] for side in sides)
    return "both sentences are the same" if one == other else ""
