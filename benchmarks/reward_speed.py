"""What scoring a reward model takes beside scoring a policy of its size, on the same texts, in one run.

    python benchmarks/reward_speed.py --out benchmarks/results/reward_speed.json         (a minute on 2 cores)

A really trained policy and the reward model trained from it score a seeded part of the ``stigma`` probe, each text
closed by EOS, on one thread. Three ways take turns and the best round of each counts, in seconds of the processor from
token ids to numbers:

1. the reward model, texts that begin alike in shared rows;
2. the reward model, each text by itself;
3. the policy, in shared rows.

Both ways of the reward model must give the same rewards: what differs by more than 5e-5 x max(1, |reward|) ends the
run with exit code 1. The models are public ones that lie beside the project; where they are absent, nothing is
measured and it says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ours
import torch
from machine import at_least, at_most, finish, machine
from numpy.typing import NDArray
from simulation import say
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.utils.logging import set_verbosity_error
from workloads import open_workload, part

from auditor.adapters.hf.engine import Forward, Work, score_sequences
from auditor.adapters.hf.sequences import Sequences

# Of what the policy takes, and times as fast as without sharing.
LONGEST, FASTER = 1.5, 1.5
TOLERANCE = 5e-5
ITEMS, TINY_ITEMS = 600, 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; exit code 1 if rewards disagree or a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=Path, default=Path("../shared/weights/hh-mini"), help="holds sft and rm")
    parser.add_argument("--tiny", action="store_true", help="seconds; judges no speed")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args(arguments)
    if not options.series.is_dir():
        say(f"skipped: no series under {options.series}")
        return 0
    torch.set_num_threads(1)
    set_verbosity_error()
    figures = _measure(options.series, TINY_ITEMS if options.tiny else ITEMS, 1 if options.tiny else 3)
    for name, value in figures.items():
        say(f"{name}: {value}")
    judged = not options.tiny
    checks = [
        at_most("rewards in shared rows against the texts alone, of 5e-5", figures["off"] / TOLERANCE, 1.0),
        at_most("reward model in shared rows, times the policy's seconds", figures["of_policy"], LONGEST, judged),
        at_least("reward model in shared rows, times as fast as alone", figures["faster"], FASTER, judged),
    ]
    return finish(
        {"machine": machine("auditor", "torch", "transformers", "tokenizers"), **figures, "checks": checks}, options.out
    )


def _measure(series: Path, items: int, rounds: int) -> dict[str, Any]:
    tokenizer = AutoTokenizer.from_pretrained(series / "sft")
    policy = AutoModelForCausalLM.from_pretrained(series / "sft").eval()
    reward = AutoModelForSequenceClassification.from_pretrained(series / "rm").eval()
    asked = ours.comparable(tokenizer, part(open_workload("stigma", series), items).items)
    texts = ours.sequences_of(tokenizer, asked, "eos")
    whole = replace(texts, starts=texts.lengths - 1)
    ways: dict[str, Callable[[], NDArray[np.float64]]] = {
        "shared": partial(_sums, reward, whole, "packed", 0),
        "alone": partial(_sums, reward, whole, "padded", 0),
        "policy": partial(_sums, policy, texts, "packed", None),
    }
    seconds, found = dict.fromkeys(ways, float("inf")), dict[str, NDArray[np.float64]]()
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            found[name] = way()
            seconds[name] = min(seconds[name], time.process_time() - began)
    off = np.abs(found["shared"] - found["alone"]) / np.maximum(1, np.abs(found["alone"]))
    work = Work()
    _sums(reward, whole, "packed", 0, work)
    return {
        "items": len(asked),
        "texts": len(texts),
        "tokens": work.tokens,
        "read": work.nodes,
        "seconds": seconds,
        "of_policy": seconds["shared"] / seconds["policy"],
        "faster": seconds["alone"] / seconds["shared"],
        "off": float(off.max()),
    }


def _sums(
    model: PreTrainedModel, sequences: Sequences, forward: Forward, output: int | None, work: Work | None = None
) -> NDArray[np.float64]:
    """One number for each sequence."""
    sums = np.full(len(sequences), np.nan)
    for one in score_sequences(model, sequences, forward=forward, output=output, work=work):
        sums[list(one.positions)] = [float(own.sum(dtype=np.float64)) for own in one.logprobs]
    return sums


if __name__ == "__main__":
    sys.exit(main())
