"""The options of ``audit data``, declared like those of ``audit compare``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from auditor.cli.options import HOW, LIMIT_HELP, WHAT, WHERE, Dtype, End, option


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
    limit: Annotated[int | None, option("--limit", LIMIT_HELP, WHAT, min=1)] = None
    seed: Annotated[int, option("--seed", "Seed of everything random.", WHAT, min=0)] = 0
    render: Annotated[
        OneRender, option("--render", "auto: chat where the checkpoints share a template's tokens, else plain.", WHAT)
    ] = OneRender.auto
    end: Annotated[
        End, option("--end", "Score the end of turn: auto (chat: the template's, plain: none), none, eos.", WHAT)
    ] = End.auto
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
    top: Annotated[int, option("--top", "Pairs of each identity that the page lists.", WHERE, min=0)] = 5
    private: Annotated[bool, option("--private", "Keep the pairs' texts out of the page.", WHERE)] = False
    quiet: Annotated[bool, option("--quiet", "Print nothing but errors.", WHERE)] = False
    debug: Annotated[bool, option("--debug", "Show the traceback of an error.", WHERE)] = False
