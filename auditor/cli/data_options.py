"""The options of ``audit data``, declared like those of ``audit compare``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from auditor.cli.options import (
    WHAT,
    WHERE,
    BatchSize,
    Debug,
    Device,
    Dtype,
    End,
    EndOfTurn,
    Heads,
    Limit,
    NoCache,
    NumberFormat,
    Offline,
    Pickle,
    Quiet,
    RemoteCode,
    Seed,
    option,
)


class OneRender(StrEnum):
    """How pairs become text."""

    auto = "auto"
    plain = "plain"
    chat = "chat"


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Whom a preference set is searched for, how checkpoints read it, and where what was found goes."""

    out: Annotated[Path, option("--out", "Folder to write: new, empty, or of an earlier audit data.", WHERE)]
    lexicon: Annotated[
        str, option("--lexicon", "Probe folder or shipped probe whose identities are searched for.", WHAT)
    ] = "stigma"
    axis: Annotated[list[str], option("--axis", "Axis of the lexicon; repeatable. Default: all.", WHAT)] = field(
        default_factory=list
    )
    map: Annotated[
        list[str], option("--map", "NAME=COLUMN,...: chosen, rejected and prompt under other names.", WHAT)
    ] = field(default_factory=list)
    limit: Limit = None
    seed: Seed = 0
    render: Annotated[
        OneRender, option("--render", "auto: chat where the checkpoints share a template's tokens, else plain.", WHAT)
    ] = OneRender.auto
    end: EndOfTurn = End.auto
    head: Heads = field(default_factory=list)
    device: Device = "auto"
    dtype: NumberFormat = Dtype.auto
    batch_size: BatchSize = "auto"
    offline: Offline = False
    trust_remote_code: RemoteCode = False
    allow_pickle: Pickle = False
    no_cache: NoCache = False
    top: Annotated[int, option("--top", "Pairs of each identity that the page lists.", WHERE, min=0)] = 5
    private: Annotated[bool, option("--private", "Keep the pairs' texts out of the page.", WHERE)] = False
    quiet: Quiet = False
    debug: Debug = False
