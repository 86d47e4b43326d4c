"""``manifest.json``: what was audited, with what, and the command that did it."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.run.finished_runs import package_digest
from auditor.core.items import Probe
from auditor.core.series import Series
from auditor.version import __version__

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "accelerate", "numpy", "scipy")


def manifest_of(
    *,
    request_id: str,
    request: Mapping[str, Any],
    engine: Mapping[str, str],
    forward_reason: str,
    probes: Sequence[Probe],
    series: Series,
    files: Mapping[str, Mapping[str, Any]],
    renders: Sequence[str],
    renders_reason: str,
    first_rendered: Mapping[str, str],
    libraries: Sequence[str] = LIBRARIES,
    command: str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The manifest as it stands before anything is scored.

    Args:
        command: that does the same; None for the one that started this process.
        arguments: what else is needed to ask for the same again; None where that cannot be.
        files: what is known of each checkpoint's files, by its name.
        libraries: whose versions are recorded: those that make the numbers.
    """
    return {
        "schema_version": 1,
        "status": "interrupted",
        "auditor": __version__,
        "package": package_digest(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["audit", *sys.argv[1:]]) if command is None else command,
        "request_id": request_id,
        "request": dict(request),
        "arguments": None if arguments is None else dict(arguments),
        "engine": dict(engine),
        "forward_reason": forward_reason,
        "environment": environment(libraries),
        "renders": list(renders),
        "renders_reason": renders_reason,
        "first_rendered": dict(first_rendered),
        "series": [{**_checkpoint(series, name), **files[name]} for name in series.names],
        "probes": [_probe(probe) for probe in probes],
    }


def environment(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Versions of what scores and concludes."""
    versions = {name: version(name) for name in libraries}
    return {"python": platform.python_version(), "platform": platform.platform(), **versions}


def _checkpoint(series: Series, name: str) -> dict[str, Any]:
    one = series[name]
    return {
        "name": one.name,
        "source": one.source,
        "reference": one.reference,
        "objective": one.objective,
        "objective_source": one.objective_source,
        "beta": one.beta,
        "quantity": one.quantity,
        "other_references": list(one.other_references),
    }


def describe_files(files: CheckpointFiles) -> dict[str, Any]:
    """What the manifest says of a checkpoint's files."""
    return {
        "commit": files.base_commit,
        "adapter_commit": files.adapter_commit,
        "adapter": files.adapter is not None,
        "model_type": files.model_type,
        "parameters": files.n_parameters,
        "weight_bytes": files.weight_bytes,
        "saved_dtype": files.dtype,
        "head": files.head,
        "quantization": None if files.quantization is None else files.quantization.get("quant_method", "unknown"),
        "tags": list(files.tags),
    }


def _probe(probe: Probe) -> dict[str, Any]:
    card = probe.card
    # Names are asked by the package itself and stand in no probe.
    items = [item for item in probe.items if item.design != "naming"]
    return {
        "name": probe.name,
        "title": card.title,
        "source": card.source,
        "sha256": card.sha256,
        "licence": card.licence,
        "citation": card.citation,
        "content_warning": card.content_warning,
        "defects": list(card.defects),
        "notes": list(card.notes),
        "metrics": list(card.metrics),
        "items": len(items),
        "refused_rows": len(probe.refusals),
        "design": sorted({item.design for item in items}),
        "languages": sorted({item.language for item in items if item.language}),
    }
