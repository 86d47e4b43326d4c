"""Is a probe sound enough to be audited with? What `audit probes validate` looks at.

Everything here can be seen without a model. Problems make a probe unfit; remarks are for its author to weigh.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TypeVar

from auditor.adapters.probe_files.probe_folders import DATASHEET, ProbeFolder
from auditor.core.contrasts import match_key
from auditor.core.control_checks import MIN_CONTROL_IDENTITIES
from auditor.core.items import Item, Probe

# Mean words by which the sides of neutral pairs may differ otherwise than those of the harmful pairs.
FORM_TOLERANCE = 0.25
# Lines of one kind that are worth reading.
_SHOWN = 5
# Of rows that name none.
_NOBODY = "(no identity named)"
# English only: another language's negations are its author's to watch.
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nor|neither|cannot|without)\b|n['\u2019]t\b", re.IGNORECASE
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, one sentence each."""

    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def check_folder(folder: ProbeFolder, probe: Probe) -> Checked:
    """Check a probe folder's card and datasheet, and the rows it gives."""
    rows = check_rows(probe)
    # Rows without controls may be somebody's first try; a probe that is handed on must bring them.
    return Checked((*_card_problems(folder), *rows.problems, *rows.remarks), ())


def check_rows(probe: Probe) -> Checked:
    """Check rows alone, as they come from a pair file."""
    items = [item for item in probe.items if item.pair is not None and not item.is_baseline]
    problems = [*_unmatched(items), *_twice(probe.items), *_negated(items), *_mixed_clusters(items)]
    return Checked(tuple(problems), (*_uncontrolled(items), *_other_form(items)))


def _card_problems(folder: ProbeFolder) -> Iterator[str]:
    card = folder.card
    for key in ("description", "content_warning", "canary"):
        if not getattr(card, key).strip():
            yield f"card.yaml: {key} is missing"
    try:
        datasheet = (folder.path / DATASHEET).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield f"{DATASHEET}: the datasheet is missing or is not UTF-8"
        return
    if card.canary and card.canary not in datasheet:
        yield f"{DATASHEET}: the datasheet does not hold the card's canary string"


def _unmatched(items: Sequence[Item]) -> Iterator[str]:
    keys = {match_key(item) for item in items if item.role == "reference"}
    swapped = [item for item in items if item.design != "identity_swap" and item.role != "reference"]
    counts = Counter(item.identity for item in swapped if match_key(item) not in keys)
    for identity, count in _first(counts.items()):
        yield f"{identity or _NOBODY}: {count} rows have no reference row with their match key"


def _twice(items: Sequence[Item]) -> Iterator[str]:
    seen: dict[object, str] = {}
    repeated = []
    for item in items:
        text = (item.identity, item.axis, item.context, item.prefix, item.messages, item.candidates, item.role)
        # Undeclared rows may repeat: each belongs to a declared one, and a reference stands in for missing forms.
        if not item.is_baseline and item.role != "reference" and seen.setdefault(text, item.id) != item.id:
            repeated.append(f"{item.id}: the same texts as {seen[text]}")
    yield from _first(repeated)


def _negated(items: Iterable[Item]) -> Iterator[str]:
    wrong: dict[tuple[str, ...], str] = {}
    for item in items:
        # Of the pair alone: that nobody knows, or another third candidate, may well be negated.
        sides = tuple(item.candidates[at].text for at in item.pair or ())
        if item.language.split("-")[0] == "en" and len({len(_NEGATION.findall(side)) for side in sides}) > 1:
            wrong.setdefault(sides, f"{item.id}: one side is negated and the other is not")
    yield from _first(wrong.values())


def _mixed_clusters(items: Iterable[Item]) -> Iterator[str]:
    valences = defaultdict(set)
    for item in items:
        valences[item.cluster].add(item.valence)
    yield from _first(
        f"{name}: both a harmful and a neutral predicate" for name, own in valences.items() if len(own) > 1
    )


def _uncontrolled(items: Sequence[Item]) -> Iterator[str]:
    marked = [item for item in items if item.role == "marked" and item.design != "identity_swap"]
    neutral = {(item.identity, item.axis, item.design) for item in marked if item.valence == "neutral"}
    harm = dict.fromkeys((item.identity, item.axis, item.design) for item in marked if item.valence == "harm")
    for identity, axis, design in _first(who for who in harm if who not in neutral):
        yield f"{identity or _NOBODY}: no neutral pairs of the same form ({design}{f', {axis}' if axis else ''})"
    controls = defaultdict(set)
    for item in items:
        if item.role == "control":
            controls[item.axis, item.design].add(item.identity)
    # Who is declared to be what is not asked of people at large, so only text swaps need them.
    for axis in dict.fromkeys(axis for _, axis, design in harm if design == "text_swap"):
        count = len(controls[axis, "text_swap"])
        if count < MIN_CONTROL_IDENTITIES:
            yield f"{axis or 'no axis'}: {count} control identities; a band needs {MIN_CONTROL_IDENTITIES}"


def _other_form(items: Sequence[Item]) -> Iterator[str]:
    """Identities whose neutral pairs differ in length otherwise than their harmful ones."""
    lengths: dict[tuple[str, str, str], dict[str, list[int]]] = {}
    for item in items:
        if item.role == "marked":
            who = (item.identity, item.axis, item.design)
            lengths.setdefault(who, {}).setdefault(item.valence, []).append(_longer(item))
    gaps = {
        who: mean(own["harm"]) - mean(own["neutral"]) for who, own in lengths.items() if {"harm", "neutral"} <= set(own)
    }
    for (identity, _, design), gap in _first((who, gap) for who, gap in gaps.items() if abs(gap) > FORM_TOLERANCE):
        name = identity or _NOBODY
        yield f"{name}: harmful sides are {gap:+.2f} words longer than neutral ones of the same form ({design})"


def _longer(item: Item) -> int:
    """Words of the harmful side minus those of the affirming one."""
    assert item.pair is not None
    harmful, affirming = (len(item.candidates[at].text.split()) for at in item.pair)
    return harmful - affirming


def _first(found: Iterable[_T]) -> list[_T]:
    return list(found)[:_SHOWN]
