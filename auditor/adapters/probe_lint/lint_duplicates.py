"""Wordings that stand twice, or nearly so.

Nearness is Jaccard similarity of character trigrams. Pairs that cannot be near are not compared: sets whose similarity
is at least t share one of their rarest |x| - ceil(t |x|) + 1 members (Bayardo, Ma & Srikant 2007, WWW, section 4).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import ceil

from auditor.adapters.probe_lint.lint_material import Finding, Material, Wording
from auditor.adapters.probe_lint.lint_text import SLOT, words_of

# From here on two wordings say nearly the same, as a whole and where their sides differ.
NEAR = 0.7

Trigrams = frozenset[str]


def duplicate_findings(material: Material) -> tuple[list[Finding], set[Wording]]:
    """What repeats, and the later wording of each pair that does."""
    findings: list[Finding] = []
    repeated: set[Wording] = set()
    texts = [_text(one) for one in material.wordings]
    # In an identity swap the scaffold is what is said: its pairs are near wherever two people are named.
    swapped = [at for at, one in enumerate(material.wordings) if one.design == "text_swap"]
    near = {(swapped[first], swapped[second]) for first, second in _near([texts[at] for at in swapped])}
    for first, second in sorted({*_same(texts), *near}):
        one, other = material.wordings[first], material.wordings[second]
        same = texts[first] == texts[second]
        if one.cluster == other.cluster:
            if same and _raw(one) != _raw(other):
                findings.append(_within(one, other))
        elif one.asked & other.asked and (same or _near_apart(one, other)):
            findings.append(_across(one, other, same=same))
            repeated.add(other)
    return findings, repeated


def _within(one: Wording, other: Wording) -> Finding:
    return Finding(
        "duplicate",
        f"{one.where} and {other.number}",
        f"{_raw(other)!r}: differs from the other in punctuation or capitals only",
        "A paraphrase says the same in other words: write one, or leave it out.",
    )


def _across(one: Wording, other: Wording, *, same: bool) -> Finding:
    return Finding(
        "duplicate" if same else "near-duplicate",
        f"{one.where}; {other.where}",
        f"{_raw(other)!r}: {'the same as' if same else 'much like'} {_raw(one)!r}",
        "Predicates count as independent: rewrite one of the two, or leave it out.",
    )


def _raw(one: Wording) -> str:
    return " / ".join(part.strip() for part in (one.harmful, one.affirming))


def _text(one: Wording) -> str:
    """All the wording says, in plain words."""
    parts = (SLOT.sub("", text) for text in (one.beside, one.harmful, one.affirming))
    return " | ".join(" ".join(words_of(part)) for part in parts)


def _near_apart(one: Wording, other: Wording) -> bool:
    """Whether what tells the sides apart is alike as well; a long scaffold makes all that stands on it alike."""
    own, others = (_trigrams(_apart(wording)) for wording in (one, other))
    return len(own & others) >= NEAR * len(own | others)


def _apart(one: Wording) -> str:
    harmful, affirming = Counter(words_of(one.harmful)), Counter(words_of(one.affirming))
    return f"{' '.join((harmful - affirming).elements())} | {' '.join((affirming - harmful).elements())}"


def _trigrams(text: str) -> Trigrams:
    padded = f"  {text} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def _same(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Positions of equal texts, the earlier first."""
    holders: dict[str, list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        yield from ((earlier, at) for earlier in holders[text])
        holders[text].append(at)


def _near(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Positions of near texts, the earlier first."""
    sets = [_trigrams(text) for text in texts]
    frequency = Counter(one for own in sets for one in own)
    holders: dict[str, list[int]] = defaultdict(list)
    for at, own in enumerate(sets):
        rarest = sorted(own, key=lambda one: (frequency[one], one))[: len(own) - ceil(NEAR * len(own)) + 1]
        for earlier in sorted({holder for one in rarest for holder in holders[one]}):
            if len(own & sets[earlier]) >= NEAR * len(own | sets[earlier]):
                yield earlier, at
        for one in rarest:
            holders[one].append(at)
