"""The options of ``audit compare`` and ``audit score``: declared once, as a dataclass.

Each is also an environment variable (``--batch-size`` is ``AUDIT_BATCH_SIZE``) and a key of
``audit.yaml`` (``batch-size``); flags win over the environment, the environment over the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from auditor.cli.config import read_config


class Render(StrEnum):
    """How items become text."""

    auto = "auto"
    plain = "plain"
    chat = "chat"
    both = "both"


class End(StrEnum):
    """Whether a candidate's end of turn is scored."""

    auto = "auto"
    none = "none"
    eos = "eos"


class Tokens(StrEnum):
    """Of which items the tokens are kept."""

    auto = "auto"
    all = "all"
    sample = "sample"
    none = "none"


class DeviceMap(StrEnum):
    """Who decides where the weights go."""

    auto = "auto"


class OnInconclusive(StrEnum):
    """What a gate does with cells of which nothing can be said."""

    fail = "fail"
    warn = "warn"


class LintFormat(StrEnum):
    """How findings of the linter are written."""

    text = "text"
    json = "json"


class HistoryFormat(StrEnum):
    """How a history is written."""

    html = "html"
    json = "json"


class Tier(StrEnum):
    """How much of a probe with a lexicon is asked."""

    quick = "quick"
    standard = "standard"
    full = "full"


