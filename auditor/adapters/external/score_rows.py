"""Scores one at a time, out of tables in whatever shape: long, wide, a file for each checkpoint, or for each side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.external.score_mapping import ABOUT, SIDES, TEXTS, WORDS, Quantity, ScoreMapping
from auditor.adapters.probe_files.pair_files import checked_text
from auditor.adapters.probe_files.table_files import Row, TableFile, read_table
from auditor.errors import UsageError

# Above 0 by no more than what rounding does to the logarithm of a probability near 1.
_MOST = 1e-4


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score.

    Attributes:
        where: file and line, for messages.
        item: id of what was scored; ``checkpoint`` and ``side`` say by whom and which of its texts.
        word: what the file calls the side.
        value: nats or the reward; -inf of a probability of exactly 0; None where the cell is empty.
        about: of the item, by field, what the row says: texts of its sides among it.
    """

    where: str
    item: str
    checkpoint: str
    side: str
    word: str
    value: float | None
    about: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """One file of scores.

    Attributes:
        table: its rows.
        name: what its argument calls it, None for nothing: a checkpoint, or CHECKPOINT.SIDE.
    """

    table: TableFile
    name: str | None
    mapping: ScoreMapping

    @classmethod
    def read(cls, path: Path, name: str | None, mapping: ScoreMapping) -> ScoreTable:
        """Read the file and see that its columns are there.

        Raises:
            UsageError: it cannot be read, or lacks a column that is named or needed.
        """
        found = cls(read_table(path), name, mapping)
        if "logprobs" in found.table.columns and not mapping.columns:
            raise UsageError(
                "the file holds a log-probability for each token",
                where=str(path),
                fix="Give what it answers: --requests FILE, as audit requests wrote it.",
            )
        named = [*mapping.fields.values(), *(one.column for one in mapping.columns)]
        missing = [one for one in named if one not in found.table.columns]
        if missing:
            raise UsageError(
                f"there is no column {missing[0]!r}", where=str(path), fix=f"Found: {_listed(found.table.columns)}."
            )
        if mapping.columns and "value" in mapping.fields:
            raise UsageError(
                "columns of scores are named, and a column of values too",
                where="--column, --map value",
                fix="Give --column where a row is an item, --map value where a row is a score.",
            )
        if not mapping.columns and mapping.column("value") not in found.table.columns:
            raise UsageError(
                "which column holds the scores is not said",
                where=str(path),
                fix=f"Say --map value=COLUMN (a row a score) or --column CHECKPOINT.SIDE=COLUMN (a row an item). "
                f"Found: {_listed(found.table.columns)}.",
            )
        return found

    @property
    def of_one_side(self) -> bool:
        """Whether all scores are of the side that the file is called by."""
        return not self.mapping.columns and self.mapping.column("candidate") not in self.table.columns

    @property
    def id_column(self) -> str | None:
        """Which column holds the items' ids; None where they have none."""
        named = (self.mapping.column("item"), "id")
        return next((one for one in named if one in self.table.columns), None)

    def rows(self) -> Iterator[ScoreRow]:
        """Every score of the file, in its order.

        Raises:
            UsageError: a row cannot be read, or a score is no number of its quantity.
        """
        parse = self._wide if self.mapping.columns else self._long
        for row in self.table.stream():
            if row.problem:
                raise UsageError(row.problem, where=self.table.where(row), fix="Mend or remove the line.")
            yield from parse(row)

    def _wide(self, row: Row) -> Iterator[ScoreRow]:
        where, item = self.table.where(row), self._item(row)
        about = self._about(row)
        for one in self.mapping.columns:
            checkpoint = one.checkpoint or self.name or self.table.path.stem
            value = _number(row.values.get(one.column), self.mapping.quantity, where)
            yield ScoreRow(where, item, checkpoint, self._side(one.side), one.side, value, about)

    def _long(self, row: Row) -> Iterator[ScoreRow]:
        where = self.table.where(row)
        name, word = self._place(row, where)
        side = self._side(word)
        about = dict(self._about(row))
        text = self._text(row, "text")
        if text:
            about[f"text of {side}"] = text
        value = _number(row.values.get(self.mapping.column("value")), self.mapping.quantity, where)
        yield ScoreRow(where, self._item(row), name, side, word, value, about)

    def _place(self, row: Row, where: str) -> tuple[str, str]:
        """Checkpoint and word for the side of a row: from its columns, else from what the file is called."""
        named = self.name or self.table.path.stem
        if self.of_one_side:
            named, dot, side = named.rpartition(".")
            if not dot or not named:
                raise UsageError(
                    "which side a score is of is not said",
                    where=str(self.table.path),
                    fix="Say --map candidate=COLUMN, or call each file's side: CHECKPOINT.harmful=FILE.",
                )
        else:
            side = self._required(row, "candidate", where)
        has_name = self.mapping.column("checkpoint") in self.table.columns
        return self._required(row, "checkpoint", where) if has_name else named, side

    def _side(self, word: str) -> str:
        return self.mapping.sides.get(word, word)

    def _item(self, row: Row) -> str:
        """The row's id; where the file has none, its place, which no other row shares."""
        column = self.id_column
        if column is not None:
            return self._required(row, column, self.table.where(row), column)
        return str(row.line) if self.mapping.columns else f"{self.table.path.stem}:{row.line}"

    def _required(self, row: Row, field: str, where: str, column: str = "") -> str:
        text = _as_text(row.values.get(column or self.mapping.column(field)), field, where)
        if not text.strip():
            raise UsageError(f"{field} is empty", where=where, fix="Give every row its own.")
        return text

    def _text(self, row: Row, field: str) -> str:
        return _as_text(row.values.get(self.mapping.column(field)), field, self.table.where(row))

    def _about(self, row: Row) -> Mapping[str, str]:
        fields = (*ABOUT, *WORDS, *TEXTS)
        # A column of scores may have the name of a side; it is no text then.
        taken = {one.column for one in self.mapping.columns}
        texts = {one: self._text(row, one) for one in fields if self.mapping.column(one) not in taken}
        return {f"text of {name}" if name in SIDES else name: text for name, text in texts.items() if text}


def _as_text(value: Any, field: str, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UsageError(f"{field} must be text, found {type(value).__name__}", where=where, fix="Map another column.")
    return checked_text(value, field, where)


def _number(value: Any, quantity: Quantity, where: str) -> float | None:
    """A score; dumps of reward models hold each in a list of its own."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if quantity == "logprob" and number > _MOST:
        raise UsageError(
            f"{number:g} is no log-probability: it lies above 0",
            where=where,
            fix="Say --quantity reward if it is the output of a reward model.",
        )
    if math.isnan(number) or (math.isinf(number) and quantity == "reward"):
        raise UsageError(
            f"{str(value)[:40]!r} is no finite number", where=where, fix="Mend it, or leave the cell empty."
        )
    return number


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "") or "none"
