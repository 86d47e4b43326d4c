"""What parts along a parameter path take: 20 pairs of about 2 x 25 tokens between two checkpoints of random weights.

    python benchmarks/parameter_path.py --out benchmarks/results/parameter_path.json        (1B on the processor)
    python benchmarks/parameter_path.py --shape 7B --device cuda --models /local/disk       (writes 28 GB there)
    python benchmarks/parameter_path.py --shape tiny                                         (runs every line)

The second checkpoint is the first plus Gaussian noise of a hundredth of its weights' spread, both saved in bfloat16.
Whatever is made is made in a process of its own, and so is the walk, whose memory is told. Bounds:

1. Parts miss the margins' change by at most a thousandth, over all items together.
2. Memory at most two copies of the weights in float32, one gradient of the largest tensor and 1.5 GiB for everything
   else; with --offload one copy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import at_most, finish, machine
from shapes import SHAPES, SPREAD, new_model
from simulation import say
from transformers.utils.logging import disable_progress_bar

from auditor.adapters.hf.devices import matmul_rate
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.path.parameter_path import path_attributions, path_record
from auditor.adapters.hf.path.path_costs import path_cost
from auditor.adapters.hf.sequences import Sequences

ENDS = ("reference", "policy")
NOISE = 0.01 * SPREAD
SHARED, OWN = 15, 10
INCOMPLETE, REST = 1e-3, 1.5 * 2**30


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing, walk, print, write; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="1B")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--offload", action="store_true", help="differences lie in files even where they would fit")
    parser.add_argument("--models", type=Path, help="where checkpoints are made and kept; a temporary folder")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        say("skipped: no card here; --shape tiny runs every line of this script")
        return 0
    folder = (options.models or Path(tempfile.gettempdir()) / "auditor-benchmarks") / f"path-{options.shape}"
    alone(make_checkpoints, folder, options.shape, options.device)
    found = alone(walk, folder, options)
    judged = options.shape != "tiny"
    checks = [
        at_most("parts against margins, share of their change", found["incomplete"], INCOMPLETE, judged),
        at_most("memory, bytes", found["peak_bytes"], found["allowed_bytes"], judged),
    ]
    named = {"shape": options.shape, "device": options.device, "items": options.items, "nodes": options.nodes}
    return finish(
        {"machine": machine("auditor", "torch", "transformers"), **named, **found, "checks": checks}, options.out
    )


def alone(function: Any, *arguments: Any) -> Any:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def make_checkpoints(folder: Path, shape: str, device: str) -> None:
    """Both ends of the path, unless they are there; the model is never twice in memory."""
    disable_progress_bar()
    if all((folder / end / "config.json").is_file() for end in ENDS):
        return
    model = new_model(SHAPES[shape], "bfloat16", 0, device)
    model.save_pretrained(folder / ENDS[0])
    generator = torch.Generator(device).manual_seed(1)
    with torch.no_grad():
        for one in model.parameters():
            one.add_(torch.randn(one.shape, generator=generator, dtype=one.dtype, device=device), alpha=NOISE)
    model.save_pretrained(folder / ENDS[1])


def walk(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one walk."""
    disable_progress_bar()
    both = [_files(end, folder / end) for end in ENDS]
    shelf = ModelShelf(LoadPolicy(device=options.device))
    pairs = _pairs(options.items, SHAPES[options.shape].vocabulary)
    record = path_record(*both, shelf, pairs, options.nodes)
    cost = path_cost(*both, pairs, record)
    floor = cost.seconds(matmul_rate(options.device, "float32"))
    if options.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(options.device)
    clock = _Clock()
    began = time.perf_counter()
    with _anonymous() as anonymous:
        offload = True if options.offload else None
        parts = path_attributions(*both, shelf, pairs, nodes=options.nodes, progress=clock, offload=offload)
    seconds = time.perf_counter() - began
    peak = max(anonymous)
    if options.device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated(options.device)
    each = 4 * both[1].n_parameters
    largest = 4 * max(int(np.prod(one)) for one in both[1].weights.shapes.values())
    found = {
        "parameters": both[1].n_parameters,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "passes": clock.passes,
        "seconds_a_pass": clock.seconds / clock.passes,
        "seconds_at_least": floor,
        "peak_bytes": peak,
        "allowed_bytes": (1 if options.offload else 2) * each + largest + REST,
        "resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "offload": options.offload,
        "mean_change": float(np.abs(parts.totals).mean()),
        "incomplete": float(np.abs(parts.errors).sum() / np.abs(parts.totals).sum()),
        "largest_error": float(np.abs(parts.errors).max()),
        "nodes_used": sorted(set(parts.nodes.tolist())),
    }
    gigabytes = f"{peak / 2**30:.2f} GiB, {found['resident_bytes'] / 2**30:.2f} GiB resident with files that are mapped"
    say(f"{clock.passes} passes in {seconds:.0f} s, {found['seconds_a_pass']:.2f} s each; {gigabytes}")
    return found


def _files(name: str, folder: Path) -> CheckpointFiles:
    (spec,) = parse_specs([f"{name}={folder}"])
    return resolve(spec, LoadPolicy())


def _pairs(items: int, vocabulary: int) -> Sequences:
    generator = np.random.default_rng(0)
    rows: list[tuple[Any, int]] = []
    for _ in range(items):
        shared = generator.integers(3, vocabulary, SHARED)
        rows += [(np.concatenate([shared, generator.integers(3, vocabulary, OWN)]), SHARED) for _ in range(2)]
    return Sequences.of(rows, [at // 2 for at in range(len(rows))])


class _Clock:
    """Progress that counts passes and their seconds, loading left out."""

    def __init__(self) -> None:
        self.passes, self.seconds = 0, 0.0

    @contextmanager
    def task(self, label: str, total: int, unit: str) -> Iterator[None]:
        say(f"{label}: {total} {unit}")
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began

    def advance(self, amount: int) -> None:
        self.passes += amount

    def note(self, text: str) -> None:
        say(text)


@contextmanager
def _anonymous() -> Iterator[list[int]]:
    """Bytes of memory that only this process holds, looked at twenty times a second; mapped files do not count."""
    seen, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            seen.extend(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


if __name__ == "__main__":
    sys.exit(main())
