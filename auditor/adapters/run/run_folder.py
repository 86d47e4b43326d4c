"""The run folder: what an audit leaves on disk, replaced atomically file by file.

``manifest.json`` is written first, as ``interrupted``, and last, as ``complete``. In between the two tables are
written, once everything is scored and before anything is concluded.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.adapters.cache.score_store import STORE_FILE
from auditor.adapters.run.manifest_schema import Manifest
from auditor.adapters.run.results import results_json, results_of
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.score_tables import ITEMS, TOKENS, item_parts, token_parts
from auditor.adapters.run.validation import first_problem
from auditor.core.findings import Findings
from auditor.core.sampling import ALL_TOKENS, TokenSample
from auditor.core.scores import CheckpointScores
from auditor.errors import StorageError, UsageError, one_line

MANIFEST, ITEMS_FILE, TOKENS_FILE = "manifest.json", "items.parquet", "tokens.parquet"
RESULTS, REPORT, ATTRIBUTIONS_FILE = "results.json", "report.html", "attributions.parquet"
# What audit report makes of results on demand, beside the page.
SUMMARY, MARKDOWN, EFFECTS_CSV, CELLS_CSV = "report.json", "report.md", "effects.csv", "cells.csv"
_DERIVED = (REPORT, SUMMARY, MARKDOWN, EFFECTS_CSV, CELLS_CSV)
_STORE = (STORE_FILE, *(STORE_FILE + ending for ending in ("-wal", "-shm", "-journal")))
_OURS = {MANIFEST, ITEMS_FILE, TOKENS_FILE, RESULTS, ATTRIBUTIONS_FILE, *_DERIVED, *_STORE}
_PARTIAL = ".partial"


class RunFolder:
    """One audit's folder, open for writing.

    Args:
        path: created where it is missing.
        manifest: what the audit is; ``request_id`` tells requests apart.
        private: keep texts and tokens out of the tables.
        tokens: of which items ``tokens.parquet`` holds the tokens.

    Raises:
        UsageError: the folder cannot be written, or holds anything but an audit of the same request.
    """

    def __init__(
        self, path: Path, manifest: dict[str, Any], *, private: bool, tokens: TokenSample = ALL_TOKENS
    ) -> None:
        self.path = path
        self._private = private
        self._tokens = tokens
        self._claim(manifest["request_id"])
        self.manifest = {
            **manifest,
            "status": "interrupted",
            "timings": {},
            "work": {},
            "finished": [],
            "tokens": tokens.name,
            "tokens_items": tokens.items,
        }
        try:
            self._write_manifest()
        except StorageError as error:
            if _is_full(error.__cause__):
                raise
            raise UsageError(error.what, where=f"--out {path}", fix="Choose a folder you may write to.") from error

    def _claim(self, request_id: str) -> None:
        """Make the folder, or recognise it as one of this request."""
        where = f"--out {self.path}"
        if not _is_text(self.path):
            raise UsageError("the path holds bytes that are no text", where=where, fix="Choose another name.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            taken = isinstance(error, FileExistsError)
            what = "is no folder" if taken else f"cannot be used as a run folder: {error.strerror}"
            raise UsageError(what, where=where, fix="Choose a folder you may write to.") from error
        if not names - {MANIFEST + _PARTIAL}:
            return
        foreign = sorted(name for name in names if name.removesuffix(_PARTIAL) not in _OURS)
        if foreign or MANIFEST not in names:
            raise UsageError(
                f"the folder holds something else: {(foreign or sorted(names))[0]!r}",
                where=where,
                fix="Choose an empty or new folder.",
            )
        earlier = read_manifest(self.path)
        if earlier.get("request_id") != request_id:
            raise UsageError(
                "the folder holds another audit (other options, probe, chat template or versions)",
                where=where,
                fix="Choose another folder, or remove this one.",
            )
        try:
            Manifest.model_validate(earlier)
        except ValueError as error:
            raise _broken_manifest(self.path, f"does not follow the schema: {first_problem(error)}") from error

    def keep(self, scores: Sequence[CheckpointScores]) -> None:
        """Write all checkpoints to both tables, then say so in the manifest."""
        # What an earlier run concluded goes before the scores it concluded it from.
        for name in (RESULTS, ATTRIBUTIONS_FILE, *_DERIVED):
            (self.path / name).unlink(missing_ok=True)
        engine, private, chosen = self.manifest["engine"], self._private, self._tokens.chosen
        seconds = dict.fromkeys([one.checkpoint for one in scores], 0.0)
        self._write_table(
            TOKENS_FILE, TOKENS, scores, lambda one: token_parts(one, private=private, chosen=chosen), seconds
        )
        self._write_table(
            ITEMS_FILE, ITEMS, scores, lambda one: item_parts(one, engine, private=private, chosen=chosen), seconds
        )
        self.manifest["finished"] = [
            {"name": one.checkpoint, "fingerprint": one.fingerprint, "notes": list(one.notes)} for one in scores
        ]
        self.manifest["timings"] = {
            one.checkpoint: {**one.timings, "store_s": one.timings.get("store_s", 0.0) + seconds[one.checkpoint]}
            for one in scores
        }
        self.manifest["work"] = {one.checkpoint: dict(one.work) for one in scores if one.work}
        self._write_manifest()

    def _write_table(
        self,
        name: str,
        schema: pa.Schema,
        scores: Sequence[CheckpointScores],
        parts: Callable[[CheckpointScores], Iterator[pa.Table]],
        seconds: dict[str, float],
    ) -> None:
        """A row group for each part, so that no table is ever in memory whole; adds to each checkpoint's seconds."""

        def write(partial: Path) -> None:
            with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
                for one in scores:
                    began = time.perf_counter()
                    for part in parts(one):
                        writer.write_table(part)
                    seconds[one.checkpoint] += time.perf_counter() - began

        replace_file(self.path / name, write)

    def finish(self, findings: Findings) -> Results:
        """Write ``results.json``, mark the run complete, and return what was written."""
        results = results_of(findings)
        self._write(RESULTS, results_json(results).encode())
        self.manifest |= {"status": "complete", "files": file_hashes(self.path)}
        self._write_manifest()
        return results

    def write_report(self, html: str) -> Path:
        """Write ``report.html`` and return its path."""
        self._write(REPORT, html.encode())
        return self.path / REPORT

    def abandon(self) -> None:
        """Remove what was written, where nothing could be concluded: the folder is free for another try."""
        for name in (MANIFEST, ITEMS_FILE, TOKENS_FILE):
            (self.path / name).unlink(missing_ok=True)
        # What else lies there is not this run's to remove, a store of scores above all.
        with suppress(OSError):
            self.path.rmdir()

    def _write_manifest(self) -> None:
        self._write(MANIFEST, json.dumps(self.manifest, indent=1, allow_nan=False).encode())

    def _write(self, name: str, content: bytes) -> None:
        replace_file(self.path / name, lambda partial: partial.write_bytes(content))


