"""Run folders below a folder: the finished ones, and why others are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from auditor.adapters.run.manifest_schema import Manifest
from auditor.adapters.run.run_folder import ITEMS_FILE, MANIFEST, RESULTS, file_hashes, read_manifest
from auditor.adapters.run.validation import first_problem
from auditor.errors import UsageError

# Keys by which a manifest is known as one of an audit: other programs write files of that name too.
_OURS = ("auditor", "request_id")

Reason = Literal["unfinished", "foreign", "broken", "copy"]


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A finished run.

    Attributes:
        name: its folder as seen from the one that was searched.
        created: when it was begun, with a time zone.
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A folder that looks like a run and is not shown.

    Attributes:
        reason: ``unfinished`` (interrupted, or still at work), ``foreign`` (a manifest of some other program),
            ``broken``, or ``copy`` of a run that is shown.
        detail: what was found.
    """

    name: str
    reason: Reason
    detail: str


def find_runs(below: Path) -> Iterator[FoundRun | LeftOut]:
    """Every folder with a manifest, at any depth, each once: by name, and what links lead to after all else.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    found = list(_all_found(below))
    alike: dict[str, list[FoundRun]] = {}
    for one in found:
        if isinstance(one, FoundRun):
            alike.setdefault(_content(one), []).append(one)
    # Only where manifests are alike, the files are read: what is broken is neither a copy nor what is copied.
    whole = {content: [one.name for one in same if _is_whole(one)] for content, same in alike.items() if len(same) > 1}
    for one in found:
        yield _once(one, whole.get(_content(one), [one.name])) if isinstance(one, FoundRun) else one


def _once(run: FoundRun, whole: Sequence[str]) -> FoundRun | LeftOut:
    """The run, if it is the first whole one of those alike."""
    if run.name not in whole:
        return LeftOut(run.name, "broken", "its files are not those that it was finished with")
    return run if run.name == whole[0] else LeftOut(run.name, "copy", f"it is a copy of {whole[0]}")


def _all_found(below: Path) -> Iterator[FoundRun | LeftOut]:
    for folder, files in _folders(below):
        name = folder.relative_to(below).as_posix()
        name = below.resolve().name if name == "." else name
        if files is None:
            yield LeftOut(name, "broken", "the folder cannot be read")
        elif MANIFEST in files or {RESULTS, ITEMS_FILE} <= files:
            yield _found(name, folder, files)


def _is_whole(run: FoundRun) -> bool:
    try:
        return file_hashes(run.folder) == run.manifest.get("files")
    except OSError:
        return False


def _folders(below: Path) -> Iterator[tuple[Path, frozenset[str] | None]]:
    """Folders and the names in them, None where they cannot be read; none twice, wherever links lead."""
    real, links = [below], list[Path]()
    visited: set[tuple[int, int]] = set()
    while real or links:
        folder = real.pop() if real else links.pop(0)
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            entries = sorted(folder.iterdir())
        except OSError as error:
            if folder == below:
                raise UsageError(
                    f"cannot be read as a folder: {error.strerror}", where=str(below), fix="Give a folder of runs."
                ) from error
            yield folder, None
            continue
        real += reversed([one for one in entries if _is_folder(one) and not one.is_symlink()])
        links += [one for one in entries if one.is_symlink() and _is_folder(one)]
        yield folder, frozenset(one.name for one in entries)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _found(name: str, folder: Path, files: frozenset[str]) -> FoundRun | LeftOut:
    try:
        manifest = read_manifest(folder)
    except UsageError as error:
        return LeftOut(name, "broken" if files & {RESULTS, ITEMS_FILE} else "foreign", error.what)
    if not all(key in manifest for key in _OURS):
        return LeftOut(name, "foreign", f"its {MANIFEST} was written by some other program")
    try:
        Manifest.model_validate(manifest)
        created = datetime.fromisoformat(manifest["created"])
    except ValueError as error:
        return LeftOut(name, "broken", f"{MANIFEST} does not follow the schema: {first_problem(error)}")
    if manifest["status"] != "complete":
        return LeftOut(name, "unfinished", "it was interrupted, or is still at work")
    return FoundRun(name, folder, manifest, created if created.tzinfo else created.replace(tzinfo=UTC))


def _content(run: FoundRun) -> str:
    """Equal for copies of one run alone: what was asked, when, and what the files hold."""
    manifest = run.manifest
    # Without hashes of its files nothing tells a copy from a run that was begun in the same second.
    files = manifest.get("files") or run.name
    return json.dumps([manifest["request_id"], manifest["created"], files], sort_keys=True)
