"""What the page's explorer reads: margins of all pairs, texts and tokens of as many as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from auditor.adapters.report.anchors import anchor_bytes
from auditor.adapters.report.items.column_packs import fitting, packed, quantised, steps_a_unit
from auditor.adapters.report.items.glosses import SCALE
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.matched_margins import reference_margins
from auditor.adapters.report.items.text_packs import Asked, sides_pack, tokens_pack
from auditor.adapters.report.items.word_packs import words_pack
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.run_folder import ITEMS_FILE
from auditor.core.sampling import in_turn
from auditor.core.scores import FloatArray, IntArray

# Margins the page holds, and characters for ids, margins and who they are about; of more pairs it holds a sample.
MAX_NUMBERS, ITEMS_BUDGET = 240_000, 1_250_000
# What attributions take of the page is not there for pairs.
ATTRIBUTIONS_BUDGET = 650_000
# How many pairs count as the strongest.
STRONGEST = 60
SEED = 0
BY_MARGIN, BY_SHIFT, WITH_TEXT, WITH_TOKENS, WITH_WORDS = 1, 2, 4, 8, 16
_NAMES = ("probe", "identity", "axis", "theme", "cluster", "design")

Who = tuple[str, str, str, str]  # probe, design, identity, axis


@dataclass(frozen=True, slots=True)
class Told:
    """What an audit says of its pairs beside their scores.

    Attributes:
        titles: of the probes, by name.
        verdicts: of each identity, in the reading that leads.
        unit: of margins, ``nats`` or ``units of the reward``.
    """

    titles: Mapping[str, str]
    verdicts: Mapping[Who, str]
    unit: str


@dataclass(frozen=True, slots=True)
class Explorer:
    """Four packs (`auditor.adapters.report.items.column_packs`) and what the page says of them.

    Attributes:
        items: ids, who and what each pair is about, its margins at every checkpoint and those of its reference rows.
        sides: texts, and the score of each harmful side.
        tokens: tokens with their log-probabilities at every checkpoint; empty where the page holds none.
        words: what methods of attribution say of words; empty likewise.
        pairs: how many pairs it holds.
        all_pairs: how many marked pairs every checkpoint scored.
        texts: of how many pairs it holds the texts.
        glossed: of how many pairs it holds the tokens.
        step: the fraction of the unit that margins and scores are rounded to.
    """

    items: str
    sides: str
    tokens: str
    words: str
    pairs: int
    all_pairs: int
    texts: int
    glossed: int
    step: float


def explorer_of(
    run: Path,
    margins: ItemMargins,
    *,
    render: str,
    branches: Sequence[Branch],
    private: bool,
    told: Told,
    attributions: pa.Table | None = None,
) -> Explorer | None:
    """Pack what the explorer shows of one rendering; None where no pair was scored.

    Texts and tokens are those of the strongest pairs, then of others in an order in which probes, identities and
    themes take turns, until their budget is spent. Of a private run there are none.

    Args:
        attributions: the run's table of them, None where it has none.

    Raises:
        UsageError: a table cannot be read.
    """
    if not len(margins.rows):
        return None
    marks = _strongest(margins, branches)
    order = _in_order(margins, marks)[: MAX_NUMBERS // len(margins.checkpoints)]
    steps = steps_a_unit([margins.values[order]])
    head = _head(margins, branches, told, steps, private)
    references = reference_margins(run / ITEMS_FILE, render, margins)

    def pack(count: int) -> str:
        return _items_pack(head, margins, references, np.sort(order[:count]), marks, told)

    room = ITEMS_BUDGET - (0 if attributions is None else ATTRIBUTIONS_BUDGET)
    order = order[: fitting(pack, len(order), room)[1]]
    asked = Asked(run, render, margins, np.sort(order), order, steps)
    sides, with_text = sides_pack(asked, private)
    tokens, glossed = ("", order[:0]) if private else tokens_pack(asked)
    leaves = [branch.leaf for branch in branches]
    words, with_words = ("", order[:0]) if private or attributions is None else words_pack(asked, attributions, leaves)
    marks[with_text] |= WITH_TEXT
    marks[with_words] |= WITH_WORDS
    marks[glossed] |= WITH_TOKENS
    return Explorer(
        # Once more, since it says of which pairs the others hold something.
        items=pack(len(order)),
        sides=sides,
        tokens=tokens,
        words=words,
        pairs=len(order),
        all_pairs=len(margins.rows),
        texts=len(with_text),
        glossed=len(glossed),
        step=1 / steps,
    )


def _strongest(margins: ItemMargins, branches: Sequence[Branch]) -> IntArray:
    """Whether each pair is among the largest of its probe by margin, by shift, by both or by neither."""
    marks = np.zeros(len(margins.margins), dtype=np.int64)
    share = max(1, STRONGEST // max(1, margins.probes * len(branches)))
    for branch in branches:
        for one in margins.largest(branch, share):
            marks[one.row] |= sum({"margin": BY_MARGIN, "shift": BY_SHIFT}[why] for why in one.reasons)
    return marks


def _in_order(margins: ItemMargins, marks: IntArray) -> IntArray:
    """Rows, the strongest first, then probes, identities and themes in turn."""
    rows = margins.rows
    about = np.stack([margins.codes[name][rows] for name in ("probe", "identity", "theme")], axis=1)
    turns = rows[in_turn(np.unique(about, axis=0, return_inverse=True)[1].reshape(-1), SEED)]
    return turns[np.argsort(marks[turns] == 0, kind="stable")]


def _head(margins: ItemMargins, branches: Sequence[Branch], told: Told, steps: float, private: bool) -> dict[str, Any]:
    checkpoints = margins.checkpoints
    stages = [pair for branch in branches for pair in pairwise(map(checkpoints.index, branch.path))]
    return {
        "checkpoints": checkpoints,
        "stages": list(dict.fromkeys(stages)),
        "leaf": checkpoints.index(branches[0].leaf),
        "steps": steps,
        "unit": told.unit,
        "scale": SCALE,
        "private": private,
    }


def _items_pack(
    head: Mapping[str, Any],
    margins: ItemMargins,
    references: FloatArray,
    kept: IntArray,
    marks: IntArray,
    told: Told,
) -> str:
    columns: dict[str, IntArray] = {"marks": marks[kept]}
    names: dict[str, list[str]] = {}
    for name in _NAMES:
        known, columns[name] = np.unique(margins.codes[name][kept], return_inverse=True)
        names[name] = [margins.named[name][code] for code in known.tolist()]
    names["verdict"], columns["verdict"] = _verdicts(names, columns, told.verdicts)
    for at in range(len(margins.checkpoints)):
        columns[f"margin{at}"] = quantised(margins.margins[kept, at], head["steps"])
        columns[f"reference{at}"] = quantised(references[kept, at], head["steps"])
    ids = [margins.text("item", row) for row in kept.tolist()]
    anchors = [anchor_bytes(names["probe"][at], one) for at, one in zip(columns["probe"].tolist(), ids, strict=True)]
    for at, own in enumerate(np.frombuffer(b"".join(anchors), dtype=np.uint8).reshape(len(ids), -1).T):
        columns[f"anchor{at}"] = own.astype(np.int64)
    titles = [told.titles.get(name, name) for name in names["probe"]]
    return packed({**head, "titles": titles, "names": names, "ids": ids}, columns)


def _verdicts(
    names: Mapping[str, Sequence[str]], columns: Mapping[str, IntArray], verdicts: Mapping[Who, str]
) -> tuple[list[str], IntArray]:
    """The different verdicts, "" for none, and which of them the identity of each pair has."""
    about = ("probe", "design", "identity", "axis")
    whom, which = np.unique(np.stack([columns[name] for name in about], axis=1), axis=0, return_inverse=True)
    found = []
    for codes in whom.tolist():
        probe, design, identity, axis = (names[name][code] for name, code in zip(about, codes, strict=True))
        found.append(verdicts.get((probe, design, identity, axis), ""))
    different = sorted(set(found))
    return different, np.array([different.index(one) for one in found], dtype=np.int64)[which.reshape(-1)]
