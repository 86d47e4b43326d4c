"""Pair files: the project's own input format, a row a pair (the contract is in docs/run-folder.md).

A pair file is somebody's own work, so reading stops at the first row that is not right.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.core.items import (
    AFFIRMING,
    DESIGNS,
    HARMFUL,
    ROLES,
    VALENCES,
    Candidate,
    Card,
    Item,
    Message,
    Probe,
)
from auditor.errors import UsageError

TEXT_COLUMNS = (
    "context",
    "prefix",
    "id",
    "identity",
    "surface",
    "axis",
    "theme",
    "cluster",
    "paraphrase",
    "frame",
    "match",
    "baseline",
    "language",
)
# Which of the row's labels is right; no plain "answer", which many a file has for something else.
RIGHT = "right_label"
COLUMNS = (HARMFUL, AFFIRMING, "candidates", "labels", RIGHT, "messages", "role", "valence", "design", *TEXT_COLUMNS)

_Word = TypeVar("_Word", bound=str)
_Value = TypeVar("_Value", bound=Hashable)
_REMEMBERED = 1 << 16


def read_pairs(table: TableFile, name: str, card: Card | None = None) -> Probe:
    """Read a pair file.

    Args:
        name: of the probe.
        card: what is known about the probe; by default only where it came from.

    Raises:
        UsageError: unknown or missing column, malformed row, empty side, duplicate id, no row.
    """
    _check_columns(table)
    items: list[Item] = []
    # Where each row stands, by its id.
    rows: dict[str, int] = {}
    clusters: dict[tuple[str, str], tuple[str, int]] = {}
    rows_as_clusters = 0
    shared = _Shared()
    for row in table.stream():
        item = _item(table, row, shared)
        if item.id in rows:
            raise UsageError(
                f"id {item.id!r} stands on line {rows[item.id]} already",
                where=table.where(row),
                fix="Give every row its own id, or leave the column out.",
            )
        rows[item.id] = row.line
        if "cluster" not in row.values:
            rows_as_clusters += 1
        elif item.match:
            _check_match(clusters, item, row, table)
        items.append(item)
    _check_baselines(items, rows, table)
    if items and all(item.is_baseline for item in items):
        raise UsageError(
            "holds baselines only", where=str(table.path), fix="Add rows that name them in the column baseline."
        )
    if not items:
        raise UsageError("holds no rows", where=str(table.path), fix="Give at least one pair.")
    notes = [] if card is None else list(card.notes)
    if rows_as_clusters:
        caution = (
            f"{rows_as_clusters} rows name no cluster and count as independent; paraphrases of one predicate "
            "are not, and intervals are then too narrow"
        )
        # An exported probe's card says it already.
        notes += [caution] if caution not in notes else []
    base = card or Card(title=table.source, source=table.source, sha256=table.sha256)
    return Probe(name, tuple(items), replace(base, notes=tuple(notes)))


class _Shared:
    """Texts and candidates that many rows repeat, each kept once.

    Those of the last few ten thousand rows are remembered: what repeats mostly repeats soon, and to remember all of a
    million would cost what it saves.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def of(self, one: _Value) -> _Value:
        """The first of its equals."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        found: _Value = self._known.setdefault(one, one)
        return found


def _check_baselines(items: Sequence[Item], rows: Mapping[str, int], table: TableFile) -> None:
    """A baseline is another row about the same candidates in the same cluster, with no baseline of its own."""
    if not any(item.baseline for item in items):
        return
    by_id = {item.id: item for item in items}
    for item in items:
        problem = _baseline_problem(item, by_id.get(item.baseline)) if item.baseline else ""
        if problem:
            raise UsageError(
                f"the baseline {item.baseline!r} {problem}",
                where=table.where(Row(rows[item.id], {})),
                fix="Name a row with the same candidates, cluster and design, whose context declares nothing.",
            )


def _baseline_problem(item: Item, other: Item | None) -> str:
    if other is None:
        return "is no row of the file"
    if other.baseline:
        return "has a baseline itself"
    if item.design != "responsiveness" or other.design != "responsiveness":
        return "is only subtracted in rows of design responsiveness, on both sides"
    if other.candidates != item.candidates:
        return "has other candidates"
    return "" if other.cluster == item.cluster else f"lies in another cluster, {other.cluster!r}"


def _check_match(clusters: dict[tuple[str, str], tuple[str, int]], item: Item, row: Row, table: TableFile) -> None:
    """Rows that differ in nothing but the identity cannot lie in two clusters."""
    cluster, line = clusters.setdefault((item.valence, item.match), (item.cluster, row.line))
    if cluster != item.cluster:
        raise UsageError(
            f"match {item.match!r} lies in cluster {item.cluster!r} here and in {cluster!r} on line {line}",
            where=table.where(row),
            fix="Rows that share a match key share their cluster: mend one of the two.",
        )


def _check_columns(table: TableFile) -> None:
    first = next(table.stream(), None)
    if not table.columns and first is not None:
        # JSON lines have no header: where no line can be read there are no columns to speak of.
        raise _unreadable(table, first)
    missing: list[str] = [name for name in (HARMFUL, AFFIRMING) if name not in table.columns]
    lists = {"candidates", "labels"} & set(table.columns)
    if first is not None and missing and len(lists) < 2:
        instead = ("candidates", "labels")
        missing = [name for name in instead if name not in lists] if lists and len(missing) == 2 else missing
        some = f"columns {' and '.join(missing)} are" if len(missing) > 1 else f"column {missing[0]} is"
        raise UsageError(
            f"the {some} missing",
            where=str(table.path),
            fix=f"Found: {', '.join(table.columns) or 'none'}. Columns of other names can be mapped: --map "
            f"{missing[0]}=COLUMN.",
        )
    unknown = [name for name in table.columns if name not in COLUMNS]
    if unknown:
        # A CSV's columns stand in its header; a key of a JSON line stands on that line.
        row = next((row for row in table.stream() if unknown[0] in row.values), None)
        raise UsageError(
            f"unknown column {unknown[0]!r}",
            where=str(table.path) if table.header or row is None else table.where(row),
            fix=f"Known columns: {', '.join(COLUMNS)}.",
        )


def _unreadable(table: TableFile, row: Row) -> UsageError:
    return UsageError(row.problem, where=table.where(row), fix="Mend or remove the line; nothing was scored.")


def _item(table: TableFile, row: Row, shared: _Shared) -> Item:
    where = table.where(row)
    if row.problem:
        raise _unreadable(table, row)
    texts = {name: shared.of(_text(row.values, name, where)) for name in TEXT_COLUMNS}
    texts["id"] = texts["id"] or str(row.line)
    texts["cluster"] = texts["cluster"] or f"row {texts['id']}"
    candidates = tuple(map(shared.of, _candidates(row.values, where)))
    return Item(
        candidates=candidates,
        answer=shared.of(_right(row.values, candidates, where)),
        messages=_messages(row.values.get("messages"), where),
        role=_word(row.values, "role", ROLES, where),
        valence=_word(row.values, "valence", VALENCES, where),
        design=_word(row.values, "design", DESIGNS, where),
        **texts,
    )


def _text(values: Mapping[str, Any], name: str, where: str) -> str:
    value = values.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UsageError(f"{name} must be text, found {type(value).__name__}", where=where, fix="Put it in quotes.")
    return checked_text(value, name, where)


def checked_text(value: str, name: str, where: str) -> str:
    """Refuse text that no tokenizer and no file can hold.

    Raises:
        UsageError: the text holds half of a UTF-16 surrogate pair.
    """
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(f"{name} holds a lone surrogate, which is no character", where=where, fix="Mend the text.")
    return value


def _word(values: Mapping[str, Any], name: str, allowed: Sequence[_Word], where: str) -> _Word:
    value = values.get(name, allowed[0])
    for word in allowed:
        if value == word:
            return word
    raise UsageError(f"{name} is {value!r}", where=where, fix=f"Give one of: {', '.join(allowed)}.")


def _candidates(values: Mapping[str, Any], where: str) -> tuple[Candidate, ...]:
    if "candidates" in values or "labels" in values:
        if HARMFUL in values or AFFIRMING in values:
            raise UsageError(
                "holds harmful or affirming beside candidates or labels",
                where=where,
                fix="Give harmful and affirming, or candidates and labels, not both.",
            )
        labels = _list(values.get("labels"), "labels", where)
        texts = _list(values.get("candidates"), "candidates", where)
        if len(labels) != len(texts):
            raise UsageError(
                f"{len(texts)} candidates but {len(labels)} labels", where=where, fix="Give each candidate one label."
            )
    else:
        labels = [HARMFUL, AFFIRMING]
        texts = [_text(values, label, where) for label in labels]
    if len(texts) < 2:
        raise UsageError("an item needs at least two candidates", where=where, fix="Add one, or remove the row.")
    if not all(label.strip() for label in labels):
        raise UsageError("a label is empty", where=where, fix="Give every candidate a label.")
    for label, text in zip(labels, texts, strict=True):
        if not text.strip():
            raise UsageError(f"the {label} side is empty", where=where, fix="Give every side a text.")
    for kind, words in (("labels", labels), ("candidates", texts)):
        if len(set(words)) < len(words):
            raise UsageError(f"two {kind} are the same", where=where, fix="Candidates of an item must differ.")
    return tuple(Candidate(label, text) for label, text in zip(labels, texts, strict=True))


def _right(values: Mapping[str, Any], candidates: Sequence[Candidate], where: str) -> str:
    right = _text(values, RIGHT, where)
    labels = [one.label for one in candidates]
    if right and right not in labels:
        raise UsageError(
            f"{RIGHT} is {right!r}, no label of the row", where=where, fix=f"Give one of: {', '.join(labels)}."
        )
    return right


def _list(value: Any, name: str, where: str) -> list[str]:
    value = _json(value, name, where)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(
            f"{name} must be a list of texts", where=where, fix='Write it as a JSON list: ["one text", "another"].'
        )
    return [checked_text(one, name, where) for one in value]


def _messages(value: Any, where: str) -> tuple[Message, ...]:
    turns = _json(value, "messages", where)
    if turns is None:
        return ()
    keys, shape = {"role", "content"}, 'Write a JSON list such as [{"role": "user", "content": "..."}].'
    if not isinstance(turns, list) or not all(isinstance(one, dict) and set(one) == keys for one in turns):
        raise UsageError("messages must be a list of objects with role and content", where=where, fix=shape)
    if not all(isinstance(one["role"], str) and isinstance(one["content"], str) for one in turns):
        raise UsageError("role and content of a message must be text", where=where, fix=shape)
    return tuple(
        Message(checked_text(one["role"], "messages", where), checked_text(one["content"], "messages", where))
        for one in turns
    )


def _json(value: Any, name: str, where: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} is not valid JSON: {error}", where=where, fix="Write it as a JSON list, in double quotes."
        ) from error
