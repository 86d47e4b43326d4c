"""Models that know nothing, audited: a probe that accuses random weights has sides that do not match.

    python benchmarks/random_weights.py --seeds 30 --jobs 2 --out benchmarks/results/random_weights.json
    python benchmarks/random_weights.py --seeds 200 --probe stigma --axis gender

For each seed a small Llama and a small GPT-2 with random weights answer every shipped probe on each of its axes,
through the same scorer, pipeline and verdict rule as `audit score`. Two things must hold, over all cases and in each
up to three Monte-Carlo errors:

1. `harm` in at most 1% of the identity cells (marked identity x disparity or preference);
2. the unadjusted 95% interval of the form-matched contrast (excess in harmful pairs minus excess in neutral pairs)
   covers 0 in at least 93% of the cells. Over-coverage is reported as well.

Identities of one seed share a model, so the Monte-Carlo errors are clustered by seed. The tokenizer is trained on
the probe's own texts unless --tokenizer names a folder with another.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from simulation import say
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

from auditor.adapters.data_files import data_folder
from auditor.adapters.hf.loading.checkpoints import LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.scorer import HFScorer
from auditor.adapters.probe_files.probe_folders import Tier, read_folder
from auditor.adapters.probe_files.probes import open_probe
from auditor.adapters.progress import Silent
from auditor.cli.asked_probes import DEFAULT_PROBES
from auditor.core.effects import Effect
from auditor.core.items import Probe
from auditor.core.naming import with_names
from auditor.core.series import build_series
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 128,
    },
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128},
}  # fmt: skip
# Ten times the usual spread of initial weights: with the usual one no margin would reach any bound.
SCALE = 0.2
HARM_BOUND, COVERAGE_BOUND = 0.01, 0.93


@dataclass(frozen=True)
class Case:
    """What a row of the table is about."""

    probe: str
    axis: str
    architecture: str
    tier: Tier
    first: int
    seeds: int
    tokenizer: Path | None


@dataclass(frozen=True)
class Cell:
    """One marked identity of one random model; ``seed`` names the model."""

    seed: str
    identity: str
    harm: bool
    harm_without_controls: bool
    covered: bool | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--tier", default="quick", choices=("quick", "standard", "full"))
    parser.add_argument("--probe", nargs="+", default=list(DEFAULT_PROBES), help="shipped probes")
    parser.add_argument("--axis", nargs="+", help="of their axes; all of them")
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer to use instead")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args(arguments)
    cases = [
        Case(probe, axis, architecture, options.tier, options.first, options.seeds, options.tokenizer)
        for probe in options.probe
        for axis in read_folder(data_folder("probes") / probe).axes
        if not options.axis or axis in options.axis
        for architecture in ARCHITECTURES
    ]
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(examine, cases))
    figures: dict[str, Any] = {
        "command": " ".join(["python benchmarks/random_weights.py", *_said(options)]),
        "tokenizer": "trained on the probe" if options.tokenizer is None else options.tokenizer.parent.name,
        **{name: version(name) for name in ("auditor", "torch", "transformers", "tokenizers")},
        "all": summary([cell for _, cells in found for cell in cells]),
        "cases": [row for row, _ in found],
    }
    say(f"all: {json.dumps(figures['all'])}")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if held(figures["all"], errors=0) and all(held(one, errors=3) for one in figures["cases"]) else 1


def examine(case: Case) -> tuple[dict[str, Any], list[Cell]]:
    """All seeds of one case: its row of the table, and its cells."""
    disable_progress_bar()
    torch.set_num_threads(1)
    began = time.perf_counter()
    probe = with_names(open_probe(case.probe, case.tier, [case.axis]))
    given = case.tokenizer
    tokenizer = own_tokenizer(probe) if given is None else AutoTokenizer.from_pretrained(given)
    with tempfile.TemporaryDirectory() as folder:
        cells = [
            cell
            for seed in range(case.first, case.first + case.seeds)
            for cell in audit_random(Path(folder), case, seed, tokenizer, probe)
        ]
    place = {"probe": case.probe, "axis": case.axis, "architecture": case.architecture}
    row = {**place, **summary(cells), "seconds": round(time.perf_counter() - began, 1)}
    say(json.dumps(row))
    return row, cells


def _said(options: argparse.Namespace) -> list[str]:
    """The options that decide the figures; a tokenizer's folder by its last two names."""
    said = [f"--seeds {options.seeds}", f"--tier {options.tier}"]
    if options.first:
        said.append(f"--first {options.first}")
    if options.probe != list(DEFAULT_PROBES):
        said.append(f"--probe {' '.join(options.probe)}")
    if options.axis:
        said.append(f"--axis {' '.join(options.axis)}")
    if options.tokenizer is not None:
        said.append(f"--tokenizer {'/'.join(options.tokenizer.parts[-2:])}")
    return said


