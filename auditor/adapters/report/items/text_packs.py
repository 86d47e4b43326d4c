"""Texts and tokens of a run's pairs, packed for the page: of as many as stay within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auditor.adapters.report.items.column_packs import Interned, fitting, packed, quantised, steps_a_unit
from auditor.adapters.report.items.glosses import Gloss, glosses_of, names_with_tokens, token_rows
from auditor.adapters.report.items.item_margins import SIDES, ItemMargins
from auditor.adapters.report.items.item_texts import ItemTexts
from auditor.adapters.report.items.strong_items import shortened
from auditor.adapters.run.run_folder import ITEMS_FILE
from auditor.core.scores import IntArray

# Characters of the page: with 45,540 pairs at four checkpoints it stays under 3 MB.
SIDES_BUDGET, TOKENS_BUDGET = 700_000, 400_000
# No more pairs are tried where not all fit.
TEXTS_TRIED, TOKENS_TRIED = 4_000, 2_000
# Characters of different texts that are held in memory.
_MAX_CHARACTERS = 16_000_000
# A text beyond this is no sentence that anybody compares with another.
MAX_TEXT, MAX_TOKEN = 2_000, 60


@dataclass(frozen=True, slots=True)
class Asked:
    """Which pairs of a run the page holds.

    Attributes:
        kept: their rows in ``margins``, ascending, shape (n,); a pair's number on the page is its place here.
        order: the same rows, those that are wanted most first.
        steps: how many steps a unit is parted into.
    """

    run: Path
    render: str
    margins: ItemMargins
    kept: IntArray
    order: IntArray
    steps: float

    def numbers(self, rows: IntArray) -> IntArray:
        """The numbers on the page of some rows."""
        return np.searchsorted(self.kept, rows)

    def texts(self, rows: IntArray) -> ItemTexts:
        """Texts of some rows."""
        return ItemTexts(self.run / ITEMS_FILE, self.render, self.margins, rows, _MAX_CHARACTERS)


def sides_pack(asked: Asked, private: bool) -> tuple[str, IntArray]:
    """Texts, and the score of each harmful side, of as many pairs as fit; and the rows that have a text.

    Raises:
        UsageError: the table of items cannot be read.
    """
    order = asked.order
    found = None if private else asked.texts(order)
    if found is not None and not found.whole:
        order = order[:TEXTS_TRIED]
        found = asked.texts(order)
    codes = np.zeros((len(order), 1 + len(SIDES)), dtype=np.int64) if found is None else found.codes
    texts = [] if found is None else found.texts

    def pack(count: int) -> str:
        # In the table's order one text is much like the one before.
        interned, chosen = Interned(), np.argsort(order[:count], kind="stable")
        numbers = asked.numbers(order[chosen])
        shown = np.zeros((len(asked.kept), codes.shape[1]), dtype=np.int64)
        for at, row in zip(numbers.tolist(), codes[chosen].tolist(), strict=True):
            context, *both = (texts[code - 1] if code else None for code in row)
            cuts = (context and shortened(context), *(one and cut(one, MAX_TEXT) for one in both))
            shown[at] = [interned.code(one) for one in cuts]
        columns = dict(zip(("context", "harmful", "affirming"), shown.T, strict=True))
        for at in range(len(asked.margins.checkpoints)):
            columns[f"score{at}"] = np.zeros(len(asked.kept), dtype=np.int64)
            columns[f"score{at}"][numbers] = quantised(asked.margins.values[order[chosen], at, 0], asked.steps)
        return packed({"texts": interned.texts, "steps": asked.steps}, columns)

    text, count = fitting(pack, len(order), SIDES_BUDGET)
    return text, order[:count][codes[:count, 1:].any(axis=1)]


def tokens_pack(asked: Asked) -> tuple[str, IntArray]:
    """Tokens with their log-probabilities of as many pairs as fit, and their rows; an empty text for none.

    Raises:
        UsageError: a table cannot be read.
    """
    margins = asked.margins
    there = {margins.place(*name) for name in names_with_tokens(asked.run, asked.render, margins.checkpoints[-1])}
    order = np.array([row for row in asked.order.tolist() if row in there][:TOKENS_TRIED], dtype=np.int64)
    if not len(order):
        return "", order
    glosses = _glosses(asked, order)

    def pack(count: int) -> str:
        chosen = np.argsort(order[:count], kind="stable")
        return _packed_glosses(
            [(int(asked.numbers(order[at])), side, gloss) for at in chosen.tolist() for side, gloss in glosses[at]],
            margins.checkpoints,
        )

    text, count = fitting(pack, len(order), TOKENS_BUDGET)
    return text, order[:count]


def cut(text: str, limit: int) -> str:
    """The beginning of a long text."""
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"


def _glosses(asked: Asked, rows: IntArray) -> list[list[tuple[int, Gloss]]]:
    """Side and tokens of each of some rows."""
    margins, texts = asked.margins, asked.texts(rows)
    names = [(margins.text("probe", row), margins.text("item", row)) for row in rows.tolist()]
    tokens = token_rows(asked.run, asked.render, names)
    found: list[list[tuple[int, Gloss]]] = []
    for at, (probe, item) in enumerate(names):
        own = []
        for side, label in enumerate(SIDES):
            text = texts.side(at, side)
            mine = {name: tokens.get((probe, item, name, label), ()) for name in margins.checkpoints}
            own += [(side, gloss) for gloss in glosses_of(text, mine)] if text is not None else []
        found.append(own)
    return found


def _packed_glosses(glosses: Sequence[tuple[int, int, Gloss]], checkpoints: Sequence[str]) -> str:
    """Each gloss with the number of its pair and its side; log-probabilities by gloss, checkpoint and token."""
    interned, sets = Interned(), dict[tuple[int, ...], int]()
    about, words, named, logprobs = [], list[int](), list[bool](), list[float]()
    for row, side, gloss in glosses:
        whose = tuple(checkpoints.index(name) for name in gloss.checkpoints)
        about.append((row, side, sets.setdefault(whose, len(sets)), len(gloss.tokens), gloss.left_out))
        words += [interned.code(cut(token.text, MAX_TOKEN)) for token in gloss.tokens]
        named += [token.named for token in gloss.tokens]
        logprobs += [
            value for values in zip(*(token.logprobs for token in gloss.tokens), strict=True) for value in values
        ]
    numbers = np.array(logprobs, dtype=np.float64)
    steps = steps_a_unit([numbers])
    columns = dict(zip(("row", "side", "set", "length", "left"), np.array(about).reshape(-1, 5).T, strict=True))
    columns |= {"word": np.array(words, dtype=np.int64), "named": np.array(named, dtype=np.int64)}
    columns["logprob"] = quantised(numbers, steps)
    return packed({"texts": interned.texts, "sets": list(sets), "steps": steps}, columns)
