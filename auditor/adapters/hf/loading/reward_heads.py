"""Which of a reward model's outputs is its reward, where it has several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.printable import printable
from auditor.errors import UsageError

# Outputs that a message names before it counts the rest.
_NAMED = 20


def choose_heads(
    files: Mapping[str, CheckpointFiles],
    asked: Mapping[str, str],
    *,
    option: str = "--head",
    form: str = "--head {name}=OUTPUT",
) -> dict[str, CheckpointFiles]:
    """The same checkpoints, each reward model with one of its outputs chosen.

    Args:
        files: by checkpoint.
        asked: the output's name by checkpoint.
        option: where an output is named, for messages.
        form: how, with the checkpoint's ``{name}``.

    Raises:
        UsageError: a name is asked of no reward model or is none of its outputs, or of several outputs none is named.
    """
    for name in asked:
        if name not in files or not files[name].heads:
            known = ", ".join(one for one, own in files.items() if own.heads) or "none"
            raise UsageError(
                f"there is no reward model {name!r} in the series", where=option, fix=f"Reward models: {known}."
            )
    return {
        name: replace(one, head=_chosen(one, asked.get(name), option, form)) if one.heads else one
        for name, one in files.items()
    }


def refuse_reward_models(files: Iterable[CheckpointFiles], why: str) -> None:
    """Stop where only language models can be asked.

    Args:
        why: what is asked of them, for the message.

    Raises:
        UsageError: one is a reward model.
    """
    for one in files:
        if one.quantity == "reward":
            raise UsageError(
                f"{one.name!r} is a reward model, and {why}",
                where=f"checkpoint {one.source!r}",
                fix="Leave it out: audit compare and audit score take reward models.",
            )


def _chosen(files: CheckpointFiles, asked: str | None, option: str, form: str) -> str:
    listed = ", ".join(map(printable, files.heads[:_NAMED]))
    if len(files.heads) > _NAMED:
        listed += f" and {len(files.heads) - _NAMED:,} more"
    if asked is None and files.head is None:
        raise UsageError(
            f"{files.name!r} is a reward model of {len(files.heads)} outputs, and which is the reward is not said",
            where=option,
            fix=f"Name one with {form.format(name=files.name)}, of: {listed}.",
        )
    if asked is not None and asked not in files.heads:
        raise UsageError(f"{files.name!r} has no output {asked!r}", where=option, fix=f"Give one of: {listed}.")
    chosen = files.head if asked is None else asked
    assert chosen is not None
    return chosen
