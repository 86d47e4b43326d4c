"""How long a second audit takes that asks what a first one has answered already.

    python benchmarks/warm.py --out benchmarks/results/warm.json

`audit compare` on a really trained series (base, SFT, DPO) with a fresh cache, three times:

1. as it stands;
2. the very same command again. Its wall seconds, without what any process must do before it knows what is asked
   (importing libraries, as ``-X importtime`` adds them up in that very run; loading the tokenizers; hashing the
   weights once), must be under 5;
3. into another run folder, so that everything after scoring is done again. Here loading a model is an error, and it
   must end well.

The series is a public one that lies beside the project; where it is absent, nothing is measured and it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import at_most, finish, machine
from simulation import say

MAX_SECONDS = 5.0
NAMES = ("base", "sft", "dpo")
LOADED = "a model was loaded"
# `audit` in a process where no weights can be loaded.
GUARDED = f"""
import sys
import auditor.adapters.hf.loading.models as models
from auditor.cli.main import main

def refuse(*_):
    sys.exit({LOADED!r})

models.load_base = refuse
main()
"""
# What comes before the first question, each in seconds.
BEFORE = """
import json, sys, time
from auditor.adapters.hf.loading.checkpoints import LoadPolicy, fingerprint, resolve
from auditor.adapters.hf.loading.models import load_tokenizer
from auditor.adapters.hf.loading.specs import parse_specs

policy = LoadPolicy()
files = [resolve(spec, policy) for spec in parse_specs(sys.argv[1:])]
began = time.perf_counter()
for one in files:
    load_tokenizer(one, policy)
loaded = time.perf_counter()
for one in files:
    fingerprint(one)
print(json.dumps({"tokenizers_s": loaded - began, "hashing_s": time.perf_counter() - loaded}))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--series", type=Path, default=Path("../shared/weights/hh-mini"), help="holds base, sft and dpo"
    )
    parser.add_argument("--probe", default="stigma", help="what is asked")
    parser.add_argument("--tiny", action="store_true", help="seconds; judges nothing")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args(arguments)
    if not options.series.is_dir():
        say(f"skipped: no series under {options.series}")
        return 0
    specs = [f"{name}={options.series / name}" for name in NAMES]
    command = ["compare", *specs, "--probe", options.probe, "--beta", "0.1", "--quiet", "--offline"]
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(command, specs, Path(folder))
    for name, value in figures.items():
        say(f"{name}: {value}")
    table = {"machine": machine("auditor", "torch", "transformers", "tokenizers"), "probe": options.probe, **figures}
    judged = not options.tiny
    checks = [
        at_most(
            "second audit, seconds beyond imports, tokenizers and hashing", figures["beyond_s"], MAX_SECONDS, judged
        ),
        at_most("second audit, whether it writes anything again", float(figures["writes_again"]), 0.0, judged),
        at_most("audit into another folder, whether it loads a model", float(figures["loads_a_model"]), 0.0, judged),
    ]
    return finish({**table, "checks": checks}, options.out)


def _measure(command: Sequence[str], specs: Sequence[str], folder: Path) -> dict[str, Any]:
    env = {**os.environ, "AUDIT_CACHE_DIR": str(folder / "cache")}
    before = json.loads(_run(["-c", BEFORE, *specs], env)[1].stdout)
    first, other = folder / "first", folder / "other"
    first_s, _ = _run(["-m", "auditor", *command, "--out", str(first)], env)
    report = (first / "report.html").stat().st_mtime_ns
    second_s, second = _run(["-X", "importtime", "-m", "auditor", *command, "--out", str(first)], env)
    imports_s = _imports(second)
    other_s, third = _call(["-X", "importtime", "-c", GUARDED, *command, "--out", str(other)], env)
    if third.returncode and LOADED not in third.stderr:
        raise RuntimeError(f"the third audit failed:\n{third.stderr}")
    return {
        "first_s": first_s,
        "second_s": second_s,
        "imports_s": imports_s,
        **before,
        "beyond_s": second_s - imports_s - sum(before.values()),
        "writes_again": (first / "report.html").stat().st_mtime_ns != report,
        "other_folder_s": other_s,
        "other_folder_beyond_s": other_s - _imports(third) - sum(before.values()),
        "loads_a_model": third.returncode != 0,
        "timings": json.loads((other / "manifest.json").read_text(encoding="utf-8"))["timings"]
        if not third.returncode
        else {},
    }


def _imports(done: subprocess.CompletedProcess[str]) -> float:
    """Seconds that a process spent in importing, by its own ``-X importtime``."""
    return sum(map(int, re.findall(r"^import time: +(\d+) \|", done.stderr, flags=re.MULTILINE))) / 1e6


def _run(arguments: Sequence[str], env: dict[str, str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    seconds, done = _call(arguments, env)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return seconds, done


def _call(arguments: Sequence[str], env: dict[str, str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=False)
    return time.perf_counter() - began, done


if __name__ == "__main__":
    sys.exit(main())
