"""Sides of one wording that differ in more than what they say: length, negation, template, register.

An identity's words shift everything that follows, so whatever else tells the two sides apart is read as harm.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from auditor.adapters.probe_files.probe_checks import FORM_TOLERANCE as WORD_TOLERANCE
from auditor.adapters.probe_lint.lint_material import Finding, Material, Wording
from auditor.adapters.probe_lint.lint_text import SLOT, changed_words, template_of, word_set, words_of
from auditor.core.control_checks import FORM_TOLERANCE

# Lengths of many texts in one unit.
Lengths = Callable[[Sequence[str]], Sequence[int]]

_NEGATIONS = word_set("not no never none nobody nothing nor neither cannot without hardly barely scarcely")
_NEGATING_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "non-")
_CONTRACTION = re.compile(
    r"\b\w+n['\u2019]t\b|\b\w+['\u2019](?:re|ve|ll|m|d)\b|\b(?:it|he|she|that|there|what|who|here|let)['\u2019]s\b",
    re.IGNORECASE,
)
_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
_CASUAL = word_set(
    "ain't bro cool crap damn dude folks gonna gotta guy guys heck kid kids kinda lol lots ok okay sorta stuff"
    " sucks super totally wanna yeah yep yup"
)
_FORMAL = word_set(
    "accordingly albeit commence endeavour endeavor furthermore hence henceforth heretofore hitherto moreover"
    " nevertheless nonetheless notwithstanding pursuant regarding thereby therefore thus upon whereas whereby whom"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """What length is counted in, and how much the sides may differ.

    Attributes:
        lengths: of texts.
        single: most by which the sides of one wording may differ.
        average: most by which the sides of a theme's wordings may differ on average.
        twins: most by which that average may differ from the neutral twins'.
    """

    name: str
    lengths: Lengths
    single: int
    average: float
    twins: float


WORDS = Unit("words", lambda texts: [len(text.split()) for text in texts], 1, 0.25, WORD_TOLERANCE)
CHARACTERS = Unit("characters", lambda texts: [len(text) for text in texts], 8, 1.5, 3.0)
TOKEN_BOUNDS = (3, 0.5, FORM_TOLERANCE)


def side_findings(material: Material, units: Sequence[Unit]) -> Iterator[Finding]:
    """Wordings and themes whose sides differ in form."""
    for unit in units:
        yield from _length_findings(material.swapped, unit)
    for one in material.swapped:
        yield from _differing_marks(one, english=material.english)
        if material.english:
            yield from _negation_findings(one)
            if template_of(one.harmful) != template_of(one.affirming):
                yield Finding(
                    "template",
                    one.where,
                    f"{_both(one)}: the sides are built differently",
                    "Give both sides the same frame of articles, pronouns and prepositions.",
                )


def _both(one: Wording) -> str:
    return f"{one.harmful.strip()!r} / {one.affirming.strip()!r}"


def _length_findings(wordings: Sequence[Wording], unit: Unit) -> Iterator[Finding]:
    alike = [one for one in wordings if sorted(SLOT.findall(one.harmful)) == sorted(SLOT.findall(one.affirming))]
    lengths = iter(unit.lengths([SLOT.sub("", text) for one in alike for text in (one.harmful, one.affirming)]))
    differences = [harmful - affirming for harmful, affirming in zip(lengths, lengths, strict=True)]
    themes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one, longer in zip(alike, differences, strict=True):
        themes[one.theme, one.valence].append(longer)
        if abs(longer) > unit.single:
            yield Finding(
                "length",
                one.where,
                f"{_both(one)}: the harmful side is {longer:+d} {unit.name} longer",
                f"Let the sides differ by at most {unit.single}.",
            )
    means = {part: mean(found) for part, found in themes.items()}
    for (theme, valence), longer_by in means.items():
        where = f"theme {theme or '(none)'}"
        if abs(longer_by) > unit.average:
            yield Finding(
                "mean-length",
                f"{where}, {valence}",
                f"harmful sides are {longer_by:+.2f} {unit.name} longer on average",
                f"Lengthen some of the shorter sides until the mean is within {unit.average:g}.",
            )
        gap = longer_by - means.get((theme, "neutral"), longer_by)
        if abs(gap) > unit.twins:
            yield Finding(
                "control-length",
                where,
                f"harmful sides are longer by {gap:+.2f} {unit.name} than those of the neutral twins",
                f"Twins more than {unit.twins:g} off are no controls: bring both means nearer to 0.",
            )


def _negation_findings(one: Wording) -> Iterator[Finding]:
    counts = [sum(word in _NEGATIONS or word.endswith("n't") for word in words_of(side)) for side in _sides(one)]
    prefixed = next(
        (pair for pair in changed_words(*_sides(one)) if _negates(*pair) or _negates(*reversed(pair))), None
    )
    if counts[0] != counts[1] or prefixed:
        what = "one side is negated and the other is not" if counts[0] != counts[1] else "one word negates the other"
        yield Finding(
            "negation", one.where, f"{_both(one)}: {what}", "Say the opposite with a word of its own, or negate both."
        )


def _sides(one: Wording) -> tuple[str, str]:
    return one.harmful, one.affirming


def _negates(word: str, other: str) -> bool:
    return any(word == prefix + other for prefix in _NEGATING_PREFIXES)


def _differing_marks(one: Wording, *, english: bool) -> Iterator[Finding]:
    marks: Mapping[str, Callable[[str], int]] = {
        "exclamation marks": lambda text: text.count("!"),
        "question marks": lambda text: text.count("?"),
        "words in capitals": lambda text: len(_CAPITALS.findall(text)),
        "closing marks": lambda text: int(text.rstrip()[-1:] in ".!?…"),
    }
    if english:
        marks = {
            **marks,
            "contractions": lambda text: len(_CONTRACTION.findall(text)),
            "casual words": lambda text: sum(word in _CASUAL for word in words_of(text)),
            "formal words": lambda text: sum(word in _FORMAL for word in words_of(text)),
        }
    for name, count in marks.items():
        own, other = (count(side) for side in _sides(one))
        if own != other:
            yield Finding(
                "register",
                one.where,
                f"{_both(one)}: {own} {name} on the harmful side, {other} on the other",
                "Write both sides in one register.",
            )
