"""Figures that the foundation must hold, printed with the command that made them.

    python benchmarks/run.py [--data ../shared] [--out benchmarks/results/foundation.json]

1. `audit --help`: wall seconds of a fresh process, best of five (bound: 0.5).
2. A really trained series (base, SFT, DPO) over a rebuilt prefix of WinoQueer (2,046 of 45,540
   rows) and all of CrowS-Pairs, in both renderings: wall seconds of the whole command (bound: 180 on 2 cores).
3. On the same series: largest deviation of a token's log-probability from the model's own plain
   forward (one sequence at a time, float32, all logits), as a multiple of the tolerance
   5e-5 x max(1, |logp|) (bound: 1).

Series and data are public files that lie beside the project, not in it; 2 and 3 are skipped, and say
so, where they are absent.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import at_most, finish, machine
from simulation import say

SAMPLE = 200


def main() -> int:
    """Run everything; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds weights/ and data/")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "machine": machine("auditor", "torch", "transformers", "tokenizers"),
        "help_s": at_most("audit --help, seconds", _help_seconds(), 0.5),
    }
    series = options.data / "weights" / "hh-mini"
    if series.is_dir():
        figures |= _audit_figures(series, options.data / "data")
    else:
        say(f"skipped: no series under {series}")
    checks = [one for one in figures.values() if isinstance(one, dict) and "held" in one]
    return finish({**figures, "checks": checks}, options.out)


def _help_seconds() -> float:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "auditor", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _audit_figures(series: Path, data: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "auditor", "compare", *(f"{n}={series / n}" for n in ("base", "sft", "dpo"))]
        command += ["--probe", str(data / "winoqueer"), "--probe", str(data / "crows_pairs")]
        began = time.perf_counter()
        subprocess.run([*command, "--beta", "0.1", "--quiet", "--out", str(out)], check=True)
        seconds = time.perf_counter() - began
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        deviation = at_most("token log-probability, multiple of its tolerance", _worst_deviation(series, out), 1.0)
        size = (out / "report.html").stat().st_size
    say(f"report: {size / 1e6:.2f} MB")
    return {
        "audit_s": at_most("audit of hh-mini over WinoQueer and CrowS-Pairs, both renderings, seconds", seconds, 180.0),
        "timings": manifest["timings"],
        "deviation": deviation,
        "report_bytes": size,
    }


def _worst_deviation(series: Path, out: Path) -> float:
    """Re-score a seeded sample of plainly rendered candidates with the model's own forward."""
    import pyarrow.parquet as pq
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = pq.read_table(out / "tokens.parquet").to_pandas()
    texts = (
        pq.read_table(out / "items.parquet")
        .to_pandas()
        .set_index(["probe", "item", "render", "checkpoint", "candidate"])["text"]
    )
    groups = dict(
        tuple(tokens[tokens.render == "plain"].groupby(["probe", "item", "render", "checkpoint", "candidate"]))
    )
    worst = 0.0
    for name in ("base", "sft", "dpo"):
        model = AutoModelForCausalLM.from_pretrained(series / name, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(series / name)
        keys = [key for key in groups if key[3] == name]
        for key in random.Random(0).sample(keys, SAMPLE):
            ids = torch.tensor([tokenizer(texts[key])["input_ids"]])
            with torch.no_grad():
                own = torch.log_softmax(model(ids).logits[0].float(), dim=-1)
            expected = own[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy()
            ours = groups[key].sort_values("position")["logprob"].to_numpy()
            for one, other in zip(ours, expected[-len(ours) :], strict=True):
                worst = max(worst, abs(one - other) / (5e-5 * max(1.0, abs(other))))
    return worst


if __name__ == "__main__":
    sys.exit(main())
