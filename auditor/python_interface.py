"""The package in Python: `compare` audits as the command does, `load` reads a finished run.

Both give an `AuditRun`. Errors are those of `auditor.errors`; each says what was wrong, where, and what to do.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from operator import index
from os import PathLike, fspath
from pathlib import Path
from typing import Any, SupportsIndex, TypedDict, Unpack

from auditor.adapters.notebook.audit_run import AuditRun
from auditor.adapters.run.run_status import INTERRUPTED
from auditor.cli.options import AuditOptions, DeviceMap, Dtype, End, Render, Tier, Tokens
from auditor.errors import UsageError

__all__ = ["AuditRun", "CompareOptions", "compare", "load"]

PathOrText = str | PathLike[str]


class CompareOptions(TypedDict, total=False):
    """The options of ``audit compare`` (docs/commands.md) as Python says them; None is the default of any.

    Attributes:
        probe: one or several; the shipped ones if there is none.
        out: run folder; one below ``reports/`` named after the series if there is none.
        map: name of a column here -> its name in the probe's file.
        axis: one or several.
        template_arg: arguments of the chat template.
        reference: checkpoint -> what it was trained from; of several, the first, and the others for comparison.
        head: reward model of several outputs -> the output that is its reward.
        objective: checkpoint -> ``dpo``, ``dpo-norm`` or ``none``.
        beta: of the preference objective, for all, or by checkpoint.
        sesoi: d, the smallest effect size of interest, nats.
        reward_sesoi: the same of reward models, in their own unit; ``sesoi`` if there is none.
        attribute: methods by which what was found is then attributed, one or several; none if there is none.
        quiet: print neither progress nor the summary, which is what happens unless it is False.
    """

    probe: PathOrText | Iterable[PathOrText]
    out: PathOrText | None
    map: Mapping[str, str]
    language: str
    tier: str
    axis: str | Iterable[str]
    limit: int | None
    seed: int
    render: str
    chat_template: PathOrText | None
    system: str | None
    template_arg: Mapping[str, Any]
    end: str
    reference: Mapping[str, str | Iterable[str]]
    head: Mapping[str, str]
    objective: Mapping[str, str]
    beta: float | Mapping[str, float]
    sesoi: float | None
    reward_sesoi: float | None
    device: str
    device_map: str | None
    dtype: str
    batch_size: int | str
    allow_mixed_precision: bool
    offline: bool
    trust_remote_code: bool
    allow_pickle: bool
    no_cache: bool
    rehash: bool
    private: bool
    tokens: str
    attribute: str | Iterable[str]
    quiet: bool


def load(run: PathOrText) -> AuditRun:
    """Read a finished run.

    Args:
        run: its folder, as ``audit compare --out`` or `compare` wrote it.

    Warns:
        UserWarning: it holds results, and its audit was interrupted all the same; see `AuditRun.interrupted`.

    Raises:
        UsageError: the folder holds no finished run, or its files do not follow the contract.
    """
    found = AuditRun.read(_path(run))
    if found.interrupted:
        warnings.warn(f"{found.folder}: {INTERRUPTED}", stacklevel=2)
    return found


def compare(*checkpoints: PathOrText, **options: Unpack[CompareOptions]) -> AuditRun:
    """Audit checkpoints of one series, as ``audit compare`` does; of a single one, as ``audit score``.

    Variables of the environment and ``audit.yaml`` are not read. A run that is complete is read, not made again.

    Args:
        checkpoints: in training order: hub ids, ``id@revision``, folders, adapters, each perhaps as ``NAME=MODEL``.
        options: `CompareOptions`.

    Raises:
        UsageError: an argument or a probe is wrong.
        NotComparableError: nothing is left that may be compared.
        ModelLoadError: a checkpoint could not be found, read or run.
        StorageError: the disk is full, or writing failed.
        AuditInterruptedError: it was interrupted; what was finished is kept.
    """
    for name in options:
        if name not in CompareOptions.__annotations__:
            raise TypeError(f"compare() got an unexpected keyword argument {name!r}")
    given = _texts(checkpoints)
    if not given:
        raise UsageError("no checkpoint is given", where="compare", fix="Give at least one, such as base=path/to/base.")
    asked = audit_options(options)
    from auditor.cli.audit import run_audit
    from auditor.cli.request import command_line

    folder = run_audit(given, asked, command_line(given, asked))
    assert folder is not None, "only a dry run leaves nothing"
    return load(folder)


def audit_options(options: CompareOptions) -> AuditOptions:
    """What `compare` was given as the options of the command; it says nothing to a terminal unless told to.

    Raises:
        UsageError: a value is none of its option's.
    """
    # None says what leaving an option out says.
    chosen = {name: value for name, value in options.items() if value is not None}
    values = {name: _READ[name](value) if name in _READ else value for name, value in chosen.items()}
    return AuditOptions(**{"quiet": True, **values})  # type: ignore[arg-type]


def _texts(given: PathOrText | Iterable[PathOrText]) -> list[str]:
    several = [given] if isinstance(given, str | PathLike) else given
    return [fspath(one) for one in several]


def _path(given: PathOrText) -> Path:
    """No shell stands before a notebook to say what ~ means."""
    path = Path(given)
    try:
        return path.expanduser()
    except RuntimeError:
        # Nobody is called so, but a folder may be.
        return path


def _comma_list(given: str | Iterable[str]) -> str:
    return given if isinstance(given, str) else ",".join(given)


def _pairs(given: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in given.items()]


def _references(given: Mapping[str, str | Iterable[str]]) -> list[str]:
    return [f"{name}={own}" for name, one in given.items() for own in _texts(one)]


def _yaml_pairs(given: Mapping[str, Any]) -> list[str]:
    """The command reads the values of a template's arguments as YAML, of which JSON is a part."""
    return _pairs({name: json.dumps(value) for name, value in given.items()})