def replace_results(run: Path, results: Results, **said: Any) -> None:
    """Put other results into a finished run: the same effects, with more said about them.

    Args:
        said: keys of the manifest that are new or others now.

    Raises:
        StorageError: the disk is full or a file cannot be written.
    """
    replace_file(run / RESULTS, lambda partial: partial.write_bytes(results_json(results).encode()))
    manifest = read_manifest(run) | said | {"files": file_hashes(run)}
    text = json.dumps(manifest, indent=1, allow_nan=False)
    replace_file(run / MANIFEST, lambda partial: partial.write_bytes(text.encode()))


def file_hashes(run: Path) -> dict[str, str]:
    """SHA-256 of the files that a run consists of, by name; of the manifest and the report made of them, none.

    Raises:
        OSError: one of them cannot be read.
    """
    return {name: file_hash(run / name) for name in (ITEMS_FILE, TOKENS_FILE, RESULTS)}


def file_hash(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside a file and move into its place, so that it is whole at every moment.

    Raises:
        StorageError: the disk is full or the file cannot be written.
    """
    partial = path.with_name(path.name + _PARTIAL)
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        full = _is_full(error)
        raise StorageError(
            "no space left on the disk" if full else f"cannot be written: {error.strerror or one_line(error)}",
            where=str(path),
            fix="Free some space and run the same command again: scores are kept."
            if full
            else "Check that the folder is still there and that you may write to it, then run the same command again.",
        ) from error
    finally:
        # Gone if all went well; else, Ctrl-C included, nobody needs half a file.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _is_text(path: Path) -> bool:
    """Whether a path can stand in a file; one of the system's bytes that are no UTF-8 can't."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run folder, as it stands: reports can be made of a later version's too.

    Raises:
        UsageError: there is none, or it holds no JSON object.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"no run folder: {MANIFEST} cannot be read ({error.strerror})",
            where=str(folder),
            fix="Give the folder that audit compare or audit score wrote.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _broken_manifest(folder, f"is not valid JSON: {one_line(error)}") from error
    if not isinstance(manifest, dict):
        raise _broken_manifest(folder, "does not hold a JSON object")
    return manifest


def is_private(manifest: Mapping[str, Any]) -> bool:
    """Whether a run keeps its texts out of what it writes."""
    request = manifest.get("request")
    return manifest.get("private") is True or (isinstance(request, dict) and request.get("private") is True)


def _broken_manifest(folder: Path, problem: str) -> UsageError:
    return UsageError(f"{MANIFEST} {problem}", where=str(folder), fix="Remove the folder and run the audit again.")


def read_results(folder: Path) -> Results:
    """The results of a finished run.

    Raises:
        UsageError: there are none, or the file does not follow the schema.
    """
    path = folder / RESULTS
    try:
        return Results.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        if not (folder / MANIFEST).is_file():
            raise UsageError(
                f"no run folder: it holds neither {MANIFEST} nor {RESULTS}",
                where=str(folder),
                fix="Give the folder that audit compare or audit score wrote.",
            ) from error
        raise UsageError(
            f"{RESULTS} cannot be read ({error.strerror}); was the audit interrupted?",
            where=str(folder),
            fix="Run the same audit again: it continues where it stopped.",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{RESULTS} does not follow the schema: {first_problem(error)}",
            where=str(folder),
            fix="Run the same audit again: it replaces the file.",
        ) from error
