"""Where models run, and how fast that place multiplies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from auditor.errors import UsageError


def pick_device(asked: str) -> str:
    """Resolve ``auto`` and check that the device is there.

    Args:
        asked: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises:
        UsageError: no such device, here or anywhere.
    """
    cards, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if asked == "auto":
        return "cuda" if cards else "mps" if mps else "cpu"
    kind, _, number = asked.partition(":")
    if kind == "cuda" and (not number or number.isdecimal()):
        there, found = int(number or 0) < cards, f"{cards} CUDA devices were found"
    elif asked == "mps":
        there, found = mps, "this PyTorch has no MPS"
    else:
        there, found = asked == "cpu", "known are auto, cpu, cuda, cuda:1 (any number) and mps"
    if not there:
        raise UsageError(
            f"the device {asked!r} is not available: {found}", where="--device", fix="Use --device auto, or cpu."
        )
    return asked


def matmul_rate(device: str, dtype: str) -> float:
    """Floating-point operations a second of one square matrix product, best of five."""
    size = 1024 if device == "cpu" else 8192
    left = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        float((left @ left)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def matmul_precision(device: str) -> str:
    """How exact products of float32 matrices are, in the words of ``torch.set_float32_matmul_precision``."""
    try:
        return str(torch.get_float32_matmul_precision())
    except RuntimeError:
        # Set in torch's newer way, as transformers does for a training with tf32=True: then the older is not answered.
        backend: Any = torch.backends.mkldnn if device == "cpu" else torch.backends.cuda
        return {"tf32": "high", "bf16": "medium"}.get(backend.matmul.fp32_precision, "highest")


def total_memory(device: str | torch.device) -> int:
    """Bytes of memory a device has in all."""
    where = torch.device(device)
    if where.type == "cuda":
        return int(torch.cuda.get_device_properties(where).total_memory)
    if where.type == "mps":
        return int(torch.mps.recommended_max_memory())
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def available_memory() -> int | None:
    """Bytes of main memory that may still be taken, None where the system does not say (it does on Linux).

    The kernel's own estimate, and no more than what is left of the limit of the control group (version 2), page cache
    not counted.
    """
    try:
        free = 1024 * _named_number(Path("/proc/meminfo"), "MemAvailable:")
    except (OSError, ValueError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        used = int((group / "memory.current").read_text()) - _named_number(group / "memory.stat", "inactive_file")
        return min(free, int((group / "memory.max").read_text()) - used)
    except (OSError, ValueError):
        # No control group, or one without a limit, which reads "max".
        return free


def _named_number(path: Path, name: str) -> int:
    """The number behind a name in a file of names and numbers."""
    for line in path.read_text(encoding="ascii").splitlines():
        words = line.split()
        if words and words[0] == name:
            return int(words[1])
    raise ValueError(f"{path} does not name {name}")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: on a tiny model, waiting for a second one takes longer than the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
