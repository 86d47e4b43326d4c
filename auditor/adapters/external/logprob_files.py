"""Log-probabilities that another engine gave to what `audit requests` wrote: a JSONL file for each checkpoint.

What the engine could not score is missing and counted; what it scored otherwise than it was asked to is an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from auditor.adapters.external.request_files import Requests, Sequences
from auditor.adapters.external.request_schema import LogprobHeader
from auditor.adapters.probe_files.table_files import Row, TableFile, read_table
from auditor.adapters.run.validation import first_problem
from auditor.core.score_columns import Mask
from auditor.core.scores import FloatArray
from auditor.errors import NotComparableError, UsageError

# Above 0 by no more than what rounding does: log p(token) can come out as 1e-7 in half precision.
_MOST = 1e-4
_LARGEST = 10**15
_FORMAT = "auditor-logprobs"


@dataclass(frozen=True, slots=True)
class Logprobs:
    """One checkpoint's log-probabilities.

    Attributes:
        name: of the checkpoint.
        engine: what computed them, as its file or the command line says.
        tokenizer: which of the requests' tokenizers cut its texts.
        values: of all scored tokens of that tokenizer's sequences, nats, NaN where there are none, shape (k,).
        scored: which sequences have some, shape (n,).
        sha256: of the file.
    """

    name: str
    path: Path
    engine: str
    tokenizer: int
    values: FloatArray
    scored: Mask
    sha256: str


def read_logprobs(requests: Requests, files: Sequence[tuple[str | None, Path]], engine: str | None) -> list[Logprobs]:
    """Read a file for each checkpoint.

    Args:
        files: the name given to each checkpoint, None for that of its file, and where they lie.
        engine: of files that do not name theirs.

    Raises:
        UsageError: a file cannot be read, is of other requests or not what was asked for, or names no engine.
        NotComparableError: two files are of different engines.
    """
    tables = [(name, read_table(path)) for name, path in files]
    heads = [_header(requests, table) for _, table in tables]
    engines = [_engine(table.path, head, engine) for (_, table), head in zip(tables, heads, strict=True)]
    _check_engines([table.path for _, table in tables], engines, engine)
    found: list[Logprobs] = []
    for (given, table), head, own in zip(tables, heads, engines, strict=True):
        name = given or (head.checkpoint if head is not None else None) or table.name
        if not name.strip() or not name.isprintable() or name in [one.name for one in found]:
            what = f"two files are of {name!r}" if name.isprintable() and name.strip() else f"{name!r} is no name"
            raise UsageError(what, where=str(table.path), fix="Name the checkpoint of each file: NAME=FILE.")
        at = _tokenizer(requests, name, table.path)
        found.append(Logprobs(name, table.path, own, at, *_values(table, requests.sequences[at]), table.sha256))
    return found


def _header(requests: Requests, table: TableFile) -> LogprobHeader | None:
    first = next(table.stream(), None)
    if first is not None and first.problem:
        raise _wrong(table, first, first.problem, "Mend the line.")
    if first is None or "format" not in first.values:
        return None
    try:
        header = LogprobHeader.model_validate(first.values)
    except ValidationError as error:
        raise UsageError(
            f"no header of log-probabilities: {first_problem(error)}",
            where=table.where(first),
            fix=f'Write {{"format": "{_FORMAT}", "version": 1, "engine": "..."}}, or leave the line out.',
        ) from error
    if header.requests not in (None, requests.header.digest):
        raise UsageError(
            "the log-probabilities are of other requests",
            where=table.where(first),
            fix=f"Score {requests.path}, or give the requests that were scored.",
        )
    return header


def _engine(path: Path, header: LogprobHeader | None, named: str | None) -> str:
    own = None if header is None else header.engine
    if own is None and not named:
        raise UsageError(
            "the file does not say which engine computed it",
            where=str(path),
            fix='Say it with --engine NAME, such as --engine "vllm 0.11 bfloat16", or in a header line.',
        )
    return own or named or ""


def _check_engines(paths: Sequence[Path], engines: Sequence[str], named: str | None) -> None:
    for path, engine in zip(paths, engines, strict=True):
        if engine != engines[0]:
            raise NotComparableError(
                f"it was scored by {engine!r} and {paths[0]} by {engines[0]!r}, so a shift may be the engines'",
                where=str(path),
                fix="Score all checkpoints of a series with the same engine, version and number format.",
            )
    if named and named != engines[0]:
        raise UsageError(
            f"it says that {engines[0]!r} scored it, and the command line {named!r}",
            where=f"--engine, {paths[0]}",
            fix="Leave --engine out where files name theirs.",
        )


def _tokenizer(requests: Requests, name: str, path: Path) -> int:
    """Which tokenizer a checkpoint has: the one it was asked with, else the only one there is."""
    tokenizers = requests.header.tokenizers
    for at, one in enumerate(tokenizers):
        if name in one.checkpoints:
            return at
    if len(tokenizers) > 1:
        known = ", ".join(one.name for one in requests.header.series)
        raise UsageError(
            f"the requests are for several tokenizers, and none is known of {name!r}",
            where=str(path),
            fix=f"Call the file's checkpoint as in the requests, NAME=FILE: {known}.",
        )
    return 0


def _values(table: TableFile, sequences: Sequences) -> tuple[FloatArray, Mask]:
    bounds = sequences.cuts.scored
    values, lines = np.full(int(bounds[-1]), np.nan), np.zeros(len(bounds) - 1, dtype=np.int64)
    for number, row in enumerate(table.stream()):
        if number == 0 and "format" in row.values:
            continue
        at = _place(table, row, sequences.places)
        if lines[at]:
            raise _wrong(table, row, f"the id stands on line {lines[at]} already", "Give each sequence one line.")
        lines[at] = row.line
        own = row.values.get("logprobs")
        length = int(bounds[at + 1] - bounds[at])
        if not isinstance(own, list) or len(own) != length:
            given = f"{len(own)} log-probabilities" if isinstance(own, list) else "no list of log-probabilities"
            raise _wrong(
                table, row, f"{given} for a scored span of {length} tokens", "Give one for each token from start on."
            )
        values[bounds[at] : bounds[at + 1]] = [_number(table, row, one) for one in own]
    return values, lines > 0


def _place(table: TableFile, row: Row, places: Mapping[str, int]) -> int:
    if row.problem:
        raise _wrong(table, row, row.problem, "Mend the line.")
    name = row.values.get("id")
    at = places.get(name) if isinstance(name, str) else None
    if at is None:
        what = f"the requests hold no id {name!r}" if isinstance(name, str) else "the line holds no id"
        raise _wrong(table, row, what, "Score the requests that are given with --requests, and keep their ids.")
    return at


def _number(table: TableFile, row: Row, value: Any) -> float:
    fix = "Give natural logarithms of probabilities: numbers of at most 0."
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(table, row, "a log-probability is no number", fix)
    # A whole number can have more digits than a float holds, and no token is as improbable as that.
    number = float(value) if value == -math.inf or abs(value) < _LARGEST else math.nan
    if math.isnan(number) or number > _MOST:
        raise _wrong(table, row, f"{str(value)[:40]} is no log-probability", fix)
    return number


def _wrong(table: TableFile, row: Row, what: str, fix: str) -> UsageError:
    return UsageError(what, where=table.where(row), fix=fix)
