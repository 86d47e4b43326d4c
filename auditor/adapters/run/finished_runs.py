"""A run that is complete already: the same question, weights, package and files. There is nothing to do again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from auditor.adapters.data_files import data_folder
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import REPORT, file_hashes, read_manifest, read_results
from auditor.errors import AuditError


def package_digest() -> str:
    """SHA-256 of the package's code and templates: what else decides what is concluded from equal scores."""
    package = Path(__file__).resolve().parents[2]
    files = [*package.rglob("*.py"), *(path for path in data_folder("templates").rglob("*") if path.is_file())]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def finished_results(
    run: Path,
    request_id: str,
    tokens: str,
    environment: Mapping[str, str],
    fingerprints: Callable[[], Mapping[str, str]],
) -> Results | None:
    """Results of a complete run, if it answers this request and nothing of it has changed since.

    Args:
        run: its folder, which may not exist.
        request_id: of what is asked now.
        tokens: of which items tokens are asked for.
        environment: versions of what scores and concludes, as the manifest has them.
        fingerprints: gives those of the weights, by checkpoint; only asked where all else is the same.
    """
    try:
        manifest = read_manifest(run)
        asked = {
            "status": "complete",
            "request_id": request_id,
            "tokens": tokens,
            "environment": dict(environment),
            "package": package_digest(),
        }
        if {name: manifest.get(name) for name in asked} != asked or not (run / REPORT).is_file():
            return None
        if manifest.get("files") != file_hashes(run):
            return None
        finished = {one["name"]: one["fingerprint"] for one in manifest["finished"]}
        return read_results(run) if finished == dict(fingerprints()) else None
    except (AuditError, OSError, KeyError, TypeError):
        # Whatever is wrong with it, the audit itself will say so, or replace it.
        return None
