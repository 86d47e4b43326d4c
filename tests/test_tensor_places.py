"""Twin of auditor.adapters.hf.path.tensor_places."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from model_factory import new_model

from auditor.adapters.hf.path import tensor_places
from auditor.adapters.hf.path.tensor_places import Place, needs_files
from auditor.errors import StorageError


@pytest.mark.parametrize("in_files", [False, True])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4)])
def test_the_same_numbers_in_their_place(tmp_path: Path, in_files: bool, shape: tuple[int, ...]) -> None:
    place = Place(tmp_path if in_files else None)
    tensors = [torch.nn.Parameter(torch.randn(shape)) for _ in range(2)]
    held = [place.put(one) for one in tensors]
    for one, other in zip(held, tensors, strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad
        assert (one.data_ptr() == other.data_ptr()) != in_files
    # Nothing is left to clean up, whatever becomes of the process.
    assert list(tmp_path.iterdir()) == []


def test_a_weight_saved_in_half_precision_takes_half_the_memory() -> None:
    weight = torch.nn.Parameter(torch.randn(3, 4).to(torch.bfloat16).float())
    held = Place(None).put_weight(weight)
    assert held.dtype == torch.bfloat16
    assert torch.equal(held.float(), weight)


@pytest.mark.parametrize("in_files", [False, True])
def test_a_weight_that_half_precision_would_round(tmp_path: Path, in_files: bool) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 1.0 + 2**-20]))
    held = Place(tmp_path if in_files else None).put_weight(weight)
    assert held.dtype == torch.float32
    assert torch.equal(held, weight)
    assert (held.data_ptr() == weight.data_ptr()) != in_files


def test_a_transposed_tensor(tmp_path: Path) -> None:
    tensor = torch.arange(12.0).reshape(3, 4).T
    assert torch.equal(Place(tmp_path).put(tensor), tensor)


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_full_disk(tmp_path: Path, size: int) -> None:
    with without_room(), pytest.raises(StorageError, match="File too large") as caught:
        Place(tmp_path).put(torch.ones(size))
    assert "TMPDIR" in caught.value.fix


@contextmanager
def without_room() -> Iterator[None]:
    """No file of this process may hold a byte, and no signal ends it for trying."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_files_where_a_second_copy_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = new_model("llama", 0)
    sizes = [4 * one.numel() for one in model.parameters()]
    needed = sum(sizes) + 2 * max(sizes)
    for free, expected in ((needed, False), (needed - 1, True), (None, False)):
        monkeypatch.setattr(tensor_places, "available_memory", lambda free=free: free)
        assert needs_files(model) is expected
