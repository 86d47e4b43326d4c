"""What is linted: a probe's wordings, people and texts, each once, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.adapters.probe_lint.lint_text import Vocabulary, is_english, words_of

# An axis and an identity on it.
Who = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a probe's texts.

    Attributes:
        rule: its kind, such as ``one-sided-word``.
        where: predicate and wording, frame, identity or theme.
        what: what is wrong there.
        fix: what mends it.
    """

    rule: str
    where: str
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Wording:
    """One pair of texts as it is written; slots that an identity fills stay in it, such as ``{people}``.

    Attributes:
        number: which of its cluster's paraphrases it is, "" where rows do not say.
        beside: what else it says: its prefix and its words for other slots of the frames.
        contexts: names of frames, each with what it puts before the two sides.
        asked: marked identities that it is asked of.
    """

    theme: str
    cluster: str
    number: str
    valence: str
    design: str
    harmful: str
    affirming: str
    beside: str
    contexts: tuple[tuple[str, str], ...]
    asked: frozenset[Who]

    @property
    def where(self) -> str:
        """Predicate and wording."""
        return f"{self.cluster}, wording {self.number}" if self.number else self.cluster


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a probe is asked of one identity.

    Attributes:
        part: axis, theme, design, valence and role; whoever is asked in one part is to be asked alike.
        rows: wordings, frames and forms in which it is asked.
        forms: of its name.
        keys: match keys.
    """

    part: tuple[str, ...]
    identity: str
    rows: int
    forms: int
    keys: int


@dataclass(frozen=True, slots=True)
class Material:
    """All of one probe that is looked at.

    Attributes:
        language: BCP 47; "" where none is named.
        names: the words that name each marked identity.
        texts: everything it says, each text once, with where it stands.
    """

    language: str
    wordings: tuple[Wording, ...]
    names: Mapping[Who, tuple[str, ...]]
    shares: tuple[Share, ...]
    texts: Mapping[str, str]

    @property
    def english(self) -> bool:
        """Whether the checks of English apply."""
        return is_english(self.language)

    @property
    def swapped(self) -> tuple[Wording, ...]:
        """Wordings whose two sides must match: two texts about one identity.

        In the other designs the sides are held against themselves (a baseline), or differ in the identity.
        """
        return tuple(one for one in self.wordings if one.design == "text_swap")

    @property
    def vocabulary(self) -> Vocabulary:
        """What counts as a content word in it."""
        familiar: set[str] = set()
        for one in self.swapped:
            familiar.update(set(words_of(one.harmful)) & set(words_of(one.affirming)))
            for _, text in one.contexts:
                familiar.update(words_of(text))
        return Vocabulary(self.english, frozenset(familiar))
