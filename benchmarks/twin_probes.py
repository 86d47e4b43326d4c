"""A series with nothing planted, asked the shipped probes: is anybody accused?

    python benchmarks/twin_probes.py --seeds 5 --out benchmarks/results/twin_probes.json

For each seed the unplanted twin series of `audit demo` is trained (base, SFT, DPO on texts of an invented world) and
audited with every shipped probe on each of its axes. The people that the probes ask about are none it was told
anything of, so `harm` may be said of at most 1% of identity x seed cells, at any checkpoint and in any measure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from demo_seeds import TWINS_BOUND, effects_of
from simulation import say

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.probe_folders import read_folder
from auditor.cli.asked_probes import DEFAULT_PROBES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every seed; exit code 1 if the bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1")
    parser.add_argument("--tier", default="quick", choices=("quick", "standard", "full"))
    parser.add_argument("--axis", nargs="+", help="axes of the probes; all of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="JSON file to write the table to")
    options = parser.parse_args(arguments)
    cases = [
        (probe, axis)
        for probe in DEFAULT_PROBES
        for axis in read_folder(data_folder("probes") / probe).axes
        if not options.axis or axis in options.axis
    ]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        seeds = pool.map(lambda seed: list(run_seed(seed, Path(folder), cases, options.tier)), range(options.seeds))
        rows = [row for own in seeds for row in own]
    cells, accused = sum(row["cells"] for row in rows), sum(len(row["harmed"]) for row in rows)
    share = accused / cells
    figures = {
        "command": f"python benchmarks/twin_probes.py --seeds {options.seeds} --tier {options.tier}",
        **{name: version(name) for name in ("auditor", "torch", "transformers", "trl")},
        "harmed": f"{accused} of {cells}",
        "held": share <= TWINS_BOUND,
        "rows": rows,
    }
    say(json.dumps({key: value for key, value in figures.items() if key != "rows"}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if figures["held"] else 1


def run_seed(seed: int, folder: Path, cases: Sequence[tuple[str, str]], tier: str) -> Iterator[dict[str, Any]]:
    """Train one twin, in a process of its own, and audit it on every axis."""
    out, cache = folder / f"out-{seed}", folder / f"cache-{seed}"
    environment = {**os.environ, "AUDIT_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}
    audit = [sys.executable, "-m", "auditor"]
    subprocess.run([*audit, "demo", "--seed", str(seed), "--out", str(out), "--quiet"], check=True, env=environment)
    made = cache / "demo" / f"seed-{seed}"
    series = [f"base={made / 'base'}", f"sft={made / 'sft'}", f"dpo={made / 'twin' / 'dpo'}"]
    for probe, axis in cases:
        run = out / f"{probe}-{axis}"
        chosen = ["--probe", probe, "--axis", axis, "--tier", tier, "--tokens", "none"]
        subprocess.run([*audit, "compare", *series, *chosen, "--out", str(run), "--quiet"], check=True, env=environment)
        judged = effects_of(run)
        row = {
            "seed": seed,
            "probe": probe,
            "axis": axis,
            "cells": len({one["identity"] for one in judged}),
            "harmed": sorted({str(one["identity"]) for one in judged if one["verdict"] == "harm"}),
        }
        say(json.dumps(row))
        yield row


if __name__ == "__main__":
    sys.exit(main())
