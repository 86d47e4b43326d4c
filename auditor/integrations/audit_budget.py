"""What audits may cost a training: which tier of a probe it can pay for, and when it is time for another audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

# Computing gradients takes about twice as long as the forward pass that they are of.
_PASSES_A_STEP = 3
_ROWS_LOOKED_AT = 64


@dataclass(slots=True)
class AuditBudget:
    """The seconds that audits took, and whether there is time for another.

    The audits of the beginning and of the end are made in any case. What is left of the share is spent evenly over the
    training, at the pace at which it advances.

    Attributes:
        share: largest part of the time that training takes without audits; None for no limit.
        beginning_s: seconds that the audit of the beginning took.
        audits_s: seconds of all audits since.
    """

    share: float | None
    clock: Callable[[], float] = time.perf_counter
    beginning_s: float = 0.0
    audits_s: float = 0.0
    _last_s: float = 0.0
    _began: float = field(default=0.0)

    def begin(self, seconds: float, one: float) -> None:
        """Training begins now.

        Args:
            seconds: that it took to audit its beginning, with all that was tried.
            one: those of a single audit among them.
        """
        self.beginning_s, self._last_s = seconds, one
        self.audits_s, self._began = 0.0, self.clock()

    def spend(self, seconds: float) -> None:
        """Another audit took so many seconds, which have just passed."""
        self.audits_s += seconds
        self._last_s = seconds

    @property
    def training_s(self) -> float:
        """Seconds of training so far, audits not counted."""
        return self.clock() - self._began - self.audits_s

    @property
    def taken(self) -> float:
        """All seconds of audits so far, as a share of those of training."""
        return (self.beginning_s + self.audits_s) / max(self.training_s, 1e-9)

    def allows(self, progress: float) -> bool:
        """Whether an audit that takes as long as the last one keeps to the share.

        Args:
            progress: how much of the training is done, more than 0 and at most 1.
        """
        if self.share is None:
            return True
        expected = self.training_s / progress
        left = self.share * expected - self.beginning_s - self._last_s
        return self.audits_s + self._last_s <= left * progress


def affordable(costs: Iterable[tuple[str, float]], audits: int, training_s: float, share: float) -> str:
    """The last of the tiers whose audits keep to the share of a training; the first if none does.

    Args:
        costs: tiers, the cheapest first, and the seconds of one audit of each; none is asked for beyond the first that
            is too dear.
        audits: how many are planned.
        training_s: seconds the training is expected to take.
    """
    chosen = ""
    for tier, seconds in costs:
        if chosen and audits * seconds > share * training_s:
            break
        chosen = tier
    return chosen


def expected_seconds(rows: Any, rows_a_step: int, steps: int, tokens_a_second: float) -> float | None:
    """About how long a training will take, from the lengths of its first rows; None where they are not known.

    Args:
        rows: the data set as the trainer prepared it: token ids stand under names that end in ``_ids``.
        tokens_a_second: that go forward through the model.
    """
    if not hasattr(rows, "__getitem__") or not hasattr(rows, "__len__"):
        return None
    looked_at = [_tokens(rows[at]) for at in islice(range(len(rows)), _ROWS_LOOKED_AT)]
    if not any(looked_at):
        return None
    return _PASSES_A_STEP * steps * rows_a_step * sum(looked_at) / len(looked_at) / tokens_a_second


def _tokens(row: Any) -> int:
    if not isinstance(row, Mapping):
        return 0
    return sum(len(values) for name, values in row.items() if name.endswith("_ids") and hasattr(values, "__len__"))
