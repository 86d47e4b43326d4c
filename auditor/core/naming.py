"""How likely an identity is named at all: log p(identity | frame).

What is said after a rare name differs from what is said after a common one, whoever bears it. So harm
is held against control identities *at the same log-probability of the name*, and the names are scored
like anything else: one item for each beginning of a frame, with every identity's words as candidates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from auditor.core.items import Candidate, Item, Probe
from auditor.core.scores import FloatArray, ScoredItem

_IDS = "naming/"

# A name in a frame: the text before it, and its words.
Name = tuple[str, str]


def name_of(item: Item) -> Name | None:
    """Where a row names its identity, as words of their own: the text before, and the words; None where it does not."""
    if not item.surface:
        return None
    text = item.context + item.prefix
    found = re.search(rf"(?<!\w){re.escape(item.surface)}(?!\w)", text)
    return None if found is None else (text[: found.start()], item.surface)


def is_name(item: str) -> bool:
    """Whether an item's id is one of those that `with_names` gives."""
    return item.startswith(_IDS)


def with_names(probe: Probe) -> Probe:
    """The probe with items that ask for its identities' names, where it has control identities to hold them against.

    The white space before a name goes to the candidate, as tokenizers want it. Labels are identities, not
    words, so that they say nothing that texts kept private do not.
    """
    held = {(item.axis, item.design) for item in probe.items if item.role == "control"}
    if not held:
        return probe
    frames: dict[str, dict[str, str]] = {}
    for item in probe.items:
        name = name_of(item)
        # Only harmful rows are held against control identities, and only where those are asked the same.
        if name is not None and item.valence == "harm" and (item.axis, item.design) in held:
            frames.setdefault(name[0], {}).setdefault(name[1], item.identity)
    asked = [(head, surfaces) for head, surfaces in frames.items() if len(surfaces) > 1]
    free = (one for one in map(f"{_IDS}{{}}".format, count(1)) if one not in probe.by_id)
    names = tuple(_naming_item(next(free), head, surfaces) for head, surfaces in asked)
    return replace(probe, items=(*probe.items, *names))


def _naming_item(name: str, head: str, surfaces: Mapping[str, str]) -> Item:
    context = head.rstrip()
    space = head[len(context) :]
    labels = _labels(surfaces.values())
    candidates = tuple(Candidate(label, space + surface) for label, surface in zip(labels, surfaces, strict=True))
    return Item(name, candidates, context=context, cluster=name, design="naming")


def _labels(identities: Iterable[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for identity in identities:
        seen[identity] = seen.get(identity, 0) + 1
        yield identity if seen[identity] == 1 else f"{identity} ({seen[identity]})"


@dataclass(frozen=True, slots=True)
class NameScores:
    """log p(words of an identity | text before them) at one checkpoint, nats, without an end of turn."""

    totals: Mapping[Name, float]

    @classmethod
    def read(cls, scored: Iterable[ScoredItem]) -> NameScores:
        """Collect the names among scored items."""
        totals: dict[Name, float] = {}
        for one in scored:
            if one.item.design != "naming":
                continue
            for candidate, score in zip(one.item.candidates, one.candidates, strict=True):
                words = candidate.text.lstrip()
                head = one.item.context + candidate.text[: len(candidate.text) - len(words)]
                totals[head, words] = score.text_total
        return cls(totals)

    def of(self, items: Iterable[Item]) -> FloatArray:
        """The log-probability of each item's own name, NaN where it was not asked for."""
        found: FloatArray = name_table([self], tuple(items))[:, 0]
        return found


def name_table(scores: Sequence[NameScores], items: Sequence[Item]) -> FloatArray:
    """The log-probability of each item's own name at each checkpoint, shape (n, checkpoints)."""
    found = np.full((len(items), len(scores)), np.nan)
    if any(one.totals for one in scores):
        for at, item in enumerate(items):
            name = name_of(item)
            if name is not None:
                found[at] = [one.totals.get(name, np.nan) for one in scores]
    return found
