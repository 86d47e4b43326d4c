"""How a method attributes, and what it costs before it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auditor.adapters.attribution.questions import Question
from auditor.core.attributions import Attribution, AttributionMethod
from auditor.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Cost:
    """What is left to do.

    Attributes:
        passes: of texts through a model, forward or forward and back.
        seconds: the least they may take; None where nothing is known of it.
    """

    passes: int = 0
    seconds: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        known = self.seconds is not None and other.seconds is not None
        seconds = (self.seconds or 0.0) + (other.seconds or 0.0) if known else None
        return Cost(self.passes + other.passes, seconds)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a method says of all questions.

    Attributes:
        refusals: items it could not attribute.
        notes: what the reader must know, one sentence each.
    """

    attributions: tuple[Attribution, ...]
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One method, ready for the questions of an audit.

    Attributes:
        attribute: answers all questions together; what takes long shows its own progress.
        cost: of the same; reads no weight.
    """

    attribute: Callable[[Sequence[Question]], Answered]
    cost: Callable[[Sequence[Question]], Cost]


def cost_line(questions: Sequence[Question], methods: Sequence[AttributionMethod], cost: Cost) -> str:
    """What is about to be done, in one line: ``attribute 62 items by tokens, ig: 1,240 passes, at least 3 minutes``.

    An item counts once for each rendering and checkpoint it is asked in.
    """
    items = sum(len(one.chosen.all) for one in questions)
    said = f"attribute {items:,} items by {', '.join(methods)}: "
    if not cost.passes:
        return said + "no pass through a model"
    return said + f"{cost.passes:,} passes through a model, {_duration(cost.seconds)}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "for how long is not known"
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"at least {seconds / size:,.0f} {unit}"
    return f"at least {seconds:,.0f} seconds" if seconds >= 1 else "at least a second"
