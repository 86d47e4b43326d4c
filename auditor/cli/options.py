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


def _option(flag: str, text: str, panel: str, **others: Any) -> Any:
    name = flag.split("/")[0].removeprefix("--").replace("-", "_")
    return typer.Option(flag, help=text, envvar=f"AUDIT_{name.upper()}", rich_help_panel=panel, **others)


_WHAT, _HOW, _WHERE = "What is asked", "How it is computed", "Where it goes"


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Everything a user may say about an audit besides its checkpoints."""

    config: Annotated[
        Path | None,
        _option("--config", "YAML file with any of these options.", _WHAT, callback=read_config, is_eager=True),
    ] = None
    probe: Annotated[
        list[str],
        _option(
            "--probe",
            "Pair file, public data set, folder, hub:owner/name or shipped probe; repeatable. Default: stigma, "
            "affirmation.",
            _WHAT,
        ),
    ] = field(default_factory=list)
    map: Annotated[
        list[str],
        _option("--map", "NAME=COLUMN,...: a probe file's columns under other names, harmful=stereotype.", _WHAT),
    ] = field(default_factory=list)
    language: Annotated[
        str, _option("--language", "BCP 47 tag of a probe file's rows that name none, such as fr.", _WHAT)
    ] = ""
    tier: Annotated[
        Tier, _option("--tier", "How much of probes with a lexicon, and of MISGENDERED: see audit probes list.", _WHAT)
    ] = Tier.standard
    axis: Annotated[
        list[str],
        _option(
            "--axis",
            "Axis of probes with a lexicon, such as gender, or two crossed: 'gender*religion'; repeatable. "
            "Default: the probe's own.",
            _WHAT,
        ),
    ] = field(default_factory=list)
    limit: Annotated[int | None, _option("--limit", "At most so many items a probe, whole clusters.", _WHAT, min=1)] = (
        None
    )
    seed: Annotated[int, _option("--seed", "Seed of everything random.", _WHAT, min=0)] = 0
    render: Annotated[
        Render, _option("--render", "auto: both where the series shares a chat template's tokens, else plain.", _WHAT)
    ] = Render.auto
    chat_template: Annotated[
        Path | None, _option("--chat-template", "Jinja file that takes the place of the series' template.", _WHAT)
    ] = None
    system: Annotated[str | None, _option("--system", "System turn before every conversation.", _WHAT)] = None
    template_arg: Annotated[
        list[str], _option("--template-arg", "KEY=VALUE for the chat template; repeatable.", _WHAT)
    ] = field(default_factory=list)
    end: Annotated[
        End, _option("--end", "Score the end of turn: auto (chat: the template's, plain: none), none, eos.", _WHAT)
    ] = End.auto
    reference: Annotated[
        list[str],
        _option("--reference", "NAME=NAME: what a checkpoint was trained from; default the one before.", _WHAT),
    ] = field(default_factory=list)
    objective: Annotated[
        list[str], _option("--objective", "NAME=dpo|dpo-norm|none: a checkpoint's preference objective.", _WHAT)
    ] = field(default_factory=list)
    beta: Annotated[
        list[str], _option("--beta", "[NAME=]BETA of the preference objective; rescales implicit rewards.", _WHAT)
    ] = field(default_factory=list)
    sesoi: Annotated[
        float | None,
        _option("--sesoi", "Smallest effect size of interest, nats. Default: ln 1.25 = 0.22.", _WHAT),
    ] = None
    device: Annotated[str, _option("--device", "auto, cpu, cuda, cuda:N or mps.", _HOW)] = "auto"
    device_map: Annotated[
        DeviceMap | None, _option("--device-map", "auto: let accelerate spread a model over devices and disk.", _HOW)
    ] = None
    dtype: Annotated[Dtype, _option("--dtype", "auto: float32 on CPU, else what the weights were saved in.", _HOW)] = (
        Dtype.auto
    )
    batch_size: Annotated[
        str,
        _option(
            "--batch-size",
            "auto: texts that begin alike share a row; a number: so many side by side, each by itself.",
            _HOW,
        ),
    ] = "auto"
    allow_mixed_precision: Annotated[
        bool, _option("--allow-mixed-precision", "Compare quantised with unquantised checkpoints.", _HOW)
    ] = False
    offline: Annotated[bool, _option("--offline", "Use local folders and the hub's cache only.", _HOW)] = False
    trust_remote_code: Annotated[
        bool, _option("--trust-remote-code", "Run Python code that comes with a checkpoint.", _HOW)
    ] = False
    allow_pickle: Annotated[bool, _option("--allow-pickle", "Load pickled weights, which can run code.", _HOW)] = False
    no_cache: Annotated[bool, _option("--no-cache", "Neither read nor write the score cache.", _HOW)] = False
    rehash: Annotated[
        bool, _option("--rehash", "Read weight files anew, whatever is remembered of their contents.", _HOW)
    ] = False
    out: Annotated[
        Path | None, _option("--out", "Run folder. Default: reports/ and a name made of the series.", _WHERE)
    ] = None
    private: Annotated[bool, _option("--private", "Keep texts and tokens out of report, tables and log.", _WHERE)] = (
        False
    )
    tokens: Annotated[
        Tokens,
        _option(
            "--tokens",
            "Items whose tokens are kept: all, sample (5,000), none; auto: all under 50,000 items, else sample.",
            _WHERE,
        ),
    ] = Tokens.auto
    dry_run: Annotated[
        bool,
        _option(
            "--dry-run",
            "Print items, tokens, weights, least time and memory, --quiet or not; download no weights, score nothing.",
            _WHERE,
        ),
    ] = False
    quiet: Annotated[bool, _option("--quiet", "Print nothing but errors and what --dry-run asks for.", _WHERE)] = False
    debug: Annotated[bool, _option("--debug", "Show the traceback of an error.", _WHERE)] = False


def command(
    first: inspect.Parameter, run: Callable[[Any, AuditOptions], None], name: str, text: str
) -> Callable[..., None]:
    """A command whose parameters are ``first`` and every audit option.

    Typer reads a command's signature; building it from the dataclass keeps one list of options.
    """
    hints = get_type_hints(AuditOptions, include_extras=True)

    def body(**values: Any) -> None:
        subject = values.pop(first.name)
        run(subject, AuditOptions(**values))

    options = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=_default(one), annotation=hints[one.name])
        for one in fields(AuditOptions)
    ]
    parameters = [first.replace(kind=inspect.Parameter.KEYWORD_ONLY), *options]
    body.__dict__["__signature__"] = inspect.Signature(parameters)
    body.__annotations__ = {one.name: one.annotation for one in parameters}
    body.__name__, body.__doc__ = name, text
    return body


def _default(one: Any) -> Any:
    return one.default if one.default is not MISSING else one.default_factory()