class Dtype(StrEnum):
    """Number format of the weights."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def option(flag: str, text: str, panel: str, **others: Any) -> Any:
    """An option that is an environment variable too."""
    name = flag.split("/")[0].removeprefix("--").replace("-", "_")
    return typer.Option(flag, help=text, envvar=f"AUDIT_{name.upper()}", rich_help_panel=panel, **others)


CHECKPOINTS = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]MODEL...",
        help="Checkpoints in training order: hub ids, id@revision, folders, adapters, NAME=BASE+ADAPTER.",
    ),
]
# Of the commands on probes, whose options are no variables.
MAP = Annotated[
    list[str] | None,
    typer.Option("--map", help="NAME=COLUMN,...: a file's columns under other names, as in audit compare."),
]
LANGUAGE = Annotated[str, typer.Option("--language", help="BCP 47 tag of a file's rows that name none.")]
PROBE = Annotated[str, typer.Argument(metavar="PROBE", help="Pair file, folder or name of a shipped probe.")]
TIER = Annotated[Tier, typer.Option("--tier", help="How much of a probe with a lexicon.")]
AXIS = Annotated[
    list[str] | None,
    typer.Option("--axis", help="Axis of its lexicon, or two crossed: 'gender*religion'; repeatable."),
]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
LIMIT_HELP = "Whole clusters until a probe has so many items, at least one harmful; may exceed it by part of a cluster."
WHAT, HOW, WHERE = "What is asked", "How it is computed", "Where it goes"


# Options of several commands, each written once.
Objectives = Annotated[
    list[str], option("--objective", "NAME=dpo|dpo-norm|none: a checkpoint's preference objective.", WHAT)
]
Betas = Annotated[
    list[str], option("--beta", "[NAME=]BETA of the preference objective; rescales implicit rewards.", WHAT)
]
Columns = Annotated[
    list[str], option("--map", "NAME=COLUMN,...: a probe file's columns under other names, harmful=stereotype.", WHAT)
]
Language = Annotated[str, option("--language", "BCP 47 tag of a probe file's rows that name none, such as fr.", WHAT)]
Limit = Annotated[int | None, option("--limit", LIMIT_HELP, WHAT, min=1)]
Seed = Annotated[int, option("--seed", "Seed of everything random.", WHAT, min=0)]
Renders = Annotated[
    Render, option("--render", "auto: both where the series shares a chat template's tokens, else plain.", WHAT)
]
Template = Annotated[
    Path | None, option("--chat-template", "Jinja file that takes the place of the series' template.", WHAT)
]
System = Annotated[str | None, option("--system", "System turn before every conversation.", WHAT)]
TemplateArguments = Annotated[list[str], option("--template-arg", "KEY=VALUE for the chat template; repeatable.", WHAT)]
EndOfTurn = Annotated[
    End,
    option(
        "--end",
        "Score the end of turn: auto (chat: the template's; plain: none, of a reward model EOS), none, eos.",
        WHAT,
    ),
]
Heads = Annotated[
    list[str],
    option("--head", "NAME=OUTPUT: which output of a reward model is its reward, where it has several.", WHAT),
]
Device = Annotated[str, option("--device", "auto, cpu, cuda, cuda:N or mps.", HOW)]
NumberFormat = Annotated[Dtype, option("--dtype", "auto: float32 on CPU, else what the weights were saved in.", HOW)]
BatchSize = Annotated[
    str,
    option(
        "--batch-size", "auto: texts that begin alike share a row; a number: so many side by side, each by itself.", HOW
    ),
]
Offline = Annotated[bool, option("--offline", "Use local folders and the hub's cache only.", HOW)]
RemoteCode = Annotated[bool, option("--trust-remote-code", "Run Python code that comes with a checkpoint.", HOW)]
Pickle = Annotated[bool, option("--allow-pickle", "Load pickled weights, which can run code.", HOW)]
NoCache = Annotated[bool, option("--no-cache", "Neither read nor write the score cache.", HOW)]
OutFolder = Annotated[
    Path | None, option("--out", "Run folder. Default: reports/ and a name made of the series.", WHERE)
]
Private = Annotated[bool, option("--private", "Keep texts and tokens out of report, tables and log.", WHERE)]
Quiet = Annotated[bool, option("--quiet", "Print nothing but errors.", WHERE)]
Debug = Annotated[bool, option("--debug", "Show the traceback of an error.", WHERE)]


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Everything a user may say about an audit besides its checkpoints."""

    config: Annotated[
        Path | None,
        option("--config", "YAML file with any of these options.", WHAT, callback=read_config, is_eager=True),
    ] = None
    probe: Annotated[
        list[str],
        option(
            "--probe",
            "Pair file, public data set, folder, hub:owner/name or shipped probe; repeatable. Default: stigma, "
            "affirmation.",
            WHAT,
        ),
    ] = field(default_factory=list)
    map: Columns = field(default_factory=list)
    language: Language = ""
    tier: Annotated[
        Tier,
        option(
            "--tier",
            "How much of probes with a lexicon, of MISGENDERED and of the Political Compass: see audit probes list.",
            WHAT,
        ),
    ] = Tier.standard
    axis: Annotated[
        list[str],
        option(
            "--axis",
            "Axis of probes with a lexicon, such as gender, or two crossed: 'gender*religion'; repeatable. "
            "Default: the probe's own.",
            WHAT,
        ),
    ] = field(default_factory=list)
    limit: Limit = None
    seed: Seed = 0
    render: Renders = Render.auto
    chat_template: Template = None
    system: System = None
    template_arg: TemplateArguments = field(default_factory=list)
    end: EndOfTurn = End.auto
    reference: Annotated[
        list[str],
        option(
            "--reference",
            "NAME=NAME: what a checkpoint was trained from, default the one before; a second one shows how far its "
            "implicit reward depends on that.",
            WHAT,
        ),
    ] = field(default_factory=list)
    head: Heads = field(default_factory=list)
    objective: Objectives = field(default_factory=list)
    beta: Betas = field(default_factory=list)
    sesoi: Annotated[
        float | None,
        option("--sesoi", "Smallest effect size of interest, nats. Default: ln 1.25 = 0.22.", WHAT),
    ] = None
    reward_sesoi: Annotated[
        float | None,
        option("--reward-sesoi", "The same of reward models, in their own unit. Default: --sesoi.", WHAT),
    ] = None
    device: Device = "auto"
    device_map: Annotated[
        DeviceMap | None, option("--device-map", "auto: let accelerate spread a model over devices and disk.", HOW)
    ] = None
    dtype: NumberFormat = Dtype.auto
    batch_size: BatchSize = "auto"
    allow_mixed_precision: Annotated[
        bool, option("--allow-mixed-precision", "Compare quantised with unquantised checkpoints.", HOW)
    ] = False
    offline: Offline = False
    trust_remote_code: RemoteCode = False
    allow_pickle: Pickle = False
    no_cache: NoCache = False
    rehash: Annotated[
        bool, option("--rehash", "Read weight files anew, whatever is remembered of their contents.", HOW)
    ] = False
    out: OutFolder = None
    private: Private = False
    tokens: Annotated[
        Tokens,
        option(
            "--tokens",
            "Items whose tokens are kept: all, sample (5,000), none; auto: all under 50,000 items, else sample.",
            WHERE,
        ),
    ] = Tokens.auto
    attribute: Annotated[
        str,
        option(
            "--attribute",
            "Then attribute what was found, as audit attribute does: tokens, ig, ablation, shapley, path, or several.",
            WHERE,
            metavar="METHOD,...",
        ),
    ] = ""
    dry_run: Annotated[
        bool,
        option(
            "--dry-run",
            "Print items, tokens, weights, least time and memory, --quiet or not; download no weights, score nothing.",
            WHERE,
        ),
    ] = False
    quiet: Annotated[bool, option("--quiet", "Print nothing but errors and what --dry-run asks for.", WHERE)] = False
    debug: Debug = False


def command(
    first: inspect.Parameter,
    run: Callable[[Any, Any], None],
    name: str,
    text: str,
    kind: type[Any] = AuditOptions,
) -> Callable[..., None]:
    """A command whose parameters are ``first`` and every option of a kind, a dataclass.

    Typer reads a command's signature; building it from the dataclass keeps one list of options.
    """
    hints = get_type_hints(kind, include_extras=True)

    def body(**values: Any) -> None:
        subject = values.pop(first.name)
        run(subject, kind(**values))

    options = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=_default(one), annotation=hints[one.name])
        for one in fields(kind)
    ]
    parameters = [first.replace(kind=inspect.Parameter.KEYWORD_ONLY), *options]
    body.__dict__["__signature__"] = inspect.Signature(parameters)
    body.__annotations__ = {one.name: one.annotation for one in parameters}
    body.__name__, body.__doc__ = name, text
    return body


def _default(one: Any) -> Any:
    if one.default is not MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not MISSING else inspect.Parameter.empty
