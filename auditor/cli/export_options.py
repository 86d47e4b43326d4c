"""The options of ``audit export trl``, declared like those of ``audit compare``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from auditor.cli.options import HOW, WHAT, WHERE, Dtype, option


@dataclass(frozen=True, slots=True)
class TrlOptions:
    """What is read, how it is cut and scored, and where it goes."""

    data: Annotated[Path, option("--data", "Preference pairs as TRL reads them: .jsonl or .parquet.", WHAT)]
    out: Annotated[Path, option("--out", "File to write, of the same kind.", WHERE)]
    max_length: Annotated[
        int, option("--max-length", "Tokens of prompt and answer, as in DPOConfig: what is longer is cut.", WHAT, min=2)
    ] = 1024
    device: Annotated[str, option("--device", "auto, cpu, cuda, cuda:N or mps.", HOW)] = "auto"
    dtype: Annotated[Dtype, option("--dtype", "auto: float32 on CPU, else what the weights were saved in.", HOW)] = (
        Dtype.auto
    )
    batch_size: Annotated[
        str, option("--batch-size", "auto: texts that begin alike share a row; a number: so many side by side.", HOW)
    ] = "auto"
    offline: Annotated[bool, option("--offline", "Use local folders and the hub's cache only.", HOW)] = False
    trust_remote_code: Annotated[
        bool, option("--trust-remote-code", "Run Python code that comes with a checkpoint.", HOW)
    ] = False
    allow_pickle: Annotated[bool, option("--allow-pickle", "Load pickled weights, which can run code.", HOW)] = False
    no_cache: Annotated[bool, option("--no-cache", "Neither read nor write the score cache.", HOW)] = False
    force: Annotated[bool, option("--force", "Replace a file that is there already.", WHERE)] = False
    quiet: Annotated[bool, option("--quiet", "Print nothing but errors.", WHERE)] = False
    debug: Annotated[bool, option("--debug", "Show the traceback of an error.", WHERE)] = False
