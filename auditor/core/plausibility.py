"""Whether a model finds either side of a pair likely at all, beside a text about something else in the same place.

A margin between two texts that a model would never write says little. The yardstick is the mean log-probability of a
token: of the form-matched neutral texts after the same words, which speak of something else, and of candidates
labelled ``unrelated``. A pair is plausible where at least one of its sides is as likely, token for token, as these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Mask
from auditor.core.scores import FloatArray
from auditor.core.tables import ScoreTable, codes_of

UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Of the rows of a table.

    Attributes:
        known: rows beside which an unrelated text was scored, shape (n,).
        plausible: of those, rows with a side at least as likely, shape (n, checkpoints).
    """

    known: Mask
    plausible: Mask

    @classmethod
    def of(cls, table: ScoreTable) -> Plausibility:
        """Read it off the scores; unknown of rows with a baseline, whose own log-probabilities are gone."""
        per_token = table.sides.totals / table.sides.tokens
        judged = np.array([item.valence == "harm" and not item.baseline for item in table.items], dtype=bool)
        unrelated = np.where(np.isfinite(own := _labelled(table)), own, _neutral(table, per_token))
        known = judged & np.isfinite(unrelated).all(axis=1) & np.isfinite(per_token).all(axis=(1, 2))
        likelier = per_token.max(axis=2) >= unrelated
        return cls(known, known[:, None] & likelier)


def _neutral(table: ScoreTable, per_token: FloatArray) -> FloatArray:
    """Mean log-probability of a token in neutral texts after the same words, shape (n, checkpoints); NaN for none."""
    neutral = np.array([item.valence == "neutral" and not item.baseline for item in table.items], dtype=bool)
    if not neutral.any():
        return np.full((len(table.items), len(table.checkpoints)), np.nan)
    place = codes_of((item.context, item.messages, item.prefix) for item in table.items)
    size = int(place.max(initial=-1)) + 1
    counts = np.bincount(place[neutral], minlength=size)
    found = np.full((size, len(table.checkpoints)), np.nan)
    for at in range(len(table.checkpoints)):
        sums = np.bincount(place[neutral], weights=per_token[neutral, at].mean(axis=1), minlength=size)
        np.divide(sums, counts, out=found[:, at], where=counts > 0)
    means: FloatArray = found[place]
    return means


def _labelled(table: ScoreTable) -> FloatArray:
    """The same of each row's own candidates labelled ``unrelated``."""
    found = np.full((len(table.items), len(table.checkpoints)), np.nan)
    for at, item in enumerate(table.items):
        labels = [candidate.label for candidate in item.candidates]
        if UNRELATED in labels:
            for column, name in enumerate(table.checkpoints):
                score = table.scored[name][at].candidates[labels.index(UNRELATED)]
                found[at, column] = score.total / len(score.token_ids)
    return found
