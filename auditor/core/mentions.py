"""Who is mentioned in a text: whole words of a lexicon's names, the longest first, each stretch of a text once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

# A ``name`` is a whole name of the lexicon, such as "Muslim people"; a ``word`` is one that stands in the names of one
# identity alone, such as "Muslim", and may mean something else where it stands by itself.
Kind = Literal["name", "word"]


@dataclass(frozen=True, slots=True)
class Named:
    """An identity and the words it is called by."""

    identity: str
    axis: str
    role: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """One stretch of a text, from ``start`` to ``end``, that mentions an identity."""

    identity: str
    kind: Kind
    start: int
    end: int


class Finder:
    """Finds mentions.

    Capitals make no difference, but to words that are all capitals: those are taken as they are written. White space
    within a name may be any.

    Args:
        people: whom to look for; what several of them are called by is nobody's.
        english: names are also found in the singular of their people (woman, man, person) and of people for folks, and
            words with an ``s``.
        others: names of people who are not looked for; their words are nobody's own either.

    Attributes:
        ambiguous: names that several identities share; where they stand nobody is found.
        words: the words that are looked for beside the names, by identity.
        shared: words of several identities of one axis and of no other axis, which say nothing of whom; they are
            not looked for by themselves.
    """

    def __init__(self, people: Sequence[Named], *, english: bool, others: Iterable[str] = ()) -> None:
        names: dict[str, set[str]] = {}
        for one in people:
            for name in (form for given in one.names for form in _numbers(given, english=english)):
                names.setdefault(_folded(name), set()).add(one.identity)
        self.ambiguous = tuple(sorted(name for name, whose in names.items() if len(whose) > 1))
        self.words, self.shared = _words_of(
            people, {*_GENERAL, *_words_in(others)} if english else set(_words_in(others))
        )
        self._whose: dict[str, tuple[str, Kind]] = {}
        for identity, words in self.words.items():
            for word in words:
                for form in (word, f"{word}s") if english and word[-1].isalpha() else (word,):
                    self._whose[_folded(form)] = (identity, "word")
        for name, whose in names.items():
            if len(whose) == 1:
                self._whose[name] = (min(whose), "name")
        either = _either({*self._whose, *self.ambiguous})
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)

    def mentions(self, text: str) -> Iterator[Mention]:
        """Mentions in the order of the text, none within another."""
        for found in self._pattern.finditer(text):
            # A text all in capitals is no text of acronyms.
            whose = self._whose.get(_folded(found[0])) or self._whose.get(" ".join(found[0].split()).lower())
            if whose is not None:
                yield Mention(*whose, found.start(), found.end())


def _either(forms: AbstractSet[str]) -> str:
    """A pattern of any of the forms, the longest first; by their first letters, so that most places are soon passed."""
    beginnings: dict[str, list[str]] = {}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        beginnings.setdefault(form[0].lower(), []).append(r"\s+".join(map(re.escape, form.split(" "))))
    groups = (f"(?={re.escape(letter)})(?:{'|'.join(own)})" for letter, own in beginnings.items())
    # Without a form there is nothing to be found: a pattern that matches nowhere.
    return "|".join(groups) or "(?!)"


def _folded(form: str) -> str:
    """What the spellings of a form share; all capitals stay: such a word is another than the same in small letters."""
    form = " ".join(form.split())
    return form if len(form) > 1 and form.isupper() else form.lower()


# English words that name people whoever they are.
_GENERAL = {
    *("a", "an", "and", "are", "has", "have", "in", "is", "of", "or", "the", "their", "who", "with"),
    *("folk", "folks", "guy", "guys", "man", "men", "people", "person", "persons", "woman", "women"),
}
# What one of them is called, and what else they may be called.
_SINGULAR = {"people": "person", "women": "woman", "men": "man", "guys": "guy"}
_ALSO = {"folks": "people"}


def _numbers(name: str, *, english: bool) -> Iterator[str]:
    """The name as given and, in English, of one of them: the first of its words that says how many."""
    yield name
    words = name.split()
    at = next((place for place, word in enumerate(words) if word in _SINGULAR or word in _ALSO), None)
    if not english or at is None:
        return
    word = _ALSO.get(words[at], words[at])
    yield " ".join([*words[:at], word, *words[at + 1 :]])
    verbs = {"are": "is", "have": "has"}
    yield " ".join([*words[:at], _SINGULAR[word], *(verbs.get(one, one) for one in words[at + 1 :])])


def _words_in(names: Iterable[str]) -> Iterator[str]:
    return (_folded(word) for name in names for word in name.replace(",", " ").split())


def _words_of(
    people: Sequence[Named], general: AbstractSet[str]
) -> tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]]:
    """Words that stand in the names of one identity and in nobody else's, by identity; and those that an axis shares.

    Args:
        general: words that are nobody's own.
    """
    whose: dict[str, set[tuple[str, str]]] = {}
    for one in people:
        for word in _words_in(one.names):
            if word not in general:
                whose.setdefault(word, set()).add((one.axis, one.identity))
    own: dict[str, list[str]] = {one.identity: [] for one in people}
    for word, users in whose.items():
        if len(users) == 1:
            ((_, identity),) = users
            own[identity].append(word)
    shared = [word for word, users in whose.items() if len(users) > 1 and len({axis for axis, _ in users}) == 1]
    return {identity: tuple(words) for identity, words in own.items()}, tuple(sorted(shared))
