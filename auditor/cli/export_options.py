"""The options of ``audit export trl``, declared like those of ``audit compare``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from auditor.cli.options import (
    WHAT,
    WHERE,
    BatchSize,
    Debug,
    Device,
    Dtype,
    NoCache,
    NumberFormat,
    Offline,
    Pickle,
    Quiet,
    RemoteCode,
    option,
)


@dataclass(frozen=True, slots=True)
class TrlOptions:
    """What is read, how it is cut and scored, and where it goes."""

    data: Annotated[Path, option("--data", "Preference pairs as TRL reads them: .jsonl or .parquet.", WHAT)]
    out: Annotated[Path, option("--out", "File to write, of the same kind.", WHERE)]
    max_length: Annotated[
        int, option("--max-length", "Tokens of prompt and answer, as in DPOConfig: what is longer is cut.", WHAT, min=2)
    ] = 1024
    device: Device = "auto"
    dtype: NumberFormat = Dtype.auto
    batch_size: BatchSize = "auto"
    offline: Offline = False
    trust_remote_code: RemoteCode = False
    allow_pickle: Pickle = False
    no_cache: NoCache = False
    force: Annotated[bool, option("--force", "Replace a file that is there already.", WHERE)] = False
    quiet: Quiet = False
    debug: Debug = False
