"""Whether an audit's time and memory grow in proportion to what is asked: 10, 100 and 1,000 thousand sequences.

    python benchmarks/scale.py --out benchmarks/results/scale.json
    python benchmarks/scale.py --sequences 2000000 --checkpoints 3      # a million pairs

For each size a pair file of seeded texts is written (half as many pairs as sequences; 20 identities of which 5 are
reference, 25 clusters, match keys) and the real command, `audit score` or `audit compare`, runs on a tiny Llama with
random weights in a process of its own. Measured are wall seconds and the largest resident memory. What a run of 1,000
sequences takes (imports, model, report) is taken off; the rest, a sequence, must not grow by more than 20% from one
size to the next, and a run of a million pairs must stay under 4 GB, the tiny model included. A rate that falls holds:
small runs carry costs of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simulation import say

SIZES = (10_000, 100_000, 1_000_000)
FIXED = 1_000
FLATNESS, GIGABYTES, MANY_PAIRS = 1.2, 4.0, 1_000_000
# As many clusters in the smallest run as in all others: what is made for each number of clusters is a fixed cost too.
IDENTITIES, REFERENCES, CLUSTERS = 20, 5, 25
_TEXT = (
    "able angry brave bright calm careful cheerful clever cold cruel curious dull eager fair faithful "
    "fierce gentle glad greedy harsh honest humble idle jealous keen kind lazy loud loyal mean mild "
    "modest neat noisy odd patient plain polite proud quick quiet rude sad selfish shy silly slow sly "
    "stern strict strong stubborn tender tidy tired vain warm weak wild wise"
)
WORDS = _TEXT.split()
# Runs one command and says what it took, so that each run's memory is its own.
MEASURED = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:], check=False).returncode
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = {"code": code, "seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "bytes": used.ru_maxrss * 1024}
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: wall seconds, largest resident memory in bytes, and the manifest's own seconds over all checkpoints."""

    sequences: int
    seconds: float
    bytes: int
    parts: dict[str, float]


def main() -> int:
    """Run every size, print, write; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--checkpoints", type=int, default=1, help="of one tokenizer; one is audit score")
    parser.add_argument("--pairs-limit", type=float, default=GIGABYTES, help="GB a run of a million pairs may take")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(Path(folder), options.checkpoints)
        # The first run of all finds no library in the system's page cache.
        _, fixed, *runs = [measure(Path(folder), models, size) for size in (FIXED, FIXED, *sorted(options.sequences))]
    rates = [_rates(run, fixed) for run in runs]
    figures: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("auditor", "torch", "transformers", "tokenizers", "pyarrow")},
        },
        "checkpoints": options.checkpoints,
        "fixed": asdict(fixed),
        "runs": [{**asdict(run), **rate} for run, rate in zip(runs, rates, strict=True)],
        "bounds": _bounds(runs, rates, options.pairs_limit),
    }
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    broken = [name for name, bound in figures["bounds"].items() if not bound["held"]]
    say("broken: " + ", ".join(broken) if broken else "all bounds held")
    return bool(broken)


def _rates(run: Figures, fixed: Figures) -> dict[str, float]:
    more = run.sequences - fixed.sequences
    rate = {
        "microseconds_a_sequence": 1e6 * (run.seconds - fixed.seconds) / more,
        "bytes_a_sequence": (run.bytes - fixed.bytes) / more,
    }
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.parts.items())
    say(
        f"{run.sequences:,} sequences: {run.seconds:.1f} s ({parts}), {run.bytes / 1e9:.2f} GB; "
        f"{rate['microseconds_a_sequence']:.0f} microseconds and {rate['bytes_a_sequence']:.0f} bytes a sequence"
    )
    return rate


def _bounds(runs: Sequence[Figures], rates: Sequence[dict[str, float]], limit: float) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for before, after, run in zip(rates, rates[1:], runs[1:], strict=False):
        for name in rates[0]:
            growth = after[name] / before[name]
            found[f"{name} at {run.sequences}"] = {"growth": growth, "bound": FLATNESS, "held": growth <= FLATNESS}
    for run in runs:
        if run.sequences >= 2 * MANY_PAIRS:
            gigabytes = run.bytes / 1e9
            found[f"gigabytes at {run.sequences}"] = {"value": gigabytes, "bound": limit, "held": gigabytes <= limit}
    return found


def measure(folder: Path, models: Sequence[Path], sequences: int) -> Figures:
    """One audit of so many sequences."""
    probe, out = folder / f"pairs_{sequences}.csv", folder / f"run_{sequences}"
    write_pairs(probe, sequences // 2)
    command = [sys.executable, "-m", "auditor", "score" if len(models) == 1 else "compare", *map(str, models)]
    command += ["--probe", str(probe), "--render", "plain", "--quiet", "--out", str(out)]
    # A cache of its own, or a run would find the scores of the one before.
    environment = {**os.environ, "AUDIT_CACHE_DIR": str(folder / f"cache_{sequences}")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True, env=environment
    )
    found = json.loads(done.stdout.splitlines()[-1])
    if found["code"]:
        raise SystemExit(f"the audit of {sequences:,} sequences ended with {found['code']}:\n{done.stderr}")
    timings = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["timings"].values()
    parts = {name: sum(one[name] for one in timings) for name in ("load_s", "tokenize_s", "forward_s", "store_s")}
    return Figures(sequences, found["seconds"], found["bytes"], parts)


def write_pairs(path: Path, pairs: int) -> None:
    """Every identity asked the same, as often as there are pairs for all; no two rows have the same texts."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        file.write("context,harmful,affirming,identity,axis,theme,cluster,match,role\n")
        for row in range(pairs):
            number, who = divmod(row, IDENTITIES)
            if who == 0:
                frame, harmful, affirming = (" ".join(rng.choices(WORDS, k=size)) for size in (6, 5, 4))
            cluster = number % CLUSTERS
            role = "reference" if who < REFERENCES else "marked"
            about = f"group {who},axis,theme {cluster % 4},cluster {cluster},key {number},{role}"
            file.write(f"The {frame} people of group {who} are, {harmful}, {affirming},{about}\n")


def make_models(
    folder: Path, checkpoints: int, words: Sequence[str] = (), deviation: float = 0.02, seed: int = 0
) -> list[Path]:
    """Tiny Llamas with random weights that share a tokenizer of words.

    Args:
        words: of the texts they are asked; this script's own if there are none.
        deviation: of the weights: the larger, the more one text's log-probability differs from another's.
        seed: of the first model's weights.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    own = ("The", "people", "of", "group", "are", *WORDS, *map(str, range(IDENTITIES)))
    words = ["<unk>", "<s>", *(words or own)]
    core = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", unk_token="<unk>")
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=None,
        initializer_range=deviation,
    )  # fmt: skip
    found = []
    for at in range(checkpoints):
        torch.manual_seed(seed + at)
        found.append(folder / f"model{at}")
        LlamaForCausalLM(config).save_pretrained(found[-1])
        tokenizer.save_pretrained(found[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
