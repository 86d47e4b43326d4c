"""How fast the package scores on a graphics card. Written without one at hand: ITS FIGURES ARE YET TO BE TAKEN.

    python benchmarks/gpu.py --models /local/disk --out benchmarks/results/gpu.json   (writes 45 GB there)
    python benchmarks/gpu.py --device cpu --tiny                                       (runs every line, says nothing)

Llama-shaped models of 1B and 7B parameters with random weights in bfloat16. Bounds:

1. From ids to log-probabilities at least 50% of the card's rate of a bfloat16 matrix product measured in the same run,
   counted on unique tokens (see `floor`), on BBQ and WinoQueer.
2. At least 5 times as fast as lm-eval at its best batch size on BBQ, 2 times on WinoQueer.
3. Peak memory at most the weights, 10% of them, and one pack: what scoring the first items of the workload that fill
   one pack (``PACK_TOKENS``) takes beside the weights.
4. Margins against those of the 1B in float32 on the CPU: their standard deviation at most 1.25 times that of the
   plain forward in bfloat16 on the same device.
5. `audit compare` of three 7B checkpoints over 45,540 pairs, weights on local disk: under 4 minutes. WinoQueer's own
   rows beyond the first 2,046 are not at hand, so as many pairs of its form are made: two groups, one predicate.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import ours
import torch
from comparison import CARD_SQUARES, Asked, Loaded, best_lm_eval, compare, load
from floor import work_of
from machine import at_least, at_most, finish, machine
from peers import Naive
from shapes import lines_under, model_folder
from simulation import say
from transformers import AutoModelForCausalLM
from transformers.utils.logging import set_verbosity_error
from workloads import Workload, open_workload, part, texts_of

from auditor.core.items import Item

SHAPES = ("1B", "7B")
FLOOR_SHARE, RATIOS = 0.5, {"bbq": 5.0, "winoqueer": 2.0}
# The longest row of a pack on a card.
PACK_TOKENS = 8192
NOISE_RATIO, NOISE_ITEMS = 1.25, 60
PAIRS, AUDIT_SECONDS = 45_540, 240.0

_GROUPS = (
    "LGBTQ", "Queer", "Gay", "Lesbian", "Bisexual", "Pansexual", "Asexual", "Transgender", "Nonbinary", "Genderfluid",
    "Agender", "Two-spirit", "Intersex", "Aromantic", "Polyamorous", "Genderqueer", "Questioning", "Bigender",
    "Demisexual", "Transmasculine",
)  # fmt: skip
_OTHERS = ("Straight", "Cisgender", "Heterosexual")
_VERBS = (
    "talk about", "know little of", "like", "dislike", "pay for", "wait for", "write about", "dream of", "complain of",
    "look after", "vote on", "argue about", "ask for", "care about", "read about", "laugh at", "worry about", "plan",
    "remember", "prepare for", "learn about", "speak up for", "get tired of",
)  # fmt: skip
_OBJECTS = (
    "the weather", "gardening", "old films", "bus timetables", "new shoes", "the news", "long walks", "family dinners",
    "board games", "house prices", "school lunches", "choir practice", "the neighbours", "local history", "bicycles",
    "train journeys", "winter holidays", "bread", "public libraries", "birdsong", "street markets", "the council",
    "swimming", "photography", "cooking", "the village fair", "paperwork", "football", "crossword puzzles", "the sea",
    "strong coffee", "summer rain", "good manners",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny models and few items; judges nothing")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--models", type=Path, help="where models are made and kept; a temporary folder")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        say("skipped: no card here; --device cpu --tiny runs every line of this script")
        return 0
    options.models = options.models or Path(tempfile.gettempdir()) / "auditor-benchmarks"
    set_verbosity_error()
    if options.tiny:
        torch.set_num_threads(1)
    workloads = [part(open_workload(name, options.data), 12 if options.tiny else 10**9) for name in RATIOS]
    own = [text for workload in workloads for text in texts_of(workload.items)]
    texts = own if options.tiny else [*own, *lines_under(options.data)]
    rows, checks = [], []
    for shape in ("tiny",) if options.tiny else SHAPES:
        loaded = load(shape, texts, options.models, options.device, "bfloat16")
        for workload in workloads:
            row = _row(loaded, workload, options.tiny)
            rows.append(row)
            checks += _checks(row, not options.tiny)
        if shape != SHAPES[-1]:
            noise = _noise(loaded, workloads[0])
            name = f"{shape}: margins against CPU float32, multiple of a plain forward's"
            checks.append(at_most(name, noise["ratio"], NOISE_RATIO, not options.tiny))
        del loaded
    audit = _audit(texts, options)
    checks.append(at_most("audit of three checkpoints, seconds", audit["seconds"], AUDIT_SECONDS, not options.tiny))
    figures = {
        "machine": machine("auditor", "torch", "transformers", "tokenizers", "lm_eval"),
        "device": torch.cuda.get_device_name(options.device) if torch.cuda.is_available() else options.device,
        "rows": rows,
        "noise": noise,
        "audit": audit,
        "checks": checks,
    }
    return finish(figures, options.out)


def _row(loaded: Loaded, workload: Workload, tiny: bool) -> dict[str, Any]:
    tokens = 300 if tiny else 60_000
    asked = Asked(("lm-eval",), tokens, tokens, exact=False, squares=(256,) if tiny else CARD_SQUARES)
    memory = _memory(loaded, workload)
    return compare(loaded, workload, asked) | {"memory": memory}


def _checks(row: dict[str, Any], judged: bool) -> list[dict[str, Any]]:
    place, memory = f"{row['workload']} on {row['model']}", row["memory"]
    checks = [at_least(f"{place}: share of the floor", row["share_of_floor"], FLOOR_SHARE, judged)]
    ratio = best_lm_eval(row)
    if ratio is not None:
        checks.append(at_least(f"{place}: times as fast as lm-eval", ratio, RATIOS[row["workload"]], judged))
    if memory is not None:
        allowed = 1.1 * memory["weights"] + memory["one_pack"]
        checks.append(at_most(f"{place}: peak memory, bytes", memory["peak"], allowed, judged))
    return checks


def _memory(loaded: Loaded, workload: Workload) -> dict[str, int] | None:
    """Bytes of the weights, of one pack beside them, and of the peak; None off the card, where nothing counts them."""
    items = ours.comparable(loaded.tokenizer, workload.items)
    first = first_pack(loaded, items)
    weights = sum(one.numel() * one.element_size() for one in loaded.model.parameters())
    peaks = [_peak(loaded, chosen) for chosen in (first, items)]
    if loaded.model.device.type != "cuda":
        return None
    return {"weights": weights, "one_pack": peaks[0] - weights, "peak": peaks[1]}


def first_pack(loaded: Loaded, items: Sequence[Item]) -> Sequence[Item]:
    """The first items that together hold as many unique tokens as one pack, found by halving."""
    low, high = 1, len(items)
    while low < high:
        middle = (low + high + 1) // 2
        unique = work_of(ours.sequences_of(loaded.tokenizer, items[:middle])).unique
        low, high = (middle, high) if unique <= PACK_TOKENS else (low, middle - 1)
    return items[:low]


def _peak(loaded: Loaded, items: Sequence[Item]) -> int:
    device = loaded.model.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    ours.score(loaded.model, loaded.tokenizer, items)
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def _noise(loaded: Loaded, workload: Workload) -> dict[str, float]:
    """Standard deviation of margins from those in float32 on the CPU: the package's, and a plain forward's."""
    items = ours.comparable(loaded.tokenizer, part(workload, NOISE_ITEMS).items)
    exact = AutoModelForCausalLM.from_pretrained(loaded.folder, dtype=torch.float32).eval()
    truth = _margins(ours.score(exact, loaded.tokenizer, items).sums, items)
    own = _margins(ours.score(loaded.model, loaded.tokenizer, items).sums, items)
    plain = _margins(Naive(loaded.folder, loaded.model).sums(items), items)
    spreads = {"auditor": float(np.std(own - truth)), "plain": float(np.std(plain - truth))}
    say(f"margins against float32, standard deviation in nats: {json.dumps(spreads)}")
    return {**spreads, "items": len(items), "ratio": spreads["auditor"] / spreads["plain"]}


def _margins(sums: Sequence[float], items: Sequence[Item]) -> Any:
    """First candidate minus second of each item."""
    firsts = np.cumsum([0, *(len(item.candidates) for item in items[:-1])])
    values = np.array(sums)
    return values[firsts] - values[firsts + 1]


def write_pairs(path: Path, count: int) -> None:
    """Pairs of WinoQueer's form: one predicate about two groups; 45,540 differ."""
    rows = islice(product(_VERBS, _OBJECTS, _GROUPS, _OTHERS), count)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "harmful", "affirming", "identity", "cluster", "design"])
        for at, (verb, what, group, other) in enumerate(rows):
            table.writerow(
                [at, f"{group} people {verb} {what}.", f"{other} people {verb} {what}.", group, verb, "identity_swap"]
            )


def _audit(texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """`audit compare` as a user calls it, in a process of its own."""
    shape, count = ("tiny", 60) if options.tiny else (SHAPES[-1], PAIRS)
    made = [model_folder(options.models, shape, texts, "bfloat16", seed, options.device) for seed in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "pairs.csv"
        write_pairs(pairs, count)
        command = ["compare", *(f"{name}={one}" for name, one in zip(("base", "sft", "dpo"), made, strict=True))]
        command += ["--probe", str(pairs), "--device", options.device, "--dtype", "bfloat16", "--no-cache", "--quiet"]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "auditor", *command, "--offline", "--out", f"{folder}/run"], check=True)
        seconds = time.perf_counter() - began
        timings = json.loads((Path(folder) / "run" / "manifest.json").read_text(encoding="utf-8"))["timings"]
    return {"model": shape, "pairs": count, "seconds": seconds, "timings": timings}


if __name__ == "__main__":
    sys.exit(main())
