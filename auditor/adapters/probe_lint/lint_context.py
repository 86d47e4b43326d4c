"""A context that gives the answer away: words of one side stand in what comes before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditor.adapters.probe_lint.lint_material import Finding, Material, Who, Wording
from auditor.adapters.probe_lint.lint_text import Vocabulary, words_of


def context_findings(material: Material) -> Iterator[Finding]:
    """Wordings of which one side, and not the other, repeats a word of its context or of an identity's name."""
    # Not the material's: a word of a context is what is looked for.
    vocabulary = Vocabulary(material.english)
    names = {who: " ".join(words) for who, words in material.names.items()}
    known: dict[str, frozenset[str]] = {}
    for one in material.swapped:
        apart = vocabulary.apart(one.harmful, one.affirming)
        for place, text in _places(one, names):
            if text not in known:
                known[text] = frozenset(vocabulary.content(words_of(text)))
            harmful, affirming = ([word for key, word in side.items() if key in known[text]] for side in apart)
            if bool(harmful) != bool(affirming):
                side = "harmful" if harmful else "affirming"
                words = ", ".join(repr(word) for word in harmful or affirming)
                yield Finding(
                    "answer-in-context",
                    f"{one.where}, {place}",
                    f"what comes before holds {words}, which the {side} side alone goes on with",
                    "Use another word, or do not ask this there.",
                )
                break


def _places(one: Wording, names: Mapping[Who, str]) -> Iterator[tuple[str, str]]:
    for frame, text in one.contexts:
        yield f"frame {frame}" if frame else "its context", text
    for axis, identity in sorted(one.asked):
        yield f"{identity} ({axis})" if axis else identity, names[axis, identity]
