"""Whether an audit came to its end, and what to say of the numbers in its folder where it did not.

A folder may hold results and yet an interrupted audit: one that was begun again over them, or stopped at its last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from auditor.errors import UsageError

Status = Literal["complete", "interrupted"]
INTERRUPTED = "The audit was interrupted, or is still at work: its numbers may be those of an earlier audit."
CONTINUE = "Run the same audit again: it continues where it stopped."


def status_of(manifest: Mapping[str, Any]) -> Status:
    """What a manifest says; one that says nothing is not of an interrupted audit."""
    return "complete" if manifest.get("status", "complete") == "complete" else "interrupted"


def require_complete(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Stop where something is decided by a run that is none yet.

    Raises:
        UsageError: the audit was interrupted.
    """
    if status_of(manifest) != "complete":
        raise UsageError(
            "the audit was interrupted, or is still at work, so nothing can be decided by its numbers",
            where=str(folder),
            fix=CONTINUE,
        )


def records(manifest: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of objects in a manifest, empty where it is missing or something else."""
    value = manifest.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
