"""Scores one at a time, out of tables in whatever shape: long, wide, a file for each checkpoint, or for each side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from auditor.adapters.external.nested_keys import reach_into
from auditor.adapters.external.score_mapping import ABOUT, SIDES, TEXTS, WORDS, ScoreMapping
from auditor.adapters.probe_files.pair_files import checked_text
from auditor.adapters.probe_files.table_files import Row, TableFile, read_table
from auditor.core.series import Quantity
from auditor.errors import UsageError

# Above 0 by no more than what rounding does to the logarithm of a probability near 1.
_MOST = 1e-4
# No model gives as much, and squares of it are still numbers.
_LARGEST = 1e15
# Fields that say what a score is of, where a row is a score; a wide column says it itself.
_OF_A_SCORE = ("candidate", "value", "text")


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
        label: tells its rows from those of other files where none has an id.
    """

    table: TableFile
    name: str | None
    mapping: ScoreMapping
    label: str

    @classmethod
    def read(cls, path: Path, name: str | None, mapping: ScoreMapping, label: str = "") -> ScoreTable:
        """Read the file and see that its columns are there.

        Args:
            label: as above; the file's own name where none is given.

        Raises:
            UsageError: it cannot be read, lacks a column that is named or needed, or something that was said of it
                has nothing to apply to.
        """
        named = [*mapping.fields.values(), *(one.column for one in mapping.columns)]
        table = reach_into(read_table(path), named)
        missing = [one for one in named if one not in table.columns]
        if missing:
            raise UsageError(
                f"there is no column {missing[0]!r}", where=str(path), fix=f"Found: {_listed(table.columns)}."
            )
        found = cls(table, name, mapping, label or table.name)
        if mapping.columns:
            found._check_wide()
        elif mapping.column("value") not in table.columns:
            raise found._without_values()
        return found

    def _check_wide(self) -> None:
        """Nothing is said twice of the scores, and a row that is an item at one checkpoint says which item."""
        said = [one for one in _OF_A_SCORE if one in self.mapping.fields]
        if said:
            raise UsageError(
                f"columns of scores are named, and a column for {said[0]} too",
                where=f"--column, --map {said[0]}",
                fix="Give --column where a row is an item, --map value where a row is a score.",
            )
        if all(one.checkpoint for one in self.mapping.columns):
            again = self.name and f"{self.name}={self.table.path}"
            again = "--map checkpoint" if "checkpoint" in self.mapping.fields else again
            if again:
                raise UsageError(
                    "every --column names the checkpoint of its scores, and here it is said again",
                    where=again,
                    fix="Leave one of the two out: --column SIDE=COLUMN goes without a checkpoint.",
                )
        elif self._has_checkpoints and self.id_column is None:
            raise UsageError(
                "a row is an item at one checkpoint, and no column says which item",
                where=str(self.table.path),
                fix="Add a column id, or map one: --map item=COLUMN.",
            )

    def _without_values(self) -> UsageError:
        where, columns = str(self.table.path), self.table.columns
        first = next(self.table.stream(), None)
        if first is not None and first.problem and not columns:
            # JSON lines have no header: where no line can be read there are no columns to speak of.
            return UsageError(first.problem, where=self.table.where(first), fix="Mend or remove the line.")
        if "logprobs" in columns:
            return UsageError(
                "the file holds a log-probability for each token",
                where=where,
                fix="Give what it answers: --requests FILE, as audit requests wrote it.",
            )
        return UsageError(
            "which column holds the scores is not said",
            where=where,
            fix=f"Say --map value=COLUMN (a row a score) or --column CHECKPOINT.SIDE=COLUMN (a row an item). "
            f"Found: {_listed(columns)}.",
        )

    @property
    def of_one_side(self) -> bool:
        """Whether all scores are of the side that the file is called by."""
        return not self.mapping.columns and self.mapping.column("candidate") not in self.table.columns

    @property
    def id_column(self) -> str | None:
        """Which column holds the items' ids; None where they have none."""
        named = (self.mapping.column("item"), "id")
        return next((one for one in named if one in self.table.columns), None)

    @property
    def _has_checkpoints(self) -> bool:
        return self.mapping.column("checkpoint") in self.table.columns

    def rows(self) -> Iterator[ScoreRow]:
        """Every score of the file, in its order.

        Raises:
            UsageError: a row cannot be read, or a score is no number of its quantity.
        """
        parse = self._wide if self.mapping.columns else self._long
        for place, row in enumerate(self.table.stream(), 1):
            if row.problem:
                raise UsageError(row.problem, where=self.table.where(row), fix="Mend or remove the line.")
            yield from parse(row, self._item(row, place))

    def _wide(self, row: Row, item: str) -> Iterator[ScoreRow]:
        where, about = self.table.where(row), self._about(row)
        for one in self.mapping.columns:
            checkpoint = one.checkpoint or self._checkpoint(row, self.name or self.table.name)
            value = _number(row.values.get(one.column), self.mapping.quantity, where)
            yield ScoreRow(where, item, checkpoint, self._side(one.side), one.side, value, about)

    def _long(self, row: Row, item: str) -> Iterator[ScoreRow]:
        where = self.table.where(row)
        called, word = self._called(row, where)
        side = self._side(word)
        about = dict(self._about(row))
        text = self._text(row, "text")
        if text:
            about[f"text of {side}"] = text
        value = _number(row.values.get(self.mapping.column("value")), self.mapping.quantity, where)
        yield ScoreRow(where, item, self._checkpoint(row, called), side, word, value, about)

    def _called(self, row: Row, where: str) -> tuple[str, str]:
        """What the file is called, for a checkpoint; and a row's word for the side, from its column or that name."""
        named = self.name or self.table.name
        if not self.of_one_side:
            return named, self._required(row, "candidate", where)
        checkpoint, dot, side = named.rpartition(".")
        if not dot or not checkpoint:
            raise UsageError(
                "which side a score is of is not said",
                where=str(self.table.path),
                fix="Say --map candidate=COLUMN, or call each file's side: CHECKPOINT.harmful=FILE.",
            )
        return checkpoint, side

    def _checkpoint(self, row: Row, called: str) -> str:
        """From its column, else what the file is called; a name that was given must not say otherwise."""
        if not self._has_checkpoints:
            return called
        where = self.table.where(row)
        found = self._required(row, "checkpoint", where)
        if self.name is not None and found != called:
            raise UsageError(
                f"the score is of the checkpoint {found!r}, and its file was called {called!r}",
                where=where,
                fix="Give the file without a name, or under that of all its rows.",
            )
        return found

    def _side(self, word: str) -> str:
        return self.mapping.sides.get(word, word)

    def _item(self, row: Row, place: int) -> str:
        """The row's id; where the file has none, its place: among the rows, or in this file alone.

        Rows that are items are counted: a header or a line break in a cell moves the lines of one file and not of
        another.
        """
        column = self.id_column
        if column is not None:
            return self._required(row, column, self.table.where(row), column)
        return str(place) if self.mapping.columns else f"{self.label}:{row.line}"

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
        # Parquet also has decimals and half precision.
        is_number = isinstance(value, str | SupportsFloat) and not isinstance(value, bool)
        number = float(value) if is_number else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if quantity == "logprob" and number > _MOST:
        raise UsageError(
            f"{number:g} is no log-probability: it lies above 0",
            where=where,
            fix="Say --quantity reward if it is the output of a reward model.",
        )
    is_certain = number == -math.inf and quantity == "logprob"
    if math.isnan(number) or (abs(number) > _LARGEST and not is_certain):
        raise UsageError(
            f"{str(value)[:40]!r} is no finite number of a size that scores have",
            where=where,
            fix="Mend it, or leave the cell empty.",
        )
    return number


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "") or "none"
