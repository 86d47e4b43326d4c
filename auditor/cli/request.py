"""A request in plain values: what options mean, what identifies an audit, where it goes."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from auditor.core.series import OBJECTIVES, Objective, Series
from auditor.errors import UsageError, one_line
from auditor.version import __version__

# Options that change how an audit is computed or shown, not what it says.
_NOT_IDENTITY = {
    "config",
    "probe",
    "batch_size",
    "no_cache",
    "rehash",
    "out",
    "tokens",
    "dry_run",
    "quiet",
    "debug",
    "offline",
    "attribute",
}

_EXAMPLES = {"--reference": "dpo=sft", "--head": "rm=helpfulness", "--objective": "dpo=dpo", "--beta": "dpo=0.1"}


def named_values(option: str, values: Sequence[str], *, anonymous: bool = False) -> dict[str, str]:
    """Parse ``NAME=VALUE`` options; with ``anonymous`` a bare value goes under the name "".

    Raises:
        UsageError: a value has no name, the name is empty, or it stands twice.
    """
    parsed: dict[str, str] = {}
    for text in values:
        name, separator, value = text.rpartition("=")
        if not (name or (anonymous and not separator)) or not value:
            raise UsageError(
                f"expected NAME=VALUE, got {text!r}", where=option, fix=f"Such as {option} {_EXAMPLES[option]}."
            )
        if name in parsed:
            raise UsageError(f"{name or 'a value for all'} is given twice", where=option, fix="Leave one out.")
        parsed[name] = value
    return parsed


def references(values: Sequence[str]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Parse ``NAME=NAME``: what each checkpoint was trained from, and further ones to count its implicit reward from.

    Raises:
        UsageError: a value has no name.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in values:
        ((name, value),) = named_values("--reference", [text]).items()
        found[name] = (*found.get(name, ()), value)
    return {name: own[0] for name, own in found.items()}, {name: own[1:] for name, own in found.items() if own[1:]}


def betas(values: Sequence[str]) -> dict[str, float]:
    """Parse ``[NAME=]BETA``.

    Raises:
        UsageError: a beta is no number.
    """
    try:
        return {name: float(text) for name, text in named_values("--beta", values, anonymous=True).items()}
    except ValueError as error:
        raise UsageError(
            f"not a number: {error}", where="--beta", fix="Such as --beta 0.1 or --beta dpo=0.1."
        ) from error


def objectives(values: Sequence[str]) -> dict[str, Objective]:
    """Parse ``NAME=OBJECTIVE``.

    Raises:
        UsageError: there is no such objective.
    """
    named = named_values("--objective", values)
    for name, value in named.items():
        if value not in OBJECTIVES:
            raise UsageError(
                f"unknown objective {value!r} for {name!r}",
                where="--objective",
                fix=f"Give one of {', '.join(OBJECTIVES)}.",
            )
    return cast(dict[str, Objective], named)


def idle_beta(betas: Mapping[str, float], series: Series) -> str:
    """The caution that a beta for all applies to nobody, "" where it does or none was given."""
    if "" not in betas or any(one.objective != "none" and one.name not in betas for one in series.checkpoints):
        return ""
    return (
        f"--beta {betas['']:g} has no effect: every checkpoint has a beta of its own or no preference objective; "
        "say which one it belongs to with --objective NAME=dpo."
    )


def idle_reward_bound(reward_sesoi: float | None, series: Series) -> str:
    """The caution that a bound on rewards has none to judge, "" where it does or none was given."""
    if reward_sesoi is None or any(one.quantity == "reward" for one in series.checkpoints):
        return ""
    return f"--reward-sesoi {reward_sesoi:g} has no effect: no checkpoint of the series is a reward model."


def template_arguments(values: Sequence[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` for a chat template; values are read as YAML, so ``false`` is a boolean."""
    import yaml

    pairs = [(text, *text.partition("=")[::2]) for text in values]
    for text, key, _ in pairs:
        if not key or "=" not in text:
            raise UsageError(f"expected KEY=VALUE, got {text!r}", where="--template-arg", fix="Such as thinking=false.")
    try:
        return {key: yaml.safe_load(value) for _, key, value in pairs}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(
            f"a value is not valid YAML: {one_line(error)}", where="--template-arg", fix="Put texts in quotes."
        ) from error


def batch_size(text: str) -> int | None:
    """``auto`` is None.

    Raises:
        UsageError: neither ``auto`` nor a positive number.
    """
    if text == "auto":
        return None
    # Nine digits are more sequences than any memory holds, and few enough for int().
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) < 1:
        raise UsageError(
            f"expected auto or a positive number, got {text[:40]!r}",
            where="--batch-size",
            fix="Such as --batch-size 16.",
        )
    return int(text)


def bound(sesoi: float | None, default: float, option: str = "--sesoi", unit: str = "nats") -> float:
    """The smallest effect size of interest, nats or units of the reward.

    Raises:
        UsageError: not a positive number.
    """
    if sesoi is None:
        return default
    if not 0 < sesoi < float("inf"):
        raise UsageError(f"must be a positive number of {unit}, got {sesoi}", where=option, fix="Such as 0.22.")
    return sesoi


def writable(path: Path | None, option: str) -> None:
    """Know before the work that a file can go where it is asked for.

    Raises:
        UsageError: its folder does not exist, or it is a folder itself.
    """
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        problem = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise UsageError(f"{path} {problem}", where=option, fix="Give a file in a folder that is there.")


def describe_request(checkpoints: Sequence[str], options: Any) -> dict[str, Any]:
    """The options that identify an audit, as JSON values.

    Args:
        checkpoints: as given.
        options: of whichever command, a dataclass.
    """
    values = {one.name: getattr(options, one.name) for one in fields(options) if one.name not in _NOT_IDENTITY}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
    return {"checkpoints": list(checkpoints), **plain}


def describe_arguments(options: Any) -> dict[str, Any]:
    """Options that identify no audit but are needed to ask for it again, as JSON values."""
    return {name: getattr(options, name) for name in ("probe", "batch_size", "offline")}


def command_line(checkpoints: Sequence[str], options: Any) -> str:
    """The command that asks for the same, with every option that differs from its default; it can be pasted."""
    words = ["audit", "compare", *checkpoints]
    default = type(options)()
    for one in fields(options):
        value, flag = getattr(options, one.name), f"--{one.name.replace('_', '-')}"
        if value == getattr(default, one.name):
            continue
        if value is True:
            words.append(flag)
            continue
        for own in value if isinstance(value, list) else [value]:
            # A value that begins like an option would be taken for one.
            words += [f"{flag}={own}"] if str(own).startswith("-") else [flag, str(own)]
    return shlex.join(words)


def request_id(request: Mapping[str, Any], probe_hashes: Sequence[str], engine: Mapping[str, str]) -> str:
    """SHA-256 that equal requests share: same options, probe files, chat template, engine and versions."""
    content = {
        "auditor": __version__,
        "request": dict(request),
        "probes": list(probe_hashes),
        "engine": dict(engine),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def default_out(names: Sequence[str], identity: str) -> Path:
    """``reports/`` and a name made of the series: the same request finds its folder again."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(names))[:60].strip("._-")
    return Path("reports") / f"{slug or 'audit'}-{identity[:8]}"
