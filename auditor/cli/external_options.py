"""The options of ``audit requests`` and ``audit analyse``, declared like those of ``audit compare``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from auditor.cli.options import HOW, LIMIT_HELP, WHAT, WHERE, Betas, End, Objectives, Render, Tier, Tokens, option


class Quantity(StrEnum):
    """What bare scores are."""

    logprob = "logprob"
    reward = "reward"


_Probe = Annotated[
    list[str],
    option("--probe", "Probe, as in audit compare; repeatable. Default: stigma, affirmation.", WHAT),
]
_Language = Annotated[str, option("--language", "BCP 47 tag of a probe file's rows that name none, such as fr.", WHAT)]
_Offline = Annotated[bool, option("--offline", "Use local folders and the hub's cache only.", HOW)]
_Tier = Annotated[Tier, option("--tier", "How much of probes with a lexicon: see audit probes list.", WHAT)]
_Axis = Annotated[list[str], option("--axis", "Axis of probes with a lexicon; repeatable. Default: its own.", WHAT)]
_Limit = Annotated[int | None, option("--limit", LIMIT_HELP, WHAT, min=1)]
_Seed = Annotated[int, option("--seed", "Seed of everything random.", WHAT, min=0)]
_Quiet = Annotated[bool, option("--quiet", "Print nothing but errors.", WHERE)]
_Debug = Annotated[bool, option("--debug", "Show the traceback of an error.", WHERE)]
_READING = "How bare scores are read"


@dataclass(frozen=True, slots=True)
class RequestsOptions:
    """What another engine is to be asked."""

    probe: _Probe = field(default_factory=list)
    map: Annotated[
        list[str],
        option("--map", "NAME=COLUMN,...: a probe file's columns under other names, harmful=stereotype.", WHAT),
    ] = field(default_factory=list)
    language: _Language = ""
    tier: _Tier = Tier.standard
    axis: _Axis = field(default_factory=list)
    limit: _Limit = None
    seed: _Seed = 0
    render: Annotated[
        Render, option("--render", "auto: both where the series shares a chat template's tokens, else plain.", WHAT)
    ] = Render.auto
    chat_template: Annotated[
        Path | None, option("--chat-template", "Jinja file that takes the place of the series' template.", WHAT)
    ] = None
    system: Annotated[str | None, option("--system", "System turn before every conversation.", WHAT)] = None
    template_arg: Annotated[
        list[str], option("--template-arg", "KEY=VALUE for the chat template; repeatable.", WHAT)
    ] = field(default_factory=list)
    end: Annotated[
        End, option("--end", "Score the end of turn: auto (chat: the template's, plain: none), none, eos.", WHAT)
    ] = End.auto
    offline: _Offline = False
    trust_remote_code: Annotated[
        bool, option("--trust-remote-code", "Run Python code that comes with a tokenizer.", HOW)
    ] = False
    out: Annotated[Path, option("--out", "File to write, of texts that can be read back.", WHERE)] = Path(
        "requests.jsonl"
    )
    quiet: _Quiet = False
    debug: _Debug = False


@dataclass(frozen=True, slots=True)
class AnalyseOptions:
    """What scores made elsewhere are of, how they are read, and where the run goes."""

    requests: Annotated[
        Path | None,
        option("--requests", "What audit requests wrote; the files then hold a log-probability a token.", WHAT),
    ] = None
    probe: _Probe = field(default_factory=list)
    language: _Language = ""
    tier: _Tier = Tier.standard
    axis: _Axis = field(default_factory=list)
    limit: _Limit = None
    seed: _Seed = 0
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
    out: Annotated[
        Path | None, option("--out", "Run folder. Default: reports/ and a name made of the series.", WHERE)
    ] = None
    offline: _Offline = False
    private: Annotated[bool, option("--private", "Keep texts and tokens out of report, tables and log.", WHERE)] = False
    tokens: Annotated[
        Tokens, option("--tokens", "Items whose tokens are kept: all, sample, none, auto, as in compare.", WHERE)
    ] = Tokens.auto
    quiet: _Quiet = False
    debug: _Debug = False
