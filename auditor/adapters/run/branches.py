"""Training's paths through a series: one to each checkpoint that no other was trained from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.adapters.run.results_schema import CheckpointRow
from auditor.core.series import Quantity


@dataclass(frozen=True, slots=True)
class Branch:
    """The checkpoints training passed through to reach a leaf, first to last, itself included.

    Attributes:
        quantity: what all of them give: log-probabilities, or a reward model's output.
    """

    path: tuple[str, ...]
    quantity: Quantity = "logprob"

    @property
    def leaf(self) -> str:
        """Where the path ends; its numbers answer the audit's question."""
        return self.path[-1]

    @property
    def of_rewards(self) -> bool:
        """Whether they are reward models."""
        return self.quantity == "reward"


def branches_of(series: Sequence[CheckpointRow]) -> tuple[Branch, ...]:
    """One path for each leaf, in the order of the series; a series in one line has one."""
    references, quantities = {one.name: one.reference for one in series}, {one.name: one.quantity for one in series}
    parents = set(references.values())
    # A file that refers in a circle has no leaf: its last checkpoint is as good as any.
    leaves = [name for name in references if name not in parents] or list(references)[-1:]
    return tuple(Branch(_path(leaf, references), quantities[leaf]) for leaf in leaves)


def branch_to(series: Sequence[CheckpointRow], name: str) -> Branch:
    """The path to any checkpoint of a series, a leaf or not."""
    quantity = next(one.quantity for one in series if one.name == name)
    return Branch(_path(name, {one.name: one.reference for one in series}), quantity)


def _path(leaf: str, references: Mapping[str, str | None]) -> tuple[str, ...]:
    path = [leaf]
    while (before := references[path[-1]]) in references and before is not None and before not in path:
        path.append(before)
    return tuple(reversed(path))
