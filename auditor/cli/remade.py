"""A finished run's own question, asked again from its manifest: the same items, renderings and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from auditor.adapters.hf.loading.checkpoints import fingerprint
from auditor.adapters.run.run_folder import read_manifest
from auditor.adapters.run.run_status import records
from auditor.adapters.run.validation import first_problem
from auditor.cli.console import RichProgress
from auditor.cli.options import AuditOptions
from auditor.cli.understanding import Audit, Request, request_of, understand
from auditor.errors import UsageError


@dataclass(frozen=True, slots=True)
class Remade:
    """What a run was asked, understood anew."""

    checkpoints: tuple[str, ...]
    options: AuditOptions
    audit: Audit
    request: Request


def remake(run: Path, progress: RichProgress, digest: Callable[[Path], str], *, no_cache: bool) -> Remade:
    """Ask a finished run's question again.

    Args:
        digest: SHA-256 of a file's contents in hex.

    Raises:
        UsageError: the run is not finished, was made of scores from elsewhere, or its probes, options, versions or
            weights give another question today.
        ModelLoadError: a checkpoint is no longer where it was.
    """
    manifest = read_manifest(run)
    if manifest.get("status") != "complete":
        raise UsageError(
            "the run is not finished", where=str(run), fix="Run the same audit again: it continues where it stopped."
        )
    arguments, values = manifest.get("arguments"), manifest.get("request")
    if not isinstance(arguments, dict) or not isinstance(values, dict):
        raise UsageError(
            "the manifest does not say how to ask the same again: the scores were made elsewhere, or by an earlier "
            "version",
            where=str(run),
            fix="Attribution needs the models: run audit compare with them.",
        )
    known = {one.name for one in fields(AuditOptions)}
    given = {name: value for name, value in {**values, **arguments}.items() if name in known}
    try:
        checkpoints = TypeAdapter(tuple[str, ...]).validate_python(values.get("checkpoints"))
        options = TypeAdapter(AuditOptions).validate_python({**given, "out": run, "no_cache": no_cache})
    except ValidationError as error:
        raise UsageError(
            f"the manifest's request cannot be read: {first_problem(error)}",
            where=str(run),
            fix="Run the same audit again: it replaces the file.",
        ) from error
    audit = understand(checkpoints, options, progress)
    request = request_of(checkpoints, options, audit)
    if request.identity != manifest.get("request_id"):
        raise UsageError(
            "the same request is another one today: a probe, a chat template or a version has changed since the run",
            where=str(run),
            fix=f"Run it again first: {manifest.get('command', 'audit compare')}",
        )
    scored = {one.get("name"): one.get("fingerprint") for one in records(manifest, "finished")}
    for name, files in audit.files.items():
        if fingerprint(files, digest) != scored.get(name):
            raise UsageError(
                f"{name} has other weights, another configuration or tokenizer than when it was scored",
                where=str(run),
                fix=f"Run it again first: {manifest.get('command', 'audit compare')}",
            )
    return Remade(checkpoints, options, audit, request)
