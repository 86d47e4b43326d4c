"""In which order runs are shown: by time, and the checkpoints of one training by their step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

# checkpoint-500, ckpt_500, step=500, global_step500, model@step1000.
_STEP = re.compile(r"(?<![a-z])(?:checkpoint|ckpt|step|iter)[-_=]?(\d{1,15})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """What decides where a run stands.

    Attributes:
        created: when the audit was begun.
        training: what its checkpoint's source and those of others of the same training have in common, "" if it
            names no step; ``step``: the step.
        name: decides where all else is equal.
    """

    created: datetime
    training: str
    step: int | None
    name: str


def training_step(name: str, source: str) -> tuple[str, int | None]:
    """Which training a checkpoint was saved in, and after which step; "" and None where neither name says a step.

    Args:
        source: the argument it was given as, perhaps with its name before a ``=``; read before the name.
    """
    source = source.removeprefix(f"{name}=")
    for text, beside in ((source, ""), (name, source)):
        if steps := list(_STEP.finditer(text)):
            last = steps[-1]
            return f"{beside} {text[: last.start(1)]}*{text[last.end(1) :]}".strip(), int(last[1])
    return "", None


def in_order(places: Sequence[Place]) -> tuple[int, ...]:
    """Positions of the places in the order they are shown.

    By time; checkpoints of one training stand together, by step, where the last of them was audited, so that runs of
    something else never hide that there is a new one.
    """
    latest: dict[str, datetime] = {}
    for one in places:
        latest[one.training] = max(one.created, latest.get(one.training, one.created))

    def key(at: int) -> tuple[datetime, str, int, datetime, str]:
        one = places[at]
        stands = one.created if one.step is None else latest[one.training]
        return (stands, one.training, one.step or 0, one.created, one.name)

    return tuple(sorted(range(len(places)), key=key))
