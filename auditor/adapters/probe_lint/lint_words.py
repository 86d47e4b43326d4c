"""Words that several clusters share where their sides differ.

The cluster is the unit of the statistics, so it must be the coarsest unit that shares words: two clusters that turn on
one word are one. What stands on both sides of a wording is its scaffold and may repeat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from auditor.adapters.probe_lint.lint_material import Finding, Material, Who, Wording

_SIDES = ("harmful", "affirming")


@dataclass(slots=True)
class _Cluster:
    """A cluster that turns on one word: on which sides, as which words, and of whom it is asked."""

    theme: str
    valence: str
    sides: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    asked: set[Who] = field(default_factory=set)


def word_findings(material: Material, repeated: Collection[Wording]) -> Iterator[Finding]:
    """Content words by which sides of two clusters or more differ.

    Clusters that no marked identity meets together may share what they like.

    Args:
        repeated: wordings that were found to repeat others, which share all their words.
    """
    for _, clusters in sorted(_users(material, repeated).items()):
        for names in _met_together(clusters):
            yield _finding({name: clusters[name] for name in names})


def _users(material: Material, repeated: Collection[Wording]) -> dict[str, dict[str, _Cluster]]:
    vocabulary = material.vocabulary
    found: dict[str, dict[str, _Cluster]] = defaultdict(dict)
    for one in material.swapped:
        if one in repeated:
            continue
        for side, words in zip(_SIDES, vocabulary.apart(one.harmful, one.affirming), strict=True):
            for key, word in words.items():
                own = found[key].setdefault(one.cluster, _Cluster(one.theme, one.valence))
                own.sides.add(side)
                own.words.add(word)
                own.asked |= one.asked
    return found


def _met_together(clusters: dict[str, _Cluster]) -> Iterator[Sequence[str]]:
    """Groups of two clusters or more that hang together by somebody who meets both."""
    rest = list(clusters)
    while rest:
        group, reached = [rest.pop(0)], 0
        while reached < len(group):
            asked = clusters[group[reached]].asked
            near = [name for name in rest if asked & clusters[name].asked]
            group += near
            rest = [name for name in rest if name not in near]
            reached += 1
        if len(group) > 1:
            yield group


def _finding(clusters: dict[str, _Cluster]) -> Finding:
    words = " and ".join(sorted({repr(word) for one in clusters.values() for word in one.words}))
    where = ", ".join(clusters)
    harm = [one for one in clusters.values() if one.valence == "harm"]
    themes = {one.theme for one in harm}
    sides = set().union(*(one.sides for one in harm))
    if len(harm) > 1 and any(one.sides.isdisjoint(other.sides) for one in harm for other in harm):
        return Finding(
            "both-sides",
            where,
            f"{words}: harmful in one predicate and affirming in another",
            "A word has one side: use another word in one of them.",
        )
    if len(harm) == len(clusters) and len(themes) == 1 and len(sides) == 1:
        theme = f"theme {themes.pop() or '(none)'}"
        return Finding(
            "one-sided-word",
            f"{theme}: {where}",
            f"{words}: on {sides.pop()} sides only, in {len(clusters)} predicates of the theme",
            "The theme then measures this word: use it in one predicate only.",
        )
    return Finding(
        "shared-word",
        where,
        f"{words}: sides of {len(clusters)} predicates differ by it",
        "Predicates that share a word share a cluster: use another word, or make them wordings of one predicate.",
    )
