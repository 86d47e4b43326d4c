"""What the tests of parameter paths share: checkpoints, pairs, and a margin written another way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from model_factory import VOCAB_SIZE, new_model, perturb, save_model
from transformers import PreTrainedModel

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.sequences import Sequences


def files_of(name: str, folder: Path, adapter: Path | None = None) -> CheckpointFiles:
    """The files of a checkpoint under a name."""
    (spec,) = parse_specs([f"{name}={folder}" + (f"+{adapter}" if adapter else "")])
    return resolve(spec, LoadPolicy())


def shelf() -> ModelShelf:
    """An empty one, in float32 on the processor."""
    return ModelShelf(LoadPolicy())


def some_pairs(items: int = 3, seed: int = 0, vocabulary: int = VOCAB_SIZE) -> Sequences:
    """Random ids; the sides of a pair share their beginning, and are of different lengths in all but the first."""
    generator = np.random.default_rng(seed)
    rows = []
    for item in range(items):
        shared = generator.integers(3, vocabulary, 4 + item).tolist()
        sides = (generator.integers(3, vocabulary, 3 + side * item).tolist() for side in range(2))
        rows += [(shared + side, len(shared)) for side in sides]
    return Sequences.of(rows, [at // 2 for at in range(len(rows))])


def save_two(folder: Path, arch: str, scale: float = 0.01, seed: int = 0, **settings: object) -> tuple[Path, Path]:
    """Two checkpoints; every weight of the second is a little off the first's."""
    model = new_model(arch, seed, **settings)
    save_model(model, folder / "reference")
    save_model(perturb(model, seed + 1, scale), folder / "policy")
    return folder / "reference", folder / "policy"


def plain_margin(
    model: PreTrainedModel, weights: Mapping[str, torch.Tensor], pairs: Sequences, item: int
) -> torch.Tensor:
    """A pair's margin with some weights: each text by itself, all logits, in the weights' own format."""
    sides = []
    for at in (2 * item, 2 * item + 1):
        ids = torch.from_numpy(pairs[at]).long()[None]
        logits = torch.func.functional_call(model, dict(weights), (ids,)).logits[0]
        chosen = torch.log_softmax(logits[:-1], dim=-1).gather(1, ids[0, 1:, None])[:, 0]
        sides.append(chosen[int(pairs.starts[at]) - 1 :].sum())
    return sides[0] - sides[1]


def plain_path(
    model: PreTrainedModel,
    before: Mapping[str, torch.Tensor],
    after: Mapping[str, torch.Tensor],
    pairs: Sequences,
    steps: int = 64,
) -> list[dict[str, torch.Tensor]]:
    """Of each item, difference times the mean gradient along the line, element by element: midpoint rule, float64."""
    found = []
    for item in range(len(pairs) // 2):
        sums = {name: torch.zeros_like(one) for name, one in before.items()}
        for step in range(steps):
            place = (step + 0.5) / steps
            here = {
                name: (before[name] + place * (after[name] - before[name])).detach().requires_grad_(True)
                for name in before
            }
            gradients = torch.autograd.grad(plain_margin(model, here, pairs, item), list(here.values()))
            for name, gradient in zip(here, gradients, strict=True):
                sums[name] += gradient / steps
        found.append({name: sums[name] * (after[name] - before[name]) for name in before})
    return found


def doubles(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """A model's parameters in float64, tied ones once."""
    return {name: one.detach().double() for name, one in model.named_parameters()}
