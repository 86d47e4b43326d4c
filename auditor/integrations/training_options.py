"""What a user may say about the audits of a training, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from auditor.cli.options import OnInconclusive
from auditor.core.gates import FORM, parse_rule
from auditor.core.series import OBJECTIVES, Objective
from auditor.errors import UsageError
from auditor.python_interface import PathOrText

Every = int | Literal["epoch", "save"]
# Losses of DPO whose implicit reward is counted per token.
_PER_TOKEN = frozenset({"ipo", "sigmoid_norm"})


class GateOptions(TypedDict, total=False):
    """The options of ``audit gate`` (docs/commands.md) as Python says them."""

    fail_on: str | Iterable[str]
    on_inconclusive: str
    baseline: PathOrText


class AskingOptions(TypedDict, total=False):
    """The options of ``audit compare`` that say what is asked, as in `auditor.python_interface.CompareOptions`.

    Attributes:
        head: of a reward model of several outputs the one that is its reward.
    """

    map: Mapping[str, str]
    language: str
    axis: str | Iterable[str]
    limit: int | None
    seed: int
    render: str
    chat_template: PathOrText | None
    system: str | None
    template_arg: Mapping[str, Any]
    end: str
    head: str | None
    sesoi: float | None
    reward_sesoi: float | None
    batch_size: int | str
    offline: bool
    private: bool
    tokens: str


@dataclass(frozen=True, slots=True)
class TrainingGate:
    """The rules that a training is held to."""

    fail_on: tuple[str, ...]
    on_inconclusive: OnInconclusive | None = None
    baseline: Path | None = None


def checked_every(every: Every) -> Every:
    """When to audit.

    Raises:
        UsageError: it is no positive number of steps and no such event.
    """
    given: Any = every  # whatever Python lets a caller say
    is_number = isinstance(given, int) and not isinstance(given, bool)
    if not (given >= 1 if is_number else given in ("epoch", "save")):
        raise UsageError(f"{every!r} is no time to audit", where="every", fix='Such as 100 steps, "epoch" or "save".')
    return every


def checked_share(budget: float | None) -> float | None:
    """The share of training that audits may take.

    Raises:
        UsageError: it is not positive.
    """
    given: Any = budget
    if given is not None and not (isinstance(given, int | float) and 0 < given < float("inf")):
        raise UsageError(
            f"must be a positive share of the time of training, got {budget!r}",
            where="budget",
            fix="Such as 0.1 for a tenth, or None for no limit.",
        )
    return budget


def training_gate(given: str | Iterable[str] | GateOptions) -> TrainingGate:
    """Rules, or the options of ``audit gate``.

    Raises:
        UsageError: a rule is malformed or there is none, or there is no such option or value.
    """
    options: Mapping[str, Any] = given if isinstance(given, Mapping) else {"fail_on": given}
    for name in options:
        if name not in GateOptions.__annotations__:
            raise UsageError(
                f"{name!r} is no option of a gate in training",
                where="gate",
                fix="Give fail_on, on_inconclusive, baseline.",
            )
    rules = options.get("fail_on", ())
    texts = (rules,) if isinstance(rules, str) else tuple(rules)
    if not texts:
        raise UsageError("no rule is given", where="gate", fix=f"Give at least one: {FORM}.")
    for text in texts:
        try:
            parse_rule(text)
        except UsageError as error:
            raise UsageError(error.what, where="gate", fix='Such as gate="stigma:any:level > 0.5".') from error
    baseline = options.get("baseline")
    return TrainingGate(
        texts,
        _on_inconclusive(options.get("on_inconclusive")),
        None if baseline is None else Path(baseline).expanduser(),
    )


def _on_inconclusive(given: str | None) -> OnInconclusive | None:
    try:
        return None if given is None else OnInconclusive(given)
    except ValueError as error:
        raise UsageError(
            f"{given!r} is none of its values", where="gate: on_inconclusive", fix="Give fail or warn."
        ) from error


def checked_objective(objective: str) -> Objective | None:
    """The preference objective that was named; None for ``auto``.

    Raises:
        UsageError: there is no such objective.
    """
    if objective != "auto" and objective not in OBJECTIVES:
        raise UsageError(
            f"unknown objective {objective!r}", where="objective", fix=f"Give auto or one of {', '.join(OBJECTIVES)}."
        )
    return None if objective == "auto" else cast(Objective, objective)


def preference_of(args: Any, named: Objective | None) -> tuple[Objective, float | None]:
    """The preference objective of a training against the model it began with, and its beta.

    Args:
        args: the trainer's arguments.
        named: by the user; None to read it off the arguments.
    """
    is_dpo = any(kind.__name__ == "DPOConfig" for kind in type(args).__mro__)
    objective = named if named is not None else _objective_of(args) if is_dpo else "none"
    return objective, float(args.beta) if is_dpo and objective != "none" else None


def _objective_of(args: Any) -> Objective:
    """Of a DPOConfig: ``none`` where beta times the log-ratio to the beginning is not what its loss is about."""
    given = args.loss_type
    losses = {given} if isinstance(given, str) else set(given)
    losses -= {"sft"}
    of_other_ratios = args.sync_ref_model or args.ld_alpha is not None or args.f_divergence_type != "reverse_kl"
    if not losses or of_other_ratios:
        return "none"
    if losses <= _PER_TOKEN:
        return "dpo-norm"
    return "none" if losses & _PER_TOKEN else "dpo"
