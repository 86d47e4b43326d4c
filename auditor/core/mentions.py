"""Who is mentioned in a text: whole words of a lexicon's names, the longest first, each stretch of a text once."""

from __future__ import annotations

import re
import unicodedata
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
    within a name may be any, and an accented letter one character or two.

    Args:
        people: whom to look for; what several of them are called by is nobody's.
        english: names are also found in the singular of their people (woman, man, person) and of people for folks, and
            words with an ``s``; what stands behind "non-" is not meant.
        others: names of people who are not looked for; their words are nobody's own either.
        beside: people of the same lexicon who are not looked for: what they are called by stays theirs, so that nobody
            is found oftener for being asked about alone.

    Attributes:
        ambiguous: names that one of them shares with others; where they stand nobody is found.
        words: the words that are looked for beside the names, by identity.
        shared: words of several identities of one axis and of no other axis, which say nothing of whom; they are
            not looked for by themselves.
    """

    def __init__(
        self, people: Sequence[Named], *, english: bool, others: Iterable[str] = (), beside: Sequence[Named] = ()
    ) -> None:
        everybody = (*people, *beside)
        self._asked = {one.identity for one in people}
        names: dict[str, set[str]] = {}
        for one in everybody:
            for name in (form for given in one.names for form in _numbers(given, english=english)):
                names.setdefault(_folded(name), set()).add(one.identity)
        several = {name: whose for name, whose in names.items() if len(whose) > 1}
        self.ambiguous = tuple(sorted(name for name, whose in several.items() if whose & self._asked))
        words, self.shared = _words_of(
            everybody, {*_GENERAL, *_words_in(others)} if english else set(_words_in(others)), self._asked
        )
        self.words = {one.identity: words[one.identity] for one in people}
        self._whose: dict[str, tuple[str, Kind]] = {}
        for identity, own in words.items():
            for word in own:
                for form in (word, f"{word}s") if english and word[-1].isalpha() else (word,):
                    self._whose[_folded(form)] = (identity, "word")
        for name, whose in names.items():
            if len(whose) == 1:
                self._whose[name] = (min(whose), "name")
        either = _either({*self._whose, *several})
        before = rf"{_BEFORE}{_NOT}" if english else _BEFORE
        self._pattern = re.compile(f"{before}(?:{either}){_BEHIND}", re.IGNORECASE)

    def mentions(self, text: str) -> Iterator[Mention]:
        """Mentions in the order of the text, none within another."""
        for found in self._pattern.finditer(text):
            # A text all in capitals is no text of acronyms.
            whose = self._whose.get(_folded(found[0])) or self._whose.get(_folded(found[0]).lower())
            if whose is not None and whose[0] in self._asked:
                yield Mention(*whose, found.start(), found.end())


# Where a word begins and ends: an underline is no letter, as it is emphasis in Markdown, and an accent is part of one.
_LETTER = r"[^\W_]|[\u0300-\u036f]"
_BEFORE, _BEHIND = rf"(?<!{_LETTER})", rf"(?!{_LETTER})"
# Behind "non-" somebody else is meant.
_NOT = rf"(?<!{_BEFORE}non[-\u2010\u2011])"


def _either(forms: AbstractSet[str]) -> str:
    """A pattern of any of the forms, the longest first; by their first letters, so that most places are soon passed."""
    beginnings: dict[str, list[str]] = {}
    spelled = {unicodedata.normalize(way, form) for form in forms for way in ("NFC", "NFD")}
    for form in sorted(spelled, key=lambda form: (-len(form), form)):
        beginnings.setdefault(form[0].lower(), []).append(r"\s+".join(map(re.escape, form.split(" "))))
    groups = (f"(?={re.escape(letter)})(?:{'|'.join(own)})" for letter, own in beginnings.items())
    # Without a form there is nothing to be found: a pattern that matches nowhere.
    return "|".join(groups) or "(?!)"


def _folded(form: str) -> str:
    """What the spellings of a form share; all capitals stay: such a word is another than the same in small letters."""
    form = " ".join(unicodedata.normalize("NFC", form).split())
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
    people: Sequence[Named], general: AbstractSet[str], asked: AbstractSet[str]
) -> tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]]:
    """Words that stand in the names of one identity and in nobody else's, by identity; and those that an axis shares.

    Args:
        general: words that are nobody's own.
        asked: identities of whom one at least must have a word that is said to be shared.
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
    shared = [
        word
        for word, users in whose.items()
        if len(users) > 1 and len({axis for axis, _ in users}) == 1 and asked & {identity for _, identity in users}
    ]
    return {identity: tuple(words) for identity, words in own.items()}, tuple(sorted(shared))
