"""In what a run's levels are given, and the bound d they were held against, for policies and for reward models."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.adapters.run.results_schema import Results
from auditor.core.series import QUANTITIES, Quantity
from auditor.core.verdicts import DEFAULT_SESOI


@dataclass(frozen=True, slots=True)
class LevelUnit:
    """The unit of the levels of one quantity.

    Attributes:
        of_rewards: they are of a reward model's output, in its own unit; else of log-probabilities, in nats.
        sesoi: the bound d, None where no verdict was asked or none could be given.
    """

    of_rewards: bool
    sesoi: float | None

    @property
    def word(self) -> str:
        """The unit in a word."""
        return "reward" if self.of_rewards else "nats"

    @property
    def words(self) -> str:
        """The unit as it follows a number."""
        return "units of the reward" if self.of_rewards else "nats"

    @property
    def unjudged(self) -> bool:
        """Whether no verdict was given because no bound is stated in the unit of the reward."""
        return self.of_rewards and self.sesoi is None

    @property
    def bound(self) -> float:
        """d as figures draw it: the convention where no verdict was asked, 0 where none could be given."""
        return (0.0 if self.unjudged else DEFAULT_SESOI) if self.sesoi is None else self.sesoi


def level_units(results: Results) -> dict[Quantity, LevelUnit]:
    """Of each quantity that a checkpoint gives, policies first."""
    quantities = {one.name: one.quantity for one in results.series}
    bounds: dict[Quantity, float] = {}
    for one in results.effects:
        if one.measure == "level" and one.sesoi is not None and one.checkpoint in quantities:
            bounds.setdefault(quantities[one.checkpoint], one.sesoi)
    there = set(quantities.values())
    return {kind: LevelUnit(kind == "reward", bounds.get(kind)) for kind in QUANTITIES if kind in there}
