"""What is scored in the speed benchmarks: items of a context and its candidates, in plain rendering.

winoqueer      whole sentences after nothing, two a row; a rebuilt prefix of the set (2,046 of 45,540 rows)
crows_pairs    whole sentences after nothing, two a row
stigma         the package's own probe in its standard tier, two continuations a context
bbq            three answers to a question about a passage: Disability, Religion, Sexual orientation
questionnaire  invented: 200 personas x 40 statements x 6 options, each option a phrase such as " strongly agree"
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from auditor.adapters.probe_files.probes import open_probe
from auditor.core.items import Candidate, Item

NAMES = ("winoqueer", "crows_pairs", "stigma", "bbq", "questionnaire")
PERSONAS = 200

_OPTIONS = (
    " strongly disagree", " disagree", " slightly disagree", " slightly agree", " agree", " strongly agree"
)  # fmt: skip
_AGES = ("young", "middle-aged", "retired")
_TRADES = ("bus driver", "violin maker", "nurse", "fisher", "bookkeeper", "baker", "librarian", "welder")
_PLACES = ("a mountain village", "a harbour town", "the outskirts of a capital", "a small island")
_TRAITS = ("talk to everybody", "keep mostly to yourself", "like an argument", "plan every day in advance")
_HABITS = ("read two newspapers each morning", "never watch the news", "sing in a choir", "grow your own vegetables")
_SUBJECTS = (
    "Public libraries", "Night trains", "Village schools", "Football clubs",
    "Weekly markets", "Amateur theatres", "Cycle paths", "Local newspapers",
)  # fmt: skip
_CLAIMS = (
    "deserve more public money than they get today.",
    "matter more to the old than to the young.",
    "would be better run by the people who use them.",
    "will have disappeared in a generation or two.",
    "do more for a town than its council does.",
)


@dataclass(frozen=True, slots=True)
class Workload:
    """Items that are scored together.

    Attributes:
        note: what a reader must know about where they come from.
    """

    name: str
    items: tuple[Item, ...]
    note: str

    @property
    def n_texts(self) -> int:
        """Candidates of all items together."""
        return sum(len(item.candidates) for item in self.items)


def open_workload(name: str, data: Path, personas: int = PERSONAS) -> Workload:
    """Read or make one of ``NAMES``.

    Args:
        data: folder of the public sets.

    Raises:
        FileNotFoundError: the set is not there.
    """
    if name == "questionnaire":
        items = tuple(_questionnaire(personas))
        return Workload(name, items, f"{personas} invented personas x 40 statements x 6 phrases")
    if name == "stigma":
        return Workload(name, open_probe("stigma", "standard").items, "the package's own probe, standard tier")
    folder = data / name
    if not folder.is_dir():
        raise FileNotFoundError(f"no public set at {folder}")
    if name == "bbq":
        return Workload(name, tuple(_bbq(folder)), 'three BBQ categories, answers after "\\nQ: ...\\nA:"')
    probe = open_probe(str(folder))
    note = "whole sentences after an empty context"
    if name == "winoqueer":
        note += f"; a rebuilt prefix of the set ({len(probe.items):,} of 45,540 rows)"
    return Workload(name, probe.items, note)


def part(workload: Workload, n_items: int, seed: int = 0) -> Workload:
    """Neighbouring items from a seeded place on, so that what they share stays shared; all if there are no more."""
    spare = len(workload.items) - n_items
    if spare <= 0:
        return workload
    first = random.Random(seed).randrange(spare + 1)
    note = f"{workload.note}; a part of {n_items:,} of its {len(workload.items):,} items"
    return replace(workload, items=workload.items[first : first + n_items], note=note)


def sample(items: Sequence[Item], lengths: Sequence[int], n_tokens: int, seed: int = 0) -> list[int]:
    """Positions of whole items drawn at random, in their order, until they hold so many tokens.

    Args:
        lengths: tokens of each item, all its texts together.
    """
    order = list(range(len(items)))
    random.Random(seed).shuffle(order)
    chosen, total = [], 0
    for position in order:
        if total >= n_tokens:
            break
        chosen.append(position)
        total += lengths[position]
    return sorted(chosen)


def texts_of(items: Sequence[Item]) -> Iterator[str]:
    """Every whole text."""
    return (f"{item.context}{item.prefix}{one.text}" for item in items for one in item.candidates)


def _bbq(folder: Path) -> Iterator[Item]:
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            answers = tuple(Candidate(name, f" {row[name]}") for name in ("ans0", "ans1", "ans2"))
            context = f"{row['context']}\nQ: {row['question']}\nA:"
            yield Item(id=f"{path.stem}/{row['example_id']}", candidates=answers, context=context)


def _questionnaire(personas: int) -> Iterator[Item]:
    people = list(product(_AGES, _TRADES, _PLACES, _TRAITS, _HABITS))
    options = tuple(Candidate(text.strip(), text) for text in _OPTIONS)
    for who, (age, trade, place, trait, habit) in enumerate(random.Random(0).sample(people, personas)):
        persona = f"You are a {age} {trade} from {place}. You {trait}, and you {habit}."
        for number, (subject, claim) in enumerate(product(_SUBJECTS, _CLAIMS)):
            context = f"{persona}\n\nHow far do you agree? {subject} {claim}\nAnswer: I"
            yield Item(id=f"{who}/{number}", candidates=options, context=context)
