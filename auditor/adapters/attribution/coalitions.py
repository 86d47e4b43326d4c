"""Which words are asked about together, and what captum makes of the answers.

captum's masks do not depend on what the forward function gives. So each method runs twice: first with a function that
only writes down the coalitions it is asked for, then, when all are scored, with one that looks their margins up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from captum.attr import FeatureAblation, ShapleyValues, ShapleyValueSampling

from auditor.core.scores import FloatArray

WordMethod = Literal["ablation", "shapley"]
# Which units are there, in their order.
Coalition = tuple[bool, ...]
PERMUTATIONS = 25


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the units of one pair.

    Attributes:
        units: how many; the first ``players`` of them may be absent together, the others only alone.
        permutations: of the players, for Shapley values; where there are no more than these, all are taken.
        seed: of the permutations.
    """

    method: WordMethod
    units: int
    players: int
    permutations: int = PERMUTATIONS
    seed: int = 0

    @property
    def whole(self) -> Coalition:
        """Everything is there."""
        return (True,) * self.units

    @property
    def bare(self) -> Coalition:
        """Nothing that may be absent together is there."""
        return tuple(at >= self.players for at in range(self.units))

    @property
    def is_exact(self) -> bool:
        """Whether Shapley values are taken over all permutations, so that nothing is drawn."""
        return math.factorial(self.players) <= self.permutations


@dataclass(frozen=True, slots=True, eq=False)
class WordParts:
    """What the units carry, in nats.

    Attributes:
        values: of each unit, shape (units,).
        bare: the margin without any of the players; None of ablation, which takes each unit out alone.
        draws: of Shapley values, what each unit adds in each permutation, shape (permutations, units); None where
            nothing is drawn.
    """

    values: FloatArray
    bare: float | None
    draws: FloatArray | None = None


def coalitions_of(question: Question) -> tuple[Coalition, ...]:
    """All coalitions whose margins `parts_of` needs, each once."""
    asked: dict[Coalition, None] = {question.whole: None}

    def record(coalition: Coalition) -> float:
        asked[coalition] = None
        return 0.0

    _parts(question, record)
    return tuple(asked)


def parts_of(question: Question, margins: Mapping[Coalition, float]) -> WordParts:
    """What the units carry.

    Ablation gives the margin that goes with a unit when it alone is taken out; these do not add up to the margin, and
    what is missing is what the units do together. Shapley values add up to it, together with ``bare``.

    Args:
        margins: nats, of all coalitions of `coalitions_of`.
    """
    return _parts(question, margins.__getitem__)


def _parts(question: Question, margin: Callable[[Coalition], float]) -> WordParts:
    forward = _Forward(question, margin)
    if question.method == "ablation":
        return WordParts(_ablation(forward, question.units), None)
    bare = margin(question.bare)
    if question.is_exact:
        return WordParts(_all_permutations(forward, question.players), bare)
    draws = _permutations(forward, question)
    return WordParts(draws.mean(axis=0), bare, draws)


class _Forward:
    """A model to captum: from rows of 0 and 1, which of the players or units are there, to margins."""

    def __init__(self, question: Question, margin: Callable[[Coalition], float]) -> None:
        self._missing = (True,) * (question.units - question.players)
        self._players = question.players
        self._margin = margin

    def __call__(self, masks: torch.Tensor) -> torch.Tensor:
        rows = [tuple(row) for row in masks.bool().tolist()]
        whole = [row + self._missing if len(row) == self._players else row for row in rows]
        return torch.tensor([self._margin(row) for row in whole], dtype=torch.float64)


def _ablation(forward: _Forward, units: int) -> FloatArray:
    if not units:
        return torch.zeros(0, dtype=torch.float64).numpy()
    found = FeatureAblation(forward).attribute(_there(units), baselines=0.0, perturbations_per_eval=units)
    return _array(found)


def _all_permutations(forward: _Forward, players: int) -> FloatArray:
    if not players:
        return torch.zeros(0, dtype=torch.float64).numpy()
    return _array(ShapleyValues(forward).attribute(_there(players), baselines=0.0, perturbations_per_eval=players))


def _permutations(forward: _Forward, question: Question) -> FloatArray:
    """One permutation at a time, as captum draws them one after the other, so that their spread is seen."""
    sampling, players = ShapleyValueSampling(forward), question.players
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(question.seed)
        drawn = [
            sampling.attribute(_there(players), baselines=0.0, n_samples=1, perturbations_per_eval=players)
            for _ in range(question.permutations)
        ]
    return torch.stack([one[0].double() for one in drawn]).numpy()


def _there(units: int) -> torch.Tensor:
    return torch.ones(1, units, dtype=torch.float64)


def _array(found: torch.Tensor) -> FloatArray:
    values: FloatArray = found[0].double().numpy()
    return values
