"""The noise floor that an audit in half precision gives, held against what rounding really did to every effect.

    python benchmarks/noise_floor.py [--data ../shared] [--seed 0] [--out benchmarks/results/noise_floor.json]

A really trained series (base, SFT, DPO) is audited on the shipped probe `stigma` (quick tier, both renderings) in
float32, bfloat16 and float16. The noise of an effect comes from about 200 items scored again in float32; the truth
from all of them: the effect in half precision minus the same in float32. Must hold, in each format:

1. |error| <= 2 x noise for at least 93% of all effects (a Gaussian error of known size: 95.4%);
2. of the effects that are not marked as below their noise floor, at most 1% have another sign in float32.

Shown without a bound: the error of a margin over all items beside the one estimated from the sample; the root mean
square of errors and of noises by measure and contrast; how many effects are marked; verdicts that float32 gives
otherwise. All effects of a format share one rounded model for each checkpoint, so the shares are not those of
independent trials. The series lies beside the project, not in it: without it this says so and ends.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from simulation import say

FORMATS = ("bfloat16", "float16")
CHECKPOINTS = ("base", "sft", "dpo")
COVERED, FLIPPED = 0.93, 0.01
# What tells the effects of one audit apart.
_WHO = ("identity", "axis", "theme", "render", "role", "valence", "design", "measure", "contrast", "checkpoint")


def main() -> int:
    """Audit in every format and compare; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds weights/")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args()
    series = options.data / "weights" / "hh-mini"
    if not series.is_dir():
        say(f"skipped: no series under {series}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: audit(series, Path(folder) / name, name, options.seed) for name in ("float32", *FORMATS)}
        exact = runs["float32"]
        formats = {name: figures(runs[name], exact) for name in FORMATS}
    if options.out:
        names = ("auditor", "torch", "transformers", "numpy")
        command = f"python benchmarks/noise_floor.py --seed {options.seed}"
        table = {"command": command, "versions": {name: version(name) for name in names}, "formats": formats}
        options.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    broken = [name for name, one in formats.items() if not one["holds"]]
    say("broken: " + ", ".join(broken) if broken else "all bounds held")
    return bool(broken)


def audit(series: Path, out: Path, dtype: str, seed: int) -> Path:
    """Run one audit and return its folder."""
    command = [sys.executable, "-m", "auditor", "compare", *(f"{name}={series / name}" for name in CHECKPOINTS)]
    command += ["--probe", "stigma", "--tier", "quick", "--beta", "0.1", "--dtype", dtype, "--seed", str(seed)]
    subprocess.run([*command, "--no-cache", "--quiet", "--out", str(out)], check=True)
    return out


def figures(rounded: Path, exact: Path) -> dict[str, Any]:
    """Everything said of one format."""
    results = json.loads((rounded / "results.json").read_text(encoding="utf-8"))
    truths = {who(one): one for one in json.loads((exact / "results.json").read_text(encoding="utf-8"))["effects"]}
    pairs = [(one, truths[who(one)]) for one in results["effects"] if one["noise"] is not None]
    kept = [(one, truth) for one, truth in pairs if not one["below_noise"]]
    judged = [(one, truth) for one, truth in pairs if one["verdict"] is not None]
    covered = float(np.mean([abs(error(*pair)) <= 2 * pair[0]["noise"] for pair in pairs]))
    flipped = share(one["estimate"] * truth["estimate"] < 0 for one, truth in kept)
    found = {
        "margins": margins(results["noise_floors"], rounded, exact),
        "effects": len(pairs),
        "covered": round(covered, 4),
        "marked": share(one["below_noise"] for one, _ in pairs),
        "other_sign_unmarked": flipped,
        "other_sign_marked": share(
            one["estimate"] * truth["estimate"] < 0 for one, truth in pairs if one["below_noise"]
        ),
        "judged": len(judged),
        "judged_marked": sum(one["below_noise"] for one, _ in judged),
        "other_verdict": sum(one["verdict"] != truth["verdict"] for one, truth in judged),
        "groups": groups(pairs),
        "holds": covered >= COVERED and flipped <= FLIPPED,
    }
    name = rounded.name
    say(f"{name}: {len(pairs)} effects, {covered:.1%} of errors within 2 x noise (bound {COVERED:.0%})")
    say(
        f"{name}: {found['marked']:.1%} marked; of the others {flipped:.2%} have another sign in float32 "
        f"(bound {FLIPPED:.0%})"
    )
    say(
        f"{name}: of {len(judged)} judged effects {found['judged_marked']} marked, "
        f"{found['other_verdict']} have another verdict in float32"
    )
    return found


def who(effect: dict[str, Any]) -> tuple[Any, ...]:
    """What an effect is about."""
    return tuple(effect[name] for name in _WHO)


def error(one: dict[str, Any], truth: dict[str, Any]) -> float:
    """What rounding did to an effect."""
    return float(one["estimate"] - truth["estimate"])


def share(hits: Iterable[bool]) -> float:
    """The share of hits, 0 of none."""
    known = list(hits)
    return round(sum(known) / len(known), 4) if known else 0.0


def groups(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Errors and noises by measure, contrast and whether all themes are in."""
    found: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for one, truth in pairs:
        key = (one["measure"], one["contrast"], "all" if one["theme"] is None else "one")
        found.setdefault(key, []).append((error(one, truth), one["noise"]))
    return [
        {
            **dict(zip(("measure", "contrast", "themes"), key, strict=True)),
            "effects": len(own),
            "error": root_mean_square([at for at, _ in own]),
            "noise": root_mean_square([at for _, at in own]),
            "covered": share(abs(at) <= 2 * noise for at, noise in own),
        }
        for key, own in found.items()
    ]


def margins(floors: Sequence[dict[str, Any]], rounded: Path, exact: Path) -> list[dict[str, Any]]:
    """The error of a margin over all pairs, beside the audit's estimate from its sample."""
    ours, theirs = read_margins(rounded), read_margins(exact)
    found = []
    for floor in floors:
        place = (floor["checkpoint"], floor["render"])
        errors = [value - theirs[key] for key, value in ours.items() if key[:2] == place]
        row = {"checkpoint": place[0], "render": place[1], "items": len(errors), "error": root_mean_square(errors)}
        found.append({**row, "sampled": floor["items"], "estimated": float(f"{floor['margin']:.3g}")})
        say(
            f"{rounded.name}, {place[0]}, {place[1]}: a margin is off by {row['error']}, "
            f"by the sample {floor['margin']:.3g}"
        )
    return found


def read_margins(run: Path) -> dict[tuple[str, str, str], float]:
    """Margins of all pairs by checkpoint, rendering and item."""
    import pyarrow.parquet as pq

    columns = ["checkpoint", "render", "item", "candidate", "value"]
    sides: dict[tuple[str, str, str], dict[str, float]] = {}
    for checkpoint, render, item, candidate, value in zip(
        *pq.read_table(run / "items.parquet", columns=columns).to_pydict().values(), strict=True
    ):
        sides.setdefault((checkpoint, render, item), {})[candidate] = value
    return {key: one["harmful"] - one["affirming"] for key, one in sides.items() if "harmful" in one}


def root_mean_square(values: Sequence[float]) -> float:
    """To three digits."""
    return float(f"{math.sqrt(sum(value**2 for value in values) / len(values)):.3g}")


if __name__ == "__main__":
    sys.exit(main())
