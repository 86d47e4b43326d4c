"""Attributions: what carries one item's margin, or its shift from a reference, in parts that add up.

The sign is the margin's: a positive part pushes towards the harmful side. A part of an excess is the item's part minus
the mean of its reference rows' parts, by the same matching as every other excess (`auditor.core.attributed`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditor.core.scores import FloatArray, Render
from auditor.core.words import WORD_ROLES, WordRole

AttributionMethod = Literal["tokens", "ig", "ablation", "shapley", "path"]
ATTRIBUTION_METHODS: tuple[AttributionMethod, ...] = ("tokens", "ig", "ablation", "shapley", "path")
AttributionLevel = Literal["token", "word", "role", "tensor", "head", "module", "layer"]

# The part of a margin that is left when everything else is taken away.
BASELINE_UNIT = "(baseline)"
# What a number scored in half precision has more than the same number in float32, whose parts are told.
ROUNDING_UNIT = "(rounding)"


@dataclass(frozen=True, slots=True)
class Unit:
    """What a part of a number is attributed to.

    Attributes:
        number: its place among the units of its kind, from 0; -1 for what is left of the number without any of them.
        name: a token, a word, a role, a tensor, a head, a module or a layer.
        candidate: label of the candidate a token or word stands in; None for the context and for parts of a model.
        start: first character of a token or word in its candidate, or in context + prefix; -1 where it is none.
        end: one past the last.
        role: of a token or word, None for any other unit.
        replacement: what a word was replaced by to see what it does, "" where it was left out; None where neither.
    """

    number: int
    name: str
    candidate: str | None = None
    start: int = -1
    end: int = -1
    role: WordRole | None = None
    replacement: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """One item's margin or shift, in parts.

    Attributes:
        checkpoint: whose margin; ``reference``: None for the margin itself, else the checkpoint whose margin is
            subtracted: the shift that ``--beta`` times is the implicit reward margin.
        values: nats, in the order of ``units``, shape (n,).
        total: what the parts are to add up to, nats, from scores and not from the parts.
        noise: standard error of the parts by drawing, nats, shape (n,); None where nothing is drawn.
        sampled: whether the item was drawn to stand for others; one picked for its size must not.
    """

    probe: str
    item: str
    render: Render
    checkpoint: str
    reference: str | None
    method: AttributionMethod
    level: AttributionLevel
    units: tuple[Unit, ...]
    values: FloatArray
    total: float
    noise: FloatArray | None = None
    sampled: bool = True

    @property
    def completeness_error(self) -> float:
        """Sum of the parts minus the total, nats."""
        return float(self.values.sum()) - self.total

    @property
    def key(self) -> tuple[str, str, str | None, AttributionMethod, AttributionLevel]:
        """What attributions have in common that may be averaged over items."""
        return self.render, self.checkpoint, self.reference, self.method, self.level


def by_role(one: Attribution) -> Attribution:
    """The same number by the roles of its tokens or words; what has no role keeps its name."""
    names = [unit.role or unit.name for unit in one.units]
    order = [role for role in WORD_ROLES if role in names] + sorted(set(names) - set(WORD_ROLES))
    values = np.zeros(len(order))
    np.add.at(values, [order.index(name) for name in names], one.values)
    return replace(one, level="role", units=tuple(map(Unit, range(len(order)), order)), values=values, noise=None)


def minus(policy: Attribution, reference: Attribution) -> Attribution:
    """The shift's attribution from two margins', unit by unit.

    Raises:
        ValueError: the two are not about the same units of the same item.
    """
    if (policy.probe, policy.item, policy.render, policy.units) != (
        reference.probe,
        reference.item,
        reference.render,
        reference.units,
    ):
        raise ValueError("only attributions to the same units of one item can be subtracted")
    noise = None
    if policy.noise is not None and reference.noise is not None:
        noise = (policy.noise**2 + reference.noise**2) ** 0.5
    return Attribution(
        policy.probe,
        policy.item,
        policy.render,
        policy.checkpoint,
        reference.checkpoint,
        policy.method,
        policy.level,
        policy.units,
        policy.values - reference.values,
        policy.total - reference.total,
        noise,
        policy.sampled,
    )