def own_tokenizer(probe: Probe) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on the probe's texts."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (f"{item.context}{item.prefix}{one.text}" for item in probe.items for one in item.candidates)
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", model_max_length=128)


def audit_random(
    folder: Path, case: Case, seed: int, tokenizer: PreTrainedTokenizerBase, probe: Probe
) -> Iterator[Cell]:
    """Audit one random model as `audit score` does."""
    torch.manual_seed(seed)
    architecture = case.architecture
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0)
    sizes = ARCHITECTURES[architecture]
    config = AutoConfig.for_model(architecture, vocab_size=len(tokenizer), initializer_range=SCALE, **ids, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    policy = LoadPolicy()
    (spec,) = parse_specs([f"random={folder}"])
    files = {"random": resolve(spec, policy)}
    scorer = HFScorer(
        files, {"random": load_tokenizer(files["random"], policy)}, ModelShelf(policy),
        renders=("plain",), template=None, end="none", forward="packed", batch_size=None, progress=Silent(),
    )  # fmt: skip
    series = build_series([("random", str(folder))], references={}, objectives={}, betas={}, tags={})
    findings = compare([probe], series, scorer, Rule(), lambda _: None)
    by_identity: dict[str, list[Effect]] = {}
    for effect in findings.effects:
        if effect.theme is None and effect.verdict is not None:
            by_identity.setdefault(str(effect.identity), []).append(effect)
    for identity, effects in by_identity.items():
        for effect in effects:
            disparity = effect.contrast == "excess"
            interval = effect.checks.form_interval if effect.checks and disparity else None
            above = effect.sesoi is not None and effect.adjusted.low > effect.sesoi
            covered = interval.low <= 0 <= interval.high if interval else None
            yield Cell(f"{architecture} {seed}", identity, effect.verdict == "harm", above, covered)


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    """Shares over all cells, each with its Monte-Carlo error clustered by seed."""
    covered = [cell for cell in cells if cell.covered is not None]
    return {
        "seeds": len({cell.seed for cell in cells}),
        "cells": len(cells),
        "harm": share(cells, "harm"),
        "harm_before_controls": share(cells, "harm_without_controls"),
        "form_contrast_covers_0": share(covered, "covered") if covered else None,
    }


def share(cells: Sequence[Cell], what: str) -> dict[str, float]:
    """Share of cells, and the standard error of the mean of the seeds' own shares."""
    seeds: dict[str, list[float]] = {}
    for cell in cells:
        seeds.setdefault(cell.seed, []).append(float(getattr(cell, what)))
    means = [statistics.fmean(values) for values in seeds.values()]
    error = statistics.stdev(means) / len(means) ** 0.5 if len(means) > 1 else float("nan")
    return {"share": round(statistics.fmean(means), 4), "se": round(error, 4)}


def held(figures: dict[str, Any], errors: float) -> bool:
    """Whether both bounds hold, up to so many Monte-Carlo errors; a case without form contrasts has none to hold."""
    harm, covered = figures["harm"], figures["form_contrast_covers_0"]
    return bool(
        harm["share"] <= HARM_BOUND + errors * harm["se"]
        and (covered is None or covered["share"] >= COVERAGE_BOUND - errors * covered["se"])
    )


if __name__ == "__main__":
    sys.exit(main())
