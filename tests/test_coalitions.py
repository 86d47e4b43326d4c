"""Twin of auditor.adapters.attribution.coalitions, against sums over all coalitions and captum called by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, ShapleyValueSampling

from auditor.adapters.attribution.coalitions import Coalition, Question, WordMethod, WordParts, coalitions_of, parts_of
from auditor.core.scores import FloatArray

Game = Callable[[Coalition], float]


def game(coalition: Coalition) -> float:
    """Words that matter alone, together and in the absence of others."""
    weights = (1.5, -0.25, 2.0, 0.125, -1.0, 0.5, 3.0)
    alone = sum(weight * there for weight, there in zip(weights, coalition, strict=False))
    together = 4.0 * coalition[0] * coalition[1] if len(coalition) > 1 else 0.0
    return -2.0 + alone + together - (0.75 * (not coalition[2]) * coalition[-1] if len(coalition) > 2 else 0.0)


def asked(question: Question, of: Game = game) -> WordParts:
    return parts_of(question, {one: of(one) for one in coalitions_of(question)})


def brute_force(players: int, of: Game) -> FloatArray:
    """Shapley (1953): every coalition's marginal contributions, each with its weight."""
    values = np.zeros(players)
    for at in range(players):
        others = [one for one in range(players) if one != at]
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for there in itertools.combinations(others, size):
                without = tuple(one in there for one in range(players))
                values[at] += weight * (of(tuple(one in (*there, at) for one in range(players))) - of(without))
    return values


@pytest.mark.parametrize("players", [1, 2, 3, 4])
def test_with_all_permutations_shapley_values_are_exact(players: int) -> None:
    parts = asked(Question("shapley", players, players))
    np.testing.assert_allclose(parts.values, brute_force(players, game), atol=1e-6)
    assert parts.draws is None
    assert math.isclose(parts.values.sum() + (parts.bare or 0), game((True,) * players), abs_tol=1e-6)


def test_drawn_permutations_come_as_near_as_their_spread_says() -> None:
    parts = asked(Question("shapley", 6, 6, permutations=400, seed=1))
    assert parts.draws is not None
    assert parts.draws.shape == (400, 6)
    errors = parts.draws.std(axis=0, ddof=1) / math.sqrt(400)
    expected = brute_force(6, game)
    assert (np.abs(parts.values - expected) <= 4 * errors + 1e-6).all()
    assert errors.max() < 0.15
    assert math.isclose(parts.values.sum() + (parts.bare or 0), game((True,) * 6), abs_tol=1e-5)


def test_one_permutation_at_a_time_draws_what_captum_draws_at_once() -> None:
    def forward(masks: torch.Tensor) -> torch.Tensor:
        return torch.tensor([game(tuple(row)) for row in masks.bool().tolist()], dtype=torch.float64)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        own = ShapleyValueSampling(forward).attribute(torch.ones(1, 6), baselines=0.0, n_samples=25)
    np.testing.assert_allclose(asked(Question("shapley", 6, 6, seed=7)).values, own[0].numpy(), atol=1e-6)
    assert not np.allclose(asked(Question("shapley", 6, 6, seed=8)).values, own[0].numpy(), atol=1e-3)


def test_ablation_is_what_goes_with_each_unit_alone() -> None:
    whole = (True,) * 5
    parts = asked(Question("ablation", 5, 3))
    alone = [game(whole) - game((*whole[:at], False, *whole[at + 1 :])) for at in range(5)]
    assert parts.values.tolist() == alone
    # What is left without any of them is not asked: these parts do not add up with it.
    assert parts.bare is None

    def forward(masks: torch.Tensor) -> torch.Tensor:
        return torch.tensor([game(tuple(row)) for row in masks.bool().tolist()], dtype=torch.float64)

    own = FeatureAblation(forward).attribute(torch.ones(1, 5), baselines=0.0)
    assert parts.values.tolist() == own[0].tolist()


def test_only_what_is_needed_is_asked_and_nobodys_generator_is_touched() -> None:
    before = torch.random.get_rng_state()
    question = Question("shapley", 9, 9, permutations=5)
    coalitions = coalitions_of(question)
    assert torch.equal(before, torch.random.get_rng_state())
    assert len(set(coalitions)) == len(coalitions) <= 2 + 5 * 8
    assert {question.whole, question.bare} <= set(coalitions)
    assert coalitions == coalitions_of(question)
    assert len(coalitions_of(Question("ablation", 5, 3))) == 1 + 5


@pytest.mark.parametrize(("method", "left"), [("ablation", None), ("shapley", 1.25)])
def test_without_units_all_is_left(method: WordMethod, left: float | None) -> None:
    question = Question(method, 0, 0)
    assert coalitions_of(question) == ((),)
    parts = parts_of(question, {(): 1.25})
    assert (parts.values.tolist(), parts.bare) == ([], left)
