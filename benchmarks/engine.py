"""How fast the package scores, against its peers and against the least a computer must do.

    python benchmarks/engine.py --out benchmarks/results/engine.json        (about 20 minutes on 2 cores)
    python benchmarks/engine.py --quick                                      (minutes, on parts of the workloads)

Random weights of a fixed seed, the same strings for all, tokenising and gathering included on every side, the model
loaded before; two threads each. Package and peers take turns within one run and the best round counts. The package
scores a workload whole; peers are timed on a seeded sample of its items and compared by seconds a text. On the sample
all numbers are compared: a sum that is off by more than 1e-4 x max(1, |sum| / 100) ends the run with exit code 1.

1. Against lm-eval at its best batch size, on the 52M model in float32 (bounds: see ``RATIOS``).
2. The floor (see `floor`) at the best rate of a square matrix product measured in the same run must be at least 60% of
   the seconds from ids to log-probabilities, on the 52M model and, on parts of two workloads, on the 250M one.
3. bfloat16 against float32 on the 52M model: at least 2.5 times as fast where the processor has matrix units (AMX).

See `workloads` for what is scored and `peers` for how others are called.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ours
import torch
from comparison import SQUARES, Asked, Loaded, agreement_checks, best_lm_eval, compare, load
from machine import at_least, finish, has_amx, machine
from peers import PEERS
from shapes import lines_under
from simulation import say
from transformers.utils.logging import set_verbosity_error
from workloads import NAMES, Workload, open_workload, part, texts_of

THREADS = 2
RATIOS = {"winoqueer": 1.5, "crows_pairs": 1.5, "stigma": 3.0, "bbq": 7.0, "questionnaire": 15.0}
FLOOR_SHARE = 0.6
BFLOAT16_RATIO = 2.5
MODELS = ("52M", "250M")
# The 250M model scores parts of these, and is compared with the naive loop only unless --peer says otherwise.
LARGE_PARTS = {"crows_pairs": 300, "bbq": 300}
QUICK_ITEMS = {"winoqueer": 300, "crows_pairs": 150, "stigma": 300, "bbq": 160, "questionnaire": 160}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; exit code 1 if numbers disagree or, in a full run, a bound is broken."""
    options = _options(arguments)
    torch.set_num_threads(1 if options.mode == "tiny" else THREADS)
    set_verbosity_error()
    workloads = [one for name in options.workload if (one := _opened(name, options)) is not None]
    texts = list(_training_texts(workloads, options))
    rows: list[dict[str, Any]] = []
    bfloat16 = None
    for shape in options.model:
        loaded = load(shape, texts, options.models)
        asked = _asked(shape, options)
        rows += [compare(loaded, workload, asked) for workload in _parts(workloads, shape, options)]
        if workloads and shape == options.model[0]:
            bfloat16 = _bfloat16(loaded, workloads[-1])
        del loaded
    figures = {
        "machine": machine("auditor", "torch", "transformers", "tokenizers", "lm_eval", "minicons", "trl"),
        "threads": torch.get_num_threads(),
        "mode": options.mode,
    }
    if options.keep:
        kept = json.loads(options.out.read_text(encoding="utf-8"))
        rows, bfloat16 = _with_kept(kept, figures, rows), kept["bfloat16"]
        figures["machine"] = kept["machine"]
    figures |= {
        "rows": rows,
        "bfloat16": bfloat16,
        "checks": [*_checks(rows, bfloat16, options.mode == "full"), *agreement_checks(rows)],
    }
    return finish(figures, options.out)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--models", type=Path, help="where models are made and kept; a temporary folder")
    parser.add_argument("--workload", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--model", nargs="+", choices=("tiny", *MODELS), help="52M and 250M")
    parser.add_argument("--peer", nargs="*", choices=PEERS, help="all on the first model, the naive loop on others")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", dest="mode", action="store_const", const="quick", help="parts of the workloads")
    mode.add_argument("--tiny", dest="mode", action="store_const", const="tiny", help="seconds; says nothing of speed")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    parser.add_argument("--keep", action="store_true", help="keep the rows of --out that were not measured again")
    parser.set_defaults(mode="full")
    options = parser.parse_args(arguments)
    options.model = options.model or (["tiny"] if options.mode == "tiny" else list(MODELS))
    options.models = options.models or Path(tempfile.gettempdir()) / "auditor-benchmarks"
    return options


def _opened(name: str, options: argparse.Namespace) -> Workload | None:
    try:
        workload = open_workload(name, options.data)
    except FileNotFoundError as error:
        say(f"skipped: {error}")
        return None
    sizes = {"full": len(workload.items), "quick": QUICK_ITEMS[name], "tiny": 12}
    return part(workload, sizes[options.mode])


def _training_texts(workloads: Iterable[Workload], options: argparse.Namespace) -> Iterable[str]:
    """What the tokenizer learns words from: the same whatever workloads were chosen, but in the tiny mode."""
    if options.mode == "tiny":
        return (text for workload in workloads for text in texts_of(workload.items))
    own = (open_workload(name, options.data) for name in ("stigma", "questionnaire"))
    return (*lines_under(options.data), *(text for workload in own for text in texts_of(workload.items)))


def _parts(workloads: Sequence[Workload], shape: str, options: argparse.Namespace) -> list[Workload]:
    if shape != "250M":
        return list(workloads)
    scale = 1 if options.mode == "full" else 5
    return [part(one, LARGE_PARTS[one.name] // scale) for one in workloads if one.name in LARGE_PARTS]


def _asked(shape: str, options: argparse.Namespace) -> Asked:
    """Which peers, and how many tokens of a workload they are timed on."""
    first = shape == options.model[0]
    peers = options.peer if options.peer is not None else PEERS if first else ("naive",)
    tokens = {"full": 8_000 if first else 3_000, "quick": 3_000 if first else 1_000, "tiny": 10_000}[options.mode]
    return Asked(peers, tokens, 3 * tokens, squares=(256,) if options.mode == "tiny" else SQUARES)


def _bfloat16(loaded: Loaded, workload: Workload) -> dict[str, Any]:
    """Seconds in float32 and in bfloat16, two turns each, on a part of a workload."""
    chosen = ours.comparable(loaded.tokenizer, part(workload, 300).items)
    models = {"float32": loaded.model, "bfloat16": copy.deepcopy(loaded.model).to(torch.bfloat16)}
    seconds = dict.fromkeys(models, float("inf"))
    for dtype in (*models, *models, *models):
        seconds[dtype] = min(seconds[dtype], ours.score(models[dtype], loaded.tokenizer, chosen).score_s)
    ratio = seconds["float32"] / seconds["bfloat16"]
    said = "" if has_amx() else "; no matrix units here, so the bound does not apply"
    say(f"\nbfloat16 on {loaded.shape}, {len(chosen)} items of {workload.name}: {ratio:.2f} times float32{said}")
    return {"workload": workload.name, "items": len(chosen), "seconds": seconds, "ratio": ratio, "amx": has_amx()}


def _with_kept(table: dict[str, Any], here: dict[str, Any], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, those measured again in their place and with the command that did it.

    Each row holds what was measured within one run, the rate of the floor included; rows of different machines,
    versions or modes do not belong into one table.
    """
    command = here["machine"]["command"]
    if {**table["machine"], "command": command} != here["machine"] or table["mode"] != here["mode"]:
        raise SystemExit("--keep: the table was made on another machine, with other versions or in another mode")
    kept = {(row["model"], row["workload"]): row for row in table["rows"]}
    again = {(row["model"], row["workload"]): {**row, "command": command} for row in rows}
    return list((kept | again).values())


def _checks(rows: Sequence[dict[str, Any]], bfloat16: dict[str, Any] | None, judged: bool) -> list[dict[str, Any]]:
    """Every bound that applies, printed."""
    say("")
    checks = []
    for row in rows:
        place, ratio = f"{row['workload']} on {row['model']}", best_lm_eval(row)
        if ratio is not None and row["model"] != "250M":
            checks.append(at_least(f"{place}: times as fast as lm-eval", ratio, RATIOS[row["workload"]], judged))
        checks.append(at_least(f"{place}: share of the floor", row["share_of_floor"], FLOOR_SHARE, judged))
    if bfloat16 is not None and bfloat16["amx"]:
        checks.append(at_least("bfloat16 against float32", bfloat16["ratio"], BFLOAT16_RATIO, judged))
    return checks


if __name__ == "__main__":
    sys.exit(main())
