"""Other ways of asking the same question: one choice of an audit changed at a time, all others left as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from auditor.core.contrasts import Mask, Matching
from auditor.core.items import Design
from auditor.core.sides import Scoring
from auditor.core.statistics import IntArray
from auditor.core.tables import ScoreTable

Dimension = Literal[
    "scoring", "render", "end", "paraphrase", "surface", "frame", "reference", "cluster", "length_difference"
]


# More numbers than these are parted into as many parts of equal size, each left out as a whole.
MOST_NUMBERS = 100


@dataclass(frozen=True, slots=True)
class Specification:
    """One table asked in one other way.

    Attributes:
        dimension: which choice is another one; ``choice`` says what it is instead.
        scoring: how token log-probabilities become a side's score.
        kept: rows that stay, shape (n,).
        matching: who is compared with whom.
        design: the only design it applies to, None for all.
        left_out: reference rows that take no part, shape (k,).
    """

    dimension: Dimension
    choice: str
    scoring: Scoring
    kept: Mask
    matching: Matching
    design: Design | None = None
    left_out: IntArray = field(default_factory=lambda: np.array([], dtype=np.intp))


def specifications_of(table: ScoreTable, matching: Matching) -> tuple[Specification, ...]:
    """Every specification of a table that changes which rows are averaged or how they are scored.

    Paraphrases are numbered within their cluster, surface forms within their identity, frames over the whole probe;
    each number is left out everywhere at once, and so is each reference identity where a row has several. Numbers,
    since the words may have to stay private. Of more than a hundred numbers a hundredth is left out at a time, so that
    a wording of its own for every row costs no more than a hundred.
    """
    whole = as_audited(table, matching)
    return (
        *_scorings(table, whole),
        *_left_out(whole, "paraphrase", [(item.cluster, item.paraphrase) for item in table.items]),
        *_left_out(whole, "surface", [(item.identity, item.surface) for item in table.items]),
        *_left_out(whole, "frame", [("", item.frame) for item in table.items]),
        *_references(table, whole),
    )


def as_audited(table: ScoreTable, matching: Matching) -> Specification:
    """The specification that the verdicts were read from."""
    return Specification("scoring", "sum", "sum", np.ones(len(table.items), dtype=bool), matching)


def _scorings(table: ScoreTable, whole: Specification) -> Iterator[Specification]:
    yield replace(whole, choice="per token", scoring="per_token")
    yield replace(whole, choice="per byte", scoring="per_byte")
    # Two texts about one identity share what is not asked about; two groups in one text share all that is.
    yield replace(whole, choice="shared tokens", scoring="shared_tokens", design="identity_swap")
    if table.complete:
        yield replace(whole, dimension="end", choice="without end of turn", scoring="without_end")


def _left_out(whole: Specification, dimension: Dimension, labels: list[tuple[str, str]]) -> Iterator[Specification]:
    """Each number left out, where there is more than one; rows without a label always stay.

    Args:
        labels: group and label within it, of every row.
    """
    numbers: dict[tuple[str, str], int] = {}
    sizes: Counter[str] = Counter()
    for group, label in sorted(set(labels)) if dimension == "paraphrase" else dict.fromkeys(labels):
        if label:
            numbers[group, label] = sizes[group]
            sizes[group] += 1
    ordinals = np.array([numbers.get(one, -1) for one in labels])
    most = max(sizes.values(), default=0)
    words = "without no. {}"
    if most > MOST_NUMBERS:
        ordinals, most, words = np.where(ordinals < 0, -1, ordinals % MOST_NUMBERS), MOST_NUMBERS, "without part {}"
    if most > 1:
        for number in range(most):
            yield replace(whole, dimension=dimension, choice=words.format(number + 1), kept=ordinals != number)


def _references(table: ScoreTable, whole: Specification) -> Iterator[Specification]:
    """Leave out each reference identity that is not the only one of every key it serves."""
    matching = whole.matching
    rows = np.flatnonzero(matching.is_reference)
    identity = np.array([table.items[row].identity for row in rows], dtype=object)
    for name in dict.fromkeys(identity):
        others = rows[identity != name]
        if np.isin(matching.key[rows[identity == name]], matching.key[others]).any():
            is_reference = np.zeros(len(table.items), dtype=bool)
            is_reference[others] = True
            yield replace(
                whole,
                dimension="reference",
                choice=f"without {name}",
                matching=replace(matching, is_reference=is_reference),
                left_out=rows[identity == name],
            )
