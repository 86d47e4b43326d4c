"""How a method attributes, and what it costs before it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auditor.adapters.attribution.questions import Question
from auditor.adapters.printable import duration
from auditor.core.attributions import Attribution, AttributionMethod
from auditor.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Cost:
    """What is left to do.

    Attributes:
        passes: of texts through a model, forward or forward and back; it may turn out that more are needed.
        seconds: an estimate of what they take; None where nothing is known of it.
        least: whether that is a bound from below, which short texts and large models stay far above.
    """

    passes: int = 0
    seconds: float | None = 0.0
    least: bool = False

    def __add__(self, other: Cost) -> Cost:
        known = self.seconds is not None and other.seconds is not None
        seconds = (self.seconds or 0.0) + (other.seconds or 0.0) if known else None
        return Cost(self.passes + other.passes, seconds, self.least or other.least)


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
    """What is about to be done, in one line: ``attribute 62 items by ig: 1,240 passes, about 3 minutes``.

    An item counts once for each rendering and checkpoint it is asked in.
    """
    items = sum(len(one.chosen.all) for one in questions)
    said = f"attribute {items:,} items by {', '.join(methods)}: "
    if not cost.passes:
        return said + "no pass through a model"
    said += f"{cost.passes:,} passes through a model, "
    if cost.seconds is None:
        return said + "for how long is not known"
    return said + f"{'at least' if cost.least else 'about'} {duration(cost.seconds)} (an estimate)"
