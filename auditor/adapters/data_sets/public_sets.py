"""What readers of public data sets share: refuse and count the rows that are no pair, keep the rest.

Public sets are taken as they are; a bad row is theirs, not the user's, so it never stops the audit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from auditor.adapters.probe_files.table_files import Row, TableFile, check_utf8, content_of, unique_keys
from auditor.core.items import Card, Item, Probe
from auditor.core.refusals import Refusal
from auditor.errors import UsageError


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

    def entries() -> Iterable[tuple[str, Item | str]]:
        for row in table.stream():
            problem = row.problem or _problem(row, columns, sides)
            yield table.where(row), problem or item_of(row)

    return collect(name, card, entries())


def collect(name: str, card: Card, entries: Iterable[tuple[str, Item | str]]) -> Probe:
    """A probe of what was made of each entry: an item, or what is wrong with it; beside where it stands."""
    items: dict[str, Item] = {}
    refusals: list[Refusal] = []
    for where, found in entries:
        if isinstance(found, Item) and found.id not in items:
            items[found.id] = found
            continue
        detail = found if isinstance(found, str) else f"its id {found.id!r} stands in the file already"
        refusals.append(Refusal("unreadable_row", f"{where}: {detail}", name))
    return Probe(name, tuple(items.values()), card, tuple(refusals))


def say_translation(probe: Probe) -> Probe:
    """The same probe; if it is not all English, with a note that the card is the original's."""
    languages = sorted({item.language for item in probe.items} - {"en"})
    if not languages:
        return probe
    note = (
        f"its rows are in {', '.join(languages)}: licence, citation and known defects here are those of the English "
        "original, and those of the translation hold beside them"
    )
    return replace(probe, card=replace(probe.card, notes=(*probe.card.notes, note)))


def row_id(row: Row) -> str:
    """The row's number in the published file, kept in its unnamed first column; else the line it stands on."""
    return str(row.values.get("", row.line))


def text_problem(values: Mapping[str, object], columns: Iterable[str]) -> str:
    """What keeps the first bad one of these columns from being a text; "" where nothing does."""
    for column in columns:
        value = values.get(column, "")
        if not isinstance(value, str):
            return f"{column} is not text"
        if not value.strip():
            return f"{column} is empty"
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return f"{column} holds a lone surrogate, which is no character"
    return ""


def joint_sha256(hashes: Sequence[str]) -> str:
    """The hash of a set of one file; of several files, the SHA-256 of their hashes, a line each."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def read_lines(path: Path) -> tuple[list[str], str]:
    """Lines of a text file without their ends, and its SHA-256.

    Raises:
        UsageError: it cannot be read or is not UTF-8.
    """
    content, sha256 = content_of(path)
    check_utf8(path, content)
    return content.decode("utf-8-sig").replace("\r\n", "\n").split("\n"), sha256


def read_json(path: Path) -> tuple[object, str]:
    """A JSON document and the file's SHA-256.

    Raises:
        UsageError: it cannot be read, is not UTF-8 or no JSON.
    """
    content, sha256 = content_of(path)
    check_utf8(path, content)
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=unique_keys), sha256
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(
            f"malformed JSON: {error}", where=f"{path}{line}", fix="Give the file as it was published."
        ) from error


def _problem(row: Row, columns: Sequence[str], sides: tuple[str, str]) -> str:
    one, other = (row.values.get(side) for side in sides)
    return text_problem(row.values, columns) or ("both sentences are the same" if one == other else "")
