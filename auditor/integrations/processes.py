"""Several processes that train one model: what only the main one does, and what none of them can audit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, broadcast_object_list
from torch.distributed.tensor import DTensor

from auditor.errors import AuditError, ModelLoadError

_log = logging.getLogger(__name__)


def in_main_process(is_main: bool, work: Callable[[], bool], *, strict: bool) -> bool:
    """Do the work in the main process while the others wait.

    Args:
        strict: an error of it stops all processes; else the main one warns of it, and all go on. What is no error, such
            as an interrupt, stops all of them in any case: none is left waiting.

    Returns:
        What it came to, the same in all processes; False where it failed.

    Raises:
        AuditError: it failed, and errors are to stop training; in the main process the error itself, whatever it is.
    """
    error: BaseException | None = None
    outcome: list[Any] = [None]
    if is_main:
        try:
            outcome = [(work(), "", False)]
        except AuditError as failure:
            error, outcome = failure, [(False, str(failure), strict)]
            if not strict:
                _log.warning("no audit this time, and training goes on: %s", failure)
        except Exception as failure:  # noqa: BLE001 - the others wait for the outcome, whatever went wrong
            error, outcome = failure, [(False, f"internal error: {failure!r}", strict)]
            _log.warning("no audit this time: internal error: %r", failure, exc_info=True)
        except BaseException as failure:  # noqa: BLE001 - so they do where the main process is interrupted
            error, outcome = failure, [(False, f"it was stopped: {failure!r}", True)]
    broadcast_object_list(outcome)
    came_to, failed, stops = outcome[0]
    if stops:
        raise error or AuditError(f"the audit in the main process failed: {failed}")
    return bool(came_to)


def refuse_shards(model: torch.nn.Module) -> None:
    """Stop where no process holds the whole model.

    Raises:
        ModelLoadError: its weights are spread over processes.
    """
    state: Any = AcceleratorState()
    plugin = state.deepspeed_plugin if state.distributed_type == DistributedType.DEEPSPEED else None
    if state.distributed_type == DistributedType.FSDP:
        how = "FSDP"
    elif plugin is not None and plugin.zero_stage == 3:
        how = "DeepSpeed ZeRO-3"
    elif any(isinstance(one.data, DTensor) for one in model.parameters()):
        how = "tensors split over devices"
    else:
        return
    raise ModelLoadError(
        f"the weights in training are spread over processes ({how}), and no process holds a model to score",
        where="training",
        fix="Audit the checkpoints that training saves (audit compare), or train with DDP or ZeRO-2.",
    )
