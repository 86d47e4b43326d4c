"""Linear measures as data: a name, a unit and one weight for each checkpoint's margin.

The margin of a pair at a checkpoint is ``m = log p(harmful | c) - log p(affirming | c)`` in nats;
positive prefers the harmful text. Every measure is ``sum(weight[checkpoint] * m[checkpoint])``:

    level(dpo)              1 * m_dpo
    shift(sft -> dpo)       1 * m_dpo - 1 * m_sft
    difference(dpo -> kto)  1 * m_kto - 1 * m_dpo         (two ends of training, neither from the other)
    implicit reward margin  beta * m_dpo - beta * m_ref   (Rafailov et al. 2023, eq. 5: whatever
                            depends on the shared prefix alone cancels, the partition term included)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from auditor.core.series import Checkpoint, Series

MeasureName = Literal["level", "shift", "difference", "implicit_reward"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One linear measure.

    Attributes:
        weights: checkpoint name to weight; checkpoints left out weigh 0.
        checkpoint: the checkpoint it speaks about.
        measure_from: the checkpoint it is counted from, None for a level.
        unit: ``nats``, or ``reward`` once beta is known, or where the scores are a reward model's own output;
            ``nats/token`` for margins of mean log-probabilities without a beta.
        beta: scale of an implicit reward, None where unknown (weights are then +1 and -1).
        per_token: margins are differences of mean, not summed, log-probabilities.
        same_tokens: only items with equal token ids at all its checkpoints may enter.
    """

    name: MeasureName
    weights: Mapping[str, float]
    checkpoint: str
    measure_from: str | None = None
    unit: Literal["nats", "nats/token", "reward"] = "nats"
    beta: float | None = None
    per_token: bool = False
    same_tokens: bool = False

    @property
    def reference(self) -> str | None:
        """The checkpoint whose training its checkpoint went on with, None where it is not counted from that."""
        return None if self.name == "difference" else self.measure_from


def measures_of(series: Series) -> tuple[Measure, ...]:
    """Every measure a series supports: levels, each stage's shift, differences between the ends, implicit rewards.

    A reward model's output has a unit of its own: two of them are subtracted only where one was trained from the
    other, and there is nothing that an objective would make implicit.
    """
    stages = [checkpoint for checkpoint in series.checkpoints if checkpoint.reference is not None]
    ends = [name for name in series.leaves if series[name].quantity == "logprob"]
    return (
        *(Measure("level", {one.name: 1.0}, one.name, unit=_unit(one)) for one in series.checkpoints),
        *(_shift(checkpoint) for checkpoint in stages),
        *(difference(one, other) for one, other in combinations(ends, 2)),
        *(implicit_reward(one, one.reference or "") for one in stages if one.objective != "none"),
    )


def _unit(checkpoint: Checkpoint) -> Literal["nats", "reward"]:
    return "reward" if checkpoint.quantity == "reward" else "nats"


def _shift(checkpoint: Checkpoint) -> Measure:
    assert checkpoint.reference is not None
    weights = {checkpoint.name: 1.0, checkpoint.reference: -1.0}
    return Measure("shift", weights, checkpoint.name, checkpoint.reference, unit=_unit(checkpoint))


def difference(one: str, other: str, unit: Literal["nats", "reward"] = "nats") -> Measure:
    """Level of ``other`` minus that of ``one``, neither of which was trained from the other."""
    return Measure("difference", {other: 1.0, one: -1.0}, other, one, unit)


def implicit_reward(checkpoint: Checkpoint, reference: str) -> Measure:
    """Beta times what the checkpoint adds to a reference's margin, by its preference objective."""
    scale = 1.0 if checkpoint.beta is None else checkpoint.beta
    per_token = checkpoint.objective == "dpo-norm"
    unit: Literal["nats", "nats/token"] = "nats/token" if per_token else "nats"
    return Measure(
        "implicit_reward",
        {checkpoint.name: scale, reference: -scale},
        checkpoint.name,
        reference,
        unit=unit if checkpoint.beta is None else "reward",
        beta=checkpoint.beta,
        per_token=per_token,
        same_tokens=True,
    )
