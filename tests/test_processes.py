"""Twin of auditor.integrations.processes; two real processes train in tests/test_two_processes.py."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from auditor.errors import AuditError, ModelLoadError, UsageError
from auditor.integrations import processes
from auditor.integrations.processes import in_main_process, refuse_shards


@pytest.fixture(autouse=True)
def _accelerator() -> Iterator[None]:
    """As a trainer leaves it behind, on one process."""
    Accelerator(cpu=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def failing(error: BaseException) -> Any:
    def work() -> bool:
        raise error

    return work


def other_process(monkeypatch: pytest.MonkeyPatch, told: tuple[bool, str, bool]) -> None:
    """This is not the main process, which tells it this."""

    def broadcast(outcome: list[Any]) -> None:
        assert outcome == [None], "it does nothing itself"
        outcome[0] = told

    monkeypatch.setattr(processes, "broadcast_object_list", broadcast)


def test_what_the_work_comes_to_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_main_process(True, lambda: True, strict=False)
    assert not in_main_process(True, lambda: False, strict=True)
    other_process(monkeypatch, (True, "", False))
    assert in_main_process(False, failing(AssertionError("not called")), strict=True)


@pytest.mark.parametrize("error", [UsageError("wrong", where="x"), ZeroDivisionError("ours")])
def test_an_error_is_a_warning_or_stops_all(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert not in_main_process(True, failing(error), strict=False)
    (warning,) = caplog.records
    assert str(error) in warning.getMessage()
    with pytest.raises(type(error)):
        in_main_process(True, failing(error), strict=True)
    other_process(monkeypatch, (False, "wrong", False))
    assert not in_main_process(False, lambda: True, strict=False)
    other_process(monkeypatch, (False, "wrong", True))
    with pytest.raises(AuditError, match="the audit in the main process failed: wrong"):
        in_main_process(False, lambda: True, strict=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_none_waits_for_a_process_that_was_interrupted(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells the others before it ends, which would wait until the group's timeout, and stops them too."""
    told: list[Any] = []
    monkeypatch.setattr(processes, "broadcast_object_list", told.extend)
    with pytest.raises(type(error)):
        in_main_process(True, failing(error), strict=False)
    ((came_to, said, stops),) = told
    assert (came_to, stops) == (False, True)
    other_process(monkeypatch, (came_to, said, stops))
    with pytest.raises(AuditError, match=f"it was stopped: {type(error).__name__}"):
        in_main_process(False, lambda: True, strict=False)


@pytest.mark.parametrize(
    ("kind", "stage", "word"),
    [
        (DistributedType.FSDP, None, "FSDP"),
        (DistributedType.DEEPSPEED, 3, "ZeRO-3"),
        (DistributedType.DEEPSPEED, 2, ""),
        (DistributedType.MULTI_CPU, None, ""),
        (DistributedType.NO, None, ""),
    ],
)
def test_a_model_in_pieces_is_refused(
    kind: DistributedType, stage: int | None, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SimpleNamespace(distributed_type=kind, deepspeed_plugin=stage and SimpleNamespace(zero_stage=stage))
    monkeypatch.setattr(processes, "AcceleratorState", lambda: state)
    if not word:
        return refuse_shards(torch.nn.Linear(2, 2))
    with pytest.raises(ModelLoadError, match=rf"spread over processes \([\w ]*{word}\)"):
        refuse_shards(torch.nn.Linear(2, 2))
    return None


def test_so_are_tensors_split_over_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    model = torch.nn.Linear(2, 2)
    refuse_shards(model)
    monkeypatch.setattr(processes, "DTensor", torch.Tensor)
    with pytest.raises(ModelLoadError, match="tensors split over devices"):
        refuse_shards(model)
