"""What the simulations share: their options, the table they write, and effects that stand for an audit's."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from auditor.core.effects import Effect, Shares
from auditor.core.statistics import NO_INTERVAL, Estimate


def options(doc: str | None) -> argparse.ArgumentParser:
    """Draws a cell, seed and output file."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20_000, help="draws a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    return parser


def finish(script: str, arguments: argparse.Namespace, rows: Sequence[dict[str, Any]], **more: Any) -> int:
    """Write the table and count what is out of bounds; the exit code."""
    if arguments.out is not None:
        table = {
            "command": f"python benchmarks/{script} --draws {arguments.draws} --seed {arguments.seed}",
            "versions": {name: version(name) for name in ("numpy", "scipy")},
            "draws": arguments.draws,
            **more,
            "cells": rows,
        }
        arguments.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    broken = [row for row in rows if not row["holds"]]
    say(f"{len(rows)} cells, {len(broken)} out of bounds")
    return 1 if broken else 0


def say(line: str) -> None:
    """Print one line at once, also into a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def disparity(
    identity: str,
    estimate: Estimate,
    measure: str = "level",
    checkpoint: str = "after",
    measure_from: str | None = None,
) -> Effect:
    """The excess of one marked identity as an audit hands it to the verdict rule, in nats."""
    return Effect(
        probe="simulated",
        identity=identity,
        axis="",
        theme=None,
        render="plain",
        role="marked",
        valence="harm",
        design="text_swap",
        measure=measure,
        contrast="excess",
        checkpoint=checkpoint,
        measure_from=measure_from,
        reference=measure_from,
        unit="nats",
        beta=None,
        estimate=estimate,
        interval=NO_INTERVAL,
        shares=Shares(0.0, 0, 0.0, 0),
        items=estimate.clusters,
        complete=True,
    )
