"""What the columns of somebody else's table of scores mean: from the command line, or from a small YAML file.

    long    a row a score      map: {item: id, checkpoint: model, candidate: side, value: score}
    wide    a row an item      columns: {sft.harmful: sft_rejected, sft.affirming: sft_chosen}

The command line wins over the file, and a column that has our own name need not be named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from auditor.core.items import AFFIRMING, HARMFUL
from auditor.core.series import QUANTITIES, Quantity
from auditor.errors import UsageError, one_line

SIDES = (HARMFUL, AFFIRMING)
# What a row says of a score, and of its item: as in a pair file, texts included.
SCORE_FIELDS = ("item", "checkpoint", "candidate", "value", "text")
ABOUT = ("identity", "surface", "axis", "theme", "cluster", "paraphrase", "frame", "match", "language")
WORDS = ("role", "valence", "design")
TEXTS = ("context", *SIDES)
FIELDS = (*SCORE_FIELDS, *ABOUT, *WORDS, *TEXTS)
_KEYS = ("quantity", "map", "columns", "sides")


@dataclass(frozen=True, slots=True)
class WideColumn:
    """A column of scores: of which checkpoint, None for the one its file is named for, and of which side."""

    checkpoint: str | None
    side: str
    column: str


@dataclass(frozen=True, slots=True)
class ScoreMapping:
    """How a table of scores is read.

    Attributes:
        fields: our names to the file's columns, those that were named.
        columns: of scores where a row is an item; none where a row is a score.
        sides: the file's word for a side to ours.
    """

    quantity: Quantity
    fields: Mapping[str, str]
    columns: tuple[WideColumn, ...]
    sides: Mapping[str, str]

    def column(self, field: str) -> str:
        """The file's column for a field: the one named, else that of our name."""
        return self.fields.get(field, field)


def score_mapping(
    *, fields: Sequence[str], columns: Sequence[str], sides: Sequence[str], quantity: str | None, file: Path | None
) -> ScoreMapping:
    """Put the command line's words over the file's.

    Args:
        fields: ``FIELD=COLUMN``, several parted by commas; ``columns``: ``[CHECKPOINT.]SIDE=COLUMN``; ``sides``:
            ``SIDE=WORD``, several parted by commas.
        file: YAML with the keys ``quantity``, ``map``, ``columns`` and ``sides``.

    Raises:
        UsageError: a word is malformed or unknown, or the quantity is not said.
    """
    stated: Mapping[str, Any] = {} if file is None else _read(file)
    where = f"--mapping {file}"
    named = {**_texts(stated, "map", where), **_pairs("--map", [one for text in fields for one in text.split(",")])}
    for field in named:
        if field not in FIELDS:
            raise UsageError(f"unknown field {field!r}", where="--map", fix=f"Known: {', '.join(FIELDS)}.")
    wide = {**_texts(stated, "columns", where), **_pairs("--column", columns)}
    words = {**_texts(stated, "sides", where), **_pairs("--side", [one for text in sides for one in text.split(",")])}
    asked = quantity or stated.get("quantity")
    if asked not in QUANTITIES:
        raise UsageError(
            "what the scores are is not said" if asked is None else f"unknown quantity {str(asked)[:40]!r}",
            where="--quantity",
            fix="Say logprob (natural logarithm of a text's probability, summed) or reward (a reward model's output).",
        )
    twice = next((one for one in wide.values() if list(wide.values()).count(one) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two scores are read from the column {twice!r}", where="--column", fix="Name a column for each score."
        )
    by_word = {word: side for side, word in words.items()}
    if len(by_word) < len(words):
        raise UsageError("two sides have the same word", where="--side", fix="Name each side's own.")
    return ScoreMapping(cast(Quantity, asked), named, tuple(_wide(*one) for one in wide.items()), by_word)


def _wide(name: str, column: str) -> WideColumn:
    checkpoint, dot, side = name.rpartition(".")
    if not side or (dot and not checkpoint):
        raise UsageError(
            f"{name!r} names no side", where="--column", fix="Write CHECKPOINT.SIDE=COLUMN, or SIDE=COLUMN."
        )
    return WideColumn(checkpoint or None, side, column)


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign and value):
            raise UsageError(f"expected NAME=COLUMN, got {text!r}", where=option, fix=f"Such as {_SUCH[option]}.")
        if name in found:
            raise UsageError(f"{name!r} is given twice", where=option, fix="Leave one out.")
        found[name] = value
    return found


_SUCH = {
    "--map": "--map item=id,checkpoint=model,candidate=side,value=score",
    "--column": "--column sft.harmful=sft_rejected",
    "--side": "--side harmful=rejected,affirming=chosen",
}


def _read(file: Path) -> Mapping[str, Any]:
    where = f"--mapping {file}"
    fix = "Write 'quantity', 'map', 'columns' and 'sides', as in docs/external-scores.md."
    try:
        text = file.read_text(encoding="utf-8")
        _refuse_twice(yaml.compose(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"cannot be read: {one_line(error)}", where=where, fix=fix) from error
    if not isinstance(content, dict):
        raise UsageError("holds no keys", where=where, fix=fix)
    unknown = [key for key in content if key not in _KEYS]
    if unknown:
        raise UsageError(f"unknown key {unknown[0]!r}", where=where, fix=fix)
    return content


def _refuse_twice(node: yaml.Node | None, depth: int = 0) -> None:
    """YAML would silently keep the last of two values of one key; the file has keys within keys, and no more."""
    if isinstance(node, yaml.MappingNode) and depth < 2:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the key {name!r} stands twice")
        for _, value in node.value:
            _refuse_twice(value, depth + 1)


def _texts(content: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    value = content.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise UsageError(f"{key!r} must hold names and columns", where=where, fix="Put words such as no in quotes.")
    return dict(value)
