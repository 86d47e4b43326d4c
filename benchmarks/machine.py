"""What a benchmark says of the machine it ran on, and how it says whether a bound was held."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simulation import say


def machine(*packages: str) -> dict[str, Any]:
    """Processor, cores, command and versions."""
    return {
        "processor": _cpu_line("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "amx": has_amx(),
        "python": platform.python_version(),
        "command": " ".join(["python", *sys.argv]),
        **{name: version(name) for name in packages},
    }


def has_amx() -> bool:
    """Whether the processor has matrix units for bfloat16."""
    return "amx_bf16" in _cpu_line("flags").split()


def peak_memory() -> int:
    """Most bytes of memory this process had at once, without what the process that started it had."""
    told = _line(Path("/proc/self/status"), "VmHWM").split()
    kilobytes = int(told[0]) if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024


def _cpu_line(key: str) -> str:
    """One line of what Linux says of the first processor; "" elsewhere."""
    return _line(Path("/proc/cpuinfo"), key)


def _line(path: Path, key: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key), "")


def at_most(name: str, value: float, bound: float, judged: bool = True) -> dict[str, Any]:
    """Print a figure and what it must not exceed; the row for the table.

    Args:
        judged: False where the bound is not meant for such a run: it then breaks nothing.
    """
    return _check(name, value, bound, "at most", value <= bound, judged)


def at_least(name: str, value: float, bound: float, judged: bool = True) -> dict[str, Any]:
    """Print a figure and what it must reach; the row for the table; see `at_most`."""
    return _check(name, value, bound, "at least", value >= bound, judged)


def _check(name: str, value: float, bound: float, side: str, held: bool, judged: bool) -> dict[str, Any]:
    verdict = ("held" if held else "broken") if judged else "not judged in this mode"
    say(f"{name}: {value:.3g} ({side} {bound:g}: {verdict})")
    row = {"name": name, "value": float(value), "side": side, "bound": float(bound), "judged": judged}
    return {**row, "held": bool(held)}


def finish(figures: dict[str, Any], out: Path | None) -> int:
    """Write the table and say which of its ``checks`` are broken; the exit code."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    judged = [one for one in figures["checks"] if one["judged"]]
    broken = [one["name"] for one in judged if not one["held"]]
    say("broken: " + ", ".join(broken) if broken else f"held: {len(judged)} of {len(judged)} bounds that are judged")
    return bool(broken)


def square_rate(size: int, device: str, dtype: str, rounds: int = 7) -> float:
    """Floating-point operations a second of one product of two random squares, the best of some rounds."""
    # Imported here: what only wants to say which machine this is need not wait for it.
    import torch

    generator = torch.Generator(device).manual_seed(0)
    left, right = (
        torch.randn(size, size, generator=generator, device=device).to(getattr(torch, dtype)) for _ in range(2)
    )
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        # Reading a number waits for a card to finish.
        float((left @ right)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best