def _betas(given: float | Mapping[str, float]) -> list[str]:
    return _pairs(given) if isinstance(given, Mapping) else [str(given)]


def _one_of(kind: type[StrEnum], name: str) -> Callable[[str], StrEnum]:
    def read(given: str) -> StrEnum:
        try:
            return kind(given)
        except ValueError as error:
            known = ", ".join(kind)
            raise UsageError(f"{given!r} is none of its values", where=name, fix=f"Give one of {known}.") from error

    return read


def _at_least(least: int, name: str) -> Callable[[SupportsIndex], int]:
    def read(given: SupportsIndex) -> int:
        try:
            number = index(given)
        except TypeError as error:
            what = f"must be a whole number, got {given!r}"
            raise UsageError(what, where=name, fix=f"Such as {name}={least}.") from error
        if number < least:
            raise UsageError(f"must be at least {least}, got {number}", where=name, fix=f"Such as {name}={least}.")
        return number

    return read


def _real(name: str, unit: str) -> Callable[[float], float]:
    def read(given: float) -> float:
        try:
            return float(given)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"must be a number of {unit}, got {given!r}", where=name, fix=f"Such as {name}=0.22."
            ) from error

    return read


_READ: dict[str, Callable[[Any], Any]] = {
    "probe": _texts,
    "axis": _texts,
    "attribute": _comma_list,
    "out": _path,
    "chat_template": _path,
    "map": _pairs,
    "reference": _references,
    "head": _pairs,
    "objective": _pairs,
    "beta": _betas,
    "template_arg": _yaml_pairs,
    "batch_size": str,
    "sesoi": _real("sesoi", "nats"),
    "reward_sesoi": _real("reward_sesoi", "units of the reward"),
    "limit": _at_least(1, "limit"),
    "seed": _at_least(0, "seed"),
    "tier": _one_of(Tier, "tier"),
    "render": _one_of(Render, "render"),
    "end": _one_of(End, "end"),
    "dtype": _one_of(Dtype, "dtype"),
    "device_map": _one_of(DeviceMap, "device_map"),
    "tokens": _one_of(Tokens, "tokens"),
}
