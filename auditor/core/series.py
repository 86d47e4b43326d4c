"""The checkpoints of an audit, in training order, and what each was trained from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from auditor.errors import UsageError

Objective = Literal["dpo", "dpo-norm", "none"]
OBJECTIVES: tuple[Objective, ...] = ("dpo", "dpo-norm", "none")


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
    """

    name: str
    source: str
    reference: str | None = None
    objective: Objective = "none"
    objective_source: str = ""
    beta: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Checkpoints in the order given; each refers only to one that stands before it."""

    checkpoints: tuple[Checkpoint, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(checkpoint.name for checkpoint in self.checkpoints)

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
) -> Series:
    """Link checkpoints to their references and find each one's preference objective.

    Args:
        sources: (name, source) in training order.
        references: overrides by name; the default is the checkpoint before.
        objectives: overrides by name.
        betas: beta by name; a key "" applies to all.
        tags: model-card tags by name.

    Raises:
        UsageError: an option names an unknown checkpoint or would have no effect on the one it names, a
            reference does not stand before its checkpoint, or a beta is not positive.
    """
    names = [name for name, _ in sources]
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
    checkpoints = []
    for position, (name, source) in enumerate(sources):
        reference = _reference(names, position, references)
        objective, objective_source = _objective(name, reference, objectives, tags.get(name, ()))
        if name in betas and objective == "none":
            raise UsageError(
                f"{name!r} has no preference objective, so there is no implicit reward for a beta to rescale",
                where="--beta",
                fix="Leave its beta out."
                if reference is None
                else f"Say how it was trained with --objective {name}=dpo, or leave its beta out.",
            )
        known_beta = betas.get(name, betas.get("")) if objective != "none" else None
        checkpoints.append(Checkpoint(name, source, reference, objective, objective_source, known_beta))
    return Series(tuple(checkpoints))


def _reference(names: Sequence[str], position: int, references: Mapping[str, str]) -> str | None:
    name = names[position]
    if name not in references:
        return names[position - 1] if position else None
    reference = references[name]
    if reference not in names[:position]:
        raise UsageError(
            f"the reference {reference!r} of {name!r} does not stand before it in the series",
            where="--reference",
            fix=f"Choose one of: {', '.join(names[:position]) or 'none, it is the first'}.",
        )
    return reference


def _objective(
    name: str, reference: str | None, objectives: Mapping[str, Objective], tags: Sequence[str]
) -> tuple[Objective, str]:
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
