"""One of several processes that train a model together: ``python -m torch.distributed.run ... BASE PAIRS OUT HOW``.

HOW is ``alone`` (no callback), ``audited``, ``rewarded`` (a reward model is), ``gated`` (the gate always fails),
``strict`` (the audit itself fails) or ``interrupted`` (somebody stops it).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from live_training import new_trainer, train, weights_of

from auditor.errors import AuditError, StorageError
from auditor.integrations.live_audit import LiveAudit
from auditor.integrations.trl import BiasAuditCallback


def main(base: Path, pairs: Path, out: Path, how: str) -> None:
    """Train, and leave behind how it ended, the weights and the audits."""
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    options: dict[str, Any] = {"gate": "no such probe:any > 0"} if how == "gated" else {"strict": how == "strict"}
    callback = BiasAuditCallback(pairs, every=2, out=out / "audits", budget=None, render="plain", **options)
    error = {"strict": StorageError("the disk is full", where="here"), "interrupted": KeyboardInterrupt()}.get(how)
    if error is not None:
        LiveAudit.audit = failing(LiveAudit.audit, error)  # type: ignore[method-assign]
    trainer = new_trainer(
        "reward" if how == "rewarded" else "sft",
        base,
        out / "training",
        [] if how == "alone" else [callback],
        per_device_train_batch_size=4 // processes,
        **({"ddp_backend": "gloo"} if processes > 1 else {}),
    )
    ended = ""
    try:
        train(trainer)
    except (AuditError, KeyboardInterrupt) as stopped:
        ended = str(stopped) or type(stopped).__name__
    told = {"step": trainer.state.global_step, "processes": trainer.args.world_size, "error": ended}
    (out / f"rank-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    if rank == 0:
        torch.save(weights_of(trainer), out / "weights.pt")
        trainer.save_model(str(out / "model"))


def failing(audit: Any, error: BaseException) -> Any:
    def fail(self: LiveAudit, step: int) -> Any:
        if step:
            raise error
        return audit(self, step)

    return fail


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), sys.argv[4])  # type: ignore[misc]
