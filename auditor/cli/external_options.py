"""The options of ``audit requests`` and ``audit analyse``, declared like those of ``audit compare``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from auditor.cli.options import (
    HOW,
    WHAT,
    WHERE,
    Betas,
    Columns,
    Debug,
    End,
    Language,
    Limit,
    Objectives,
    Offline,
    OutFolder,
    Private,
    Quiet,
    Render,
    Renders,
    Seed,
    System,
    Template,
    TemplateArguments,
    Tier,
    Tokens,
    option,
)


class Quantity(StrEnum):
    """What bare scores are."""

    logprob = "logprob"
    reward = "reward"


_Probe = Annotated[
    list[str],
    option("--probe", "Probe, as in audit compare; repeatable. Default: stigma, affirmation.", WHAT),
]
_Tier = Annotated[Tier, option("--tier", "How much of probes with a lexicon: see audit probes list.", WHAT)]
_Axis = Annotated[list[str], option("--axis", "Axis of probes with a lexicon; repeatable. Default: its own.", WHAT)]
_READING = "How bare scores are read"


@dataclass(frozen=True, slots=True)
class RequestsOptions:
    """What another engine is to be asked."""

    probe: _Probe = field(default_factory=list)
    map: Columns = field(default_factory=list)
    language: Language = ""
    tier: _Tier = Tier.standard
    axis: _Axis = field(default_factory=list)
    limit: Limit = None
    seed: Seed = 0
    render: Renders = Render.auto
    chat_template: Template = None
    system: System = None
    template_arg: TemplateArguments = field(default_factory=list)
    end: Annotated[
        End, option("--end", "Score the end of turn: auto (chat: the template's, plain: none), none, eos.", WHAT)
    ] = End.auto
    offline: Offline = False
    trust_remote_code: Annotated[
        bool, option("--trust-remote-code", "Run Python code that comes with a tokenizer.", HOW)
    ] = False
    out: Annotated[Path, option("--out", "File to write, of texts that can be read back.", WHERE)] = Path(
        "requests.jsonl"
    )
    quiet: Quiet = False
    debug: Debug = False


@dataclass(frozen=True, slots=True)
class AnalyseOptions:
    """What scores made elsewhere are of, how they are read, and where the run goes."""

    requests: Annotated[
        Path | None,
        option("--requests", "What audit requests wrote; the files then hold a log-probability a token.", WHAT),
    ] = None
    probe: _Probe = field(default_factory=list)
    language: Language = ""
    tier: _Tier = Tier.standard
    axis: _Axis = field(default_factory=list)
    limit: Limit = None
    seed: Seed = 0
    engine: Annotated[
        str | None, option("--engine", "What computed the scores: program, version, number format.", WHAT)
    ] = None
    reference: Annotated[
        list[str],
        option(
            "--reference",
            "NAME=NAME: what a checkpoint was trained from. Rewards have none by default; a second one compares.",
            WHAT,
        ),
    ] = field(default_factory=list)
    objective: Objectives = field(default_factory=list)
    beta: Betas = field(default_factory=list)
    sesoi: Annotated[
        float | None,
        option("--sesoi", "Smallest effect size of interest: nats (default 0.22), or units of the reward.", WHAT),
    ] = None
    quantity: Annotated[
        Quantity | None, option("--quantity", "What a bare score is: logprob (a text's, summed) or reward.", _READING)
    ] = None
    map: Annotated[
        list[str],
        option(
            "--map",
            "FIELD=COLUMN,...: item, checkpoint, candidate, value, identity, ...; with --requests a probe's, as there.",
            _READING,
        ),
    ] = field(default_factory=list)
    column: Annotated[
        list[str],
        option("--column", "[CHECKPOINT.]SIDE=COLUMN, where a row is an item; repeatable.", _READING),
    ] = field(default_factory=list)
    side: Annotated[
        list[str], option("--side", "SIDE=WORD,...: the file's words for harmful and affirming.", _READING)
    ] = field(default_factory=list)
    mapping: Annotated[
        Path | None, option("--mapping", "YAML with quantity, map, columns, sides; options win over it.", _READING)
    ] = None
    checkpoint: Annotated[
        list[str], option("--checkpoint", "Which checkpoints, in training order; repeatable. Default: all.", _READING)
    ] = field(default_factory=list)
    complete: Annotated[bool, option("--complete", "Bare log-probabilities include the end of the turn.", _READING)] = (
        False
    )
    out: OutFolder = None
    offline: Offline = False
    private: Private = False
    tokens: Annotated[
        Tokens, option("--tokens", "Items whose tokens are kept: all, sample, none, auto, as in compare.", WHERE)
    ] = Tokens.auto
    quiet: Quiet = False
    debug: Debug = False
