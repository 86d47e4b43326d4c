"""The checkpoints of an audit, in training order, and what each was trained from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from auditor.errors import UsageError

Objective = Literal["dpo", "dpo-norm", "none"]
OBJECTIVES: tuple[Objective, ...] = ("dpo", "dpo-norm", "none")
# What a checkpoint says of a text: its log-probability, or the one number of a reward model.
Quantity = Literal["logprob", "reward"]
QUANTITIES: tuple[Quantity, ...] = ("logprob", "reward")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint of the series.

    Attributes:
        name: as shown and as used in every file.
        source: the argument it was given as.
        reference: name of the checkpoint its training started from; None for the first.
        objective: its preference objective; ``none`` gives a shift and never a reward.
        objective_source: where the objective was read: option, model card, name, or nowhere.
        beta: of the preference objective, None where unknown; implicit rewards are then in nats.
        quantity: ``logprob`` of a policy, ``reward`` of a reward model.
        other_references: earlier checkpoints that its implicit reward is also counted from, for comparison.
    """

    name: str
    source: str
    reference: str | None = None
    objective: Objective = "none"
    objective_source: str = ""
    beta: float | None = None
    quantity: Quantity = "logprob"
    other_references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """Checkpoints in the order given; each refers only to one of its own quantity that stands before it."""

    checkpoints: tuple[Checkpoint, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(checkpoint.name for checkpoint in self.checkpoints)

    @property
    def parts(self) -> Mapping[Quantity, Series]:
        """The checkpoints of each quantity there is: numbers of different units are never subtracted or added up."""
        kinds = [kind for kind in QUANTITIES if any(one.quantity == kind for one in self.checkpoints)]
        if len(kinds) == 1:
            return {kinds[0]: self}
        return {kind: Series(tuple(one for one in self.checkpoints if one.quantity == kind)) for kind in kinds}

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the checkpoints that no other was trained from, in order."""
        references = {checkpoint.reference for checkpoint in self.checkpoints}
        return tuple(name for name in self.names if name not in references)

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """For each leaf the checkpoints training passed through, first to last."""
        return tuple(self._path(leaf) for leaf in self.leaves)

    def _path(self, name: str) -> tuple[str, ...]:
        reference = self[name].reference
        return (name,) if reference is None else (*self._path(reference), name)

    def __getitem__(self, name: str) -> Checkpoint:
        return self.checkpoints[self.names.index(name)]


def build_series(
    sources: Sequence[tuple[str, str]],
    *,
    references: Mapping[str, str],
    objectives: Mapping[str, Objective],
    betas: Mapping[str, float],
    tags: Mapping[str, Sequence[str]],
    quantities: Mapping[str, Quantity] = MappingProxyType({}),
    other_references: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Series:
    """Link checkpoints to their references and find each one's preference objective.

    Args:
        sources: (name, source) in training order.
        references: overrides by name; the default is the checkpoint of the same quantity before.
        objectives: overrides by name.
        betas: beta by name; a key "" applies to all.
        tags: model-card tags by name.
        quantities: by name; log-probabilities where it names none.
        other_references: by name, further checkpoints to count an implicit reward from.

    Raises:
        UsageError: an option names an unknown checkpoint or would have no effect on the one it names, a
            reference does not stand before its checkpoint or gives another quantity, or a beta is not positive.
    """
    names = [name for name, _ in sources]
    _refuse_unknown(names, {**references, **other_references}, objectives, betas)
    checkpoints: list[Checkpoint] = []
    for name, source in sources:
        quantity = quantities.get(name, "logprob")
        _refuse_implicit(name, quantity, objectives, betas)
        reference = _reference(name, quantity, checkpoints, references)
        objective, objective_source = _objective(name, quantity, reference, objectives, tags.get(name, ()))
        if name in betas and objective == "none":
            raise UsageError(
                f"{name!r} has no preference objective, so there is no implicit reward for a beta to rescale",
                where="--beta",
                fix="Leave its beta out."
                if reference is None
                else f"Say how it was trained with --objective {name}=dpo, or leave its beta out.",
            )
        known_beta = betas.get(name, betas.get("")) if objective != "none" else None
        one = Checkpoint(name, source, reference, objective, objective_source, known_beta, quantity)
        checkpoints.append(_with_others(one, checkpoints, other_references.get(name, ())))
    return Series(tuple(checkpoints))


def _with_others(one: Checkpoint, before: Sequence[Checkpoint], others: Sequence[str]) -> Checkpoint:
    """The checkpoint with further references, each of which stands before it and is named once."""
    if not others:
        return one
    if one.objective == "none":
        raise UsageError(
            f"{one.name!r} has no preference objective, so no implicit reward can be counted from several references",
            where="--reference",
            fix=f"Give it one reference, or say how it was trained with --objective {one.name}=dpo.",
        )
    named = [one.reference]
    for other in others:
        _check_reference(one.name, other, one.quantity, before)
        if other in named:
            raise UsageError(
                f"the reference {other!r} of {one.name!r} is given twice", where="--reference", fix="Leave one out."
            )
        named.append(other)
    return replace(one, other_references=tuple(others))


def _refuse_unknown(
    names: Sequence[str],
    references: Mapping[str, object],
    objectives: Mapping[str, Objective],
    betas: Mapping[str, float],
) -> None:
    for option, named in (("--reference", references), ("--objective", objectives), ("--beta", betas)):
        for name in named:
            if name not in names and name != "":
                raise UsageError(
                    f"there is no checkpoint {name!r} in the series",
                    where=option,
                    fix=f"Known: {', '.join(names)}.",
                )
    for name, beta in betas.items():
        if not 0 < beta < float("inf"):
            raise UsageError(
                f"beta must be positive, got {beta}" + (f" for {name!r}" if name else ""),
                where="--beta",
                fix="Give the beta the checkpoint was trained with, such as 0.1; leave it out for nats.",
            )


def _refuse_implicit(
    name: str, quantity: Quantity, objectives: Mapping[str, Objective], betas: Mapping[str, float]
) -> None:
    for option, named in (("--objective", objectives), ("--beta", betas)):
        if quantity == "reward" and name in named:
            raise UsageError(
                f"{name!r} is a reward model: its rewards are explicit, and there is no implicit one",
                where=option,
                fix=f"Leave {option} {name}=... out.",
            )


def _reference(
    name: str, quantity: Quantity, before: Sequence[Checkpoint], references: Mapping[str, str]
) -> str | None:
    if name in references:
        _check_reference(name, references[name], quantity, before)
        return references[name]
    alike = [one.name for one in before if one.quantity == quantity]
    return alike[-1] if alike else None


def _instead(name: str, alike: Sequence[str]) -> str:
    if alike:
        return f"Choose one of: {', '.join(alike)}."
    return f"It is the first of its kind: leave {name} out of --reference, or put what it was trained from before it."


def _check_reference(name: str, reference: str, quantity: Quantity, before: Sequence[Checkpoint]) -> None:
    alike = [one.name for one in before if one.quantity == quantity]
    if reference not in [one.name for one in before]:
        raise UsageError(
            f"the reference {reference!r} of {name!r} does not stand before it in the series",
            where="--reference",
            fix=_instead(name, alike),
        )
    if reference not in alike:
        kinds = ("a reward model", "a policy") if quantity == "reward" else ("a policy", "a reward model")
        raise UsageError(
            f"{name!r} is {kinds[0]} and its reference {reference!r} is {kinds[1]}: a reward and a log-probability "
            "have different units, and no difference",
            where="--reference",
            fix=_instead(name, alike),
        )


def _objective(
    name: str,
    quantity: Quantity,
    reference: str | None,
    objectives: Mapping[str, Objective],
    tags: Sequence[str],
) -> tuple[Objective, str]:
    if quantity == "reward":
        return "none", "reward model"
    if name in objectives:
        if reference is None and objectives[name] != "none":
            raise UsageError(
                f"{name!r} is the first of the series: no checkpoint it was trained from stands before it, "
                "so no implicit reward can be given",
                where="--objective",
                fix="Put the checkpoint its training started from before it, or leave its objective out.",
            )
        return objectives[name], "option"
    if reference is None:
        return "none", "first of the series"
    if "dpo" in {tag.lower() for tag in tags}:
        return "dpo", "model card"
    if "dpo" in name.lower():
        return "dpo", "name"
    return "none", "unknown"
