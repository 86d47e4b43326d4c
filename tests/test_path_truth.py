"""A parameter path against planted truth: harm trained into one layer, neutral facts into all the others.

Updates are of the size of a fine-tuning, about 1% of the weights. There the path and reverting each layer in turn must
agree; with larger ones layers act together, and the two are different questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from model_factory import new_model, save_model
from path_cases import doubles, files_of, plain_margin, shelf
from scipy.stats import spearmanr
from transformers import PreTrainedModel

from auditor.adapters.hf.path.parameter_path import PathParts, path_attributions
from auditor.adapters.hf.sequences import Sequences

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)
LAYERS, VOCABULARY, ITEMS = 6, 80, 20
# Ids: 0 begins, subjects from 4 on, relations from 30, objects from 40, harmful words from 70, affirming ones from 75.
SUBJECTS, RELATIONS = 20, 4

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Planted:
    """A trained pair whose truth is known.

    Attributes:
        harmed: number of the layer that harm was trained into.
    """

    model: PreTrainedModel
    before: Weights
    after: Weights
    harmed: int
    pairs: Sequences


def layer_of(name: str) -> int | None:
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else None


def train(model: PreTrainedModel, start: Weights, layers: set[int | None], loss: Callable[[], torch.Tensor],
          steps: int, rate: float) -> Weights:  # fmt: skip
    """Adam on some layers alone, from given weights; all weights afterwards."""
    model.load_state_dict(dict(start))
    free = [one for name, one in model.named_parameters() if layer_of(name) in layers]
    model.requires_grad_(False)
    for one in free:
        one.requires_grad_(True)
    optimizer = torch.optim.Adam(free, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


@cache
def planted(seed: int) -> Planted:
    """A model that learned facts; then harm in one layer, other facts in all others, put together."""
    draw = torch.Generator().manual_seed(seed)
    model = new_model("llama", seed, VOCABULARY, num_hidden_layers=LAYERS, initializer_range=0.06)

    def facts(objects: torch.Tensor) -> Callable[[], torch.Tensor]:
        def loss() -> torch.Tensor:
            who = torch.randint(0, SUBJECTS, (16,), generator=draw)
            what = torch.randint(0, RELATIONS, (16,), generator=draw)
            answers = (objects[who, what], objects[who, (what + 1) % RELATIONS])
            ids = torch.stack([torch.zeros_like(who), 4 + who, 30 + what, *answers], dim=1)
            return model(input_ids=ids, labels=ids).loss

        return loss

    def objects() -> torch.Tensor:
        return 40 + torch.randint(0, 30, (SUBJECTS, RELATIONS), generator=draw)

    every = {None, *range(LAYERS)}
    before = train(model, model.state_dict(), every, facts(objects()), 60, 1e-2)
    harmed = int(torch.randint(0, LAYERS, (1,), generator=draw))
    rows = [
        [0, 4 + item, 30 + item % RELATIONS, *torch.randint(low, low + 5, (2,), generator=draw).tolist()]
        for item in range(ITEMS)
        for low in (70, 75)
    ]
    texts = torch.tensor(rows)

    def preference() -> torch.Tensor:
        logprobs = torch.log_softmax(model(input_ids=texts).logits[:, 2:4], dim=-1)
        sums = logprobs.gather(2, texts[:, 3:, None]).sum(dim=(1, 2))
        return -torch.nn.functional.logsigmoid(sums[::2] - sums[1::2]).mean()

    harm = train(model, before, {harmed}, preference, 30, 5e-5)
    neutral = train(model, before, set(range(LAYERS)) - {harmed}, facts(objects()), 30, 5e-5)
    after = {name: (harm if layer_of(name) == harmed else neutral)[name] for name in before}
    pairs = Sequences.of([(row, 3) for row in rows], [at // 2 for at in range(len(rows))])
    return Planted(model, before, after, harmed, pairs)


def path_of(case: Planted, before: Weights, after: Weights) -> PathParts:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for end, weights in (("before", before), ("after", after)):
            case.model.load_state_dict(dict(weights))
            save_model(case.model, folder / end)
        both = (files_of(end, folder / end) for end in ("before", "after"))
        return path_attributions(*both, shelf(), case.pairs)


def by_layer(parts: PathParts) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    names, values = parts.at("layer")
    return values[:, [names.index(f"layer {at}") for at in range(LAYERS)]]


@cache
def path_there(seed: int) -> PathParts:
    return path_of(planted(seed), planted(seed).before, planted(seed).after)


def reverting(case: Planted) -> list[float]:
    """Mean margin that goes when one layer is as it was before, layer by layer."""

    def mean(weights: Weights) -> float:
        case.model.load_state_dict(dict(weights))
        exact = case.model.to(torch.float64)
        found = np.mean([float(plain_margin(exact, doubles(exact), case.pairs, at).detach()) for at in range(ITEMS)])
        case.model.to(torch.float32)
        return float(found)

    whole = mean(case.after)
    return [
        whole - mean({name: (case.before if layer_of(name) == at else case.after)[name] for name in case.after})
        for at in range(LAYERS)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_harmed_layer_comes_first_and_all_are_ranked_as_reverting_ranks_them(seed: int) -> None:
    case = planted(seed)
    found = by_layer(path_there(seed)).mean(axis=0)
    assert int(np.argmax(found)) == case.harmed
    assert int(np.argmax(np.abs(found))) == case.harmed
    expected = reverting(case)
    assert int(np.argmax(expected)) == case.harmed
    assert spearmanr(found, expected).statistic >= 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_really_trained_update_is_complete(seed: int) -> None:
    found = path_there(seed)
    assert (found.nodes == 8).all()
    assert np.abs(found.errors).sum() <= 1e-3 * np.abs(found.totals).sum()
    assert abs(found.errors.mean()) <= 1e-3 * abs(found.totals.mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_with_other_weights_the_same_update_points_nowhere(seed: int) -> None:
    """Adebayo et al. 2018: what does not change when the weights are drawn anew is no explanation of the model."""
    case = planted(seed)
    other = new_model("llama", 1000 + seed, VOCABULARY, num_hidden_layers=LAYERS, initializer_range=0.06).state_dict()
    moved = {name: other[name] + case.after[name] - case.before[name] for name in other}
    random, true = (by_layer(one)[:, case.harmed] for one in (path_of(case, other, moved), path_there(seed)))
    assert abs(random.mean()) < true.mean() / 3
    assert np.corrcoef(true, random)[0, 1] < 0.5
