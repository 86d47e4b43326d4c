"""Twin of auditor.adapters.hf.devices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auditor.adapters.hf import devices
from auditor.adapters.hf.devices import (
    available_memory,
    matmul_precision,
    matmul_rate,
    one_thread,
    pick_device,
    total_memory,
)
from auditor.errors import UsageError


@pytest.mark.parametrize(
    ("cards", "mps", "expected"), [(0, False, "cpu"), (2, False, "cuda"), (0, True, "mps"), (1, True, "cuda")]
)
def test_automatic_device(monkeypatch: pytest.MonkeyPatch, cards: int, mps: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto") == expected


def test_named_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [pick_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda:1"]
    for name, message in (
        ("cuda:2", "2 CUDA devices"),
        ("mps", "no MPS"),
        ("tpu", "known are"),
        ("cuda:x", "known are"),
    ):
        with pytest.raises(UsageError, match=message):
            pick_device(name)


def test_matmul_rate_is_a_plausible_speed() -> None:
    # Any machine that runs PyTorch multiplies faster than 0.1 and slower than 10,000 GFLOP/s.
    assert 1e8 < matmul_rate("cpu", "float32") < 1e13


def test_available_memory_is_what_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "group"
    group.mkdir()
    meminfo.write_text("MemTotal:  900 kB\nMemAvailable:     500 kB\n", encoding="ascii")
    places = {"/proc/meminfo": meminfo, "/sys/fs/cgroup": group}
    monkeypatch.setattr(devices, "Path", lambda name: places[name])
    assert available_memory() == 500 * 1024
    # 300,000 of the limit are used, 100,000 of them page cache that can be given up.
    (group / "memory.current").write_text("300000\n", encoding="ascii")
    (group / "memory.stat").write_text("anon 200000\ninactive_file 100000\n", encoding="ascii")
    for limit, expected in (("max", 500 * 1024), ("450000", 250_000), ("9000000", 500 * 1024)):
        (group / "memory.max").write_text(limit + "\n", encoding="ascii")
        assert available_memory() == expected
    meminfo.write_text("MemTotal:  900 kB\n", encoding="ascii")
    assert available_memory() is None
    meminfo.unlink()
    assert available_memory() is None


def test_one_thread_and_then_as_many_as_before() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_memory() -> None:
    assert 2**28 < total_memory("cpu") < 2**46


def test_the_precision_of_products_is_known_however_it_was_set() -> None:
    """torch does not answer the older question where the newer way was taken, as a trainer's tf32=True does."""
    before = torch.get_float32_matmul_precision()
    cuda, cpu = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    try:
        torch.set_float32_matmul_precision("high")
        assert matmul_precision("cuda:0") == matmul_precision("cpu") == "high"
        for name, word in (("tf32", "high"), ("ieee", "highest")):
            cuda.fp32_precision, cpu.fp32_precision = name, "bf16"
            with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
                torch.get_float32_matmul_precision()
            assert (matmul_precision("cuda:0"), matmul_precision("cpu")) == (word, "medium")
    finally:
        torch.set_float32_matmul_precision(before)
    assert matmul_precision("cuda") == before
