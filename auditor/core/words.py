"""Words of a text, where two texts share them, and what part each plays in an item."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from auditor.core.items import Item

# What a word is to its item; ``end`` closes the turn and is no word.
WordRole = Literal["identity", "predicate", "pronoun", "frame", "punctuation", "end"]
WORD_ROLES: tuple[WordRole, ...] = ("identity", "predicate", "pronoun", "frame", "punctuation", "end")

# Letters, digits and what joins them into one word, the joiners of Persian and Indic scripts among it; any other run of
# signs is punctuation.
_WORD = re.compile(r"\w+(?:['\u2019.\-\u200c\u200d]\w+)*|[^\w\s]+")
# Third person only: these are the words by which somebody is gendered. Forms of neopronouns after the families of
# MISGENDERED (Hossain et al. 2023) and TANGO (Ovalle et al. 2023).
_ENGLISH = (
    *("he", "him", "his", "himself", "she", "her", "hers", "herself"),
    *("they", "them", "their", "theirs", "themself", "themselves"),
    *("xe", "xem", "xyr", "xyrs", "xemself", "ey", "em", "eir", "eirs", "eirself", "emself"),
    *("fae", "faer", "faers", "faerself", "faeself", "ze", "zie", "hir", "hirs", "hirself"),
    *("zir", "zirs", "zirself", "thon", "thons", "thonself", "ae", "aer", "aers", "aerself"),
    *("co", "cos", "coself", "vi", "vir", "virs", "virself"),
)
_PRONOUNS: Mapping[str, frozenset[str]] = {"en": frozenset(_ENGLISH)}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        start: its first character; ``end``: one past its last.
    """

    text: str
    start: int
    end: int

    @property
    def is_punctuation(self) -> bool:
        """Whether it holds no letter and no digit."""
        return not any(character.isalnum() for character in self.text)


def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text, in order; scripts that write no spaces give whole stretches as one word."""
    spans = (found.span() for found in _WORD.finditer(_with_letters_for_marks(text)))
    return tuple(Word(text[start:end], start, end) for start, end in spans)


def shared_words(one: Sequence[Word], other: Sequence[Word]) -> tuple[tuple[int, int], ...]:
    """Places of the words that two texts share in the same order, by the longest common stretches.

    Returns:
        (place in ``one``, place in ``other``), both rising.
    """
    matcher = SequenceMatcher(None, [word.text for word in one], [word.text for word in other], autojunk=False)
    return tuple(
        (block.a + step, block.b + step) for block in matcher.get_matching_blocks() for step in range(block.size)
    )


def candidate_roles(item: Item, side: int, other: int) -> tuple[tuple[Word, WordRole], ...]:
    """Words of one candidate of a pair and the part each plays.

    Where a text is swapped (``text_swap`` and the like), the predicate is what the two sides do not share; where the
    identity is, that is the identity and what they share is the predicate.

    Args:
        side: position of the candidate; ``other``: of the one it is held against.
    """
    text, beside = item.candidates[side].text, item.candidates[other].text
    words = words_of(text)
    # The two are asked in one order: of stretches of equal length another is taken the other way round.
    pairs = shared_words(*map(words_of, sorted((text, beside))))
    shared = {both[text > beside] for both in pairs}
    swap = item.design == "identity_swap"
    both: WordRole = "predicate" if swap else "frame"
    alone: WordRole = "identity" if swap else "predicate"
    named = surface_places(text, item.surface)
    roles = [both if at in shared else alone for at in range(len(words))]
    return tuple((word, _role(word, own, named, item.language)) for word, own in zip(words, roles, strict=True))


def context_roles(item: Item) -> tuple[tuple[Word, WordRole], ...]:
    """Words of an item's context and prefix and the part each plays."""
    text = item.context + item.prefix
    named = surface_places(text, item.surface)
    return tuple((word, _role(word, "frame", named, item.language)) for word in words_of(text))


def surface_places(text: str, surface: str) -> tuple[tuple[int, int], ...]:
    """Where a text names an identity, as (start, end); whole words, whatever their case."""
    if not surface.strip():
        return ()
    plain = _with_letters_for_marks(text)
    places: list[tuple[int, int]] = []
    # Looked for at every character: one that is part of a longer word may overlap one that is not.
    for found in re.finditer(f"(?=({re.escape(surface.strip())}))", text, re.IGNORECASE):
        start, end = found.span(1)
        if _stands_alone(plain, start, end) and start >= (places[-1][1] if places else 0):
            places.append((start, end))
    return tuple(places)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no word goes on before or behind a stretch."""
    return not (_is_of_word(text[start - 1 : start]) or _is_of_word(text[end : end + 1]))


def _with_letters_for_marks(text: str) -> str:
    """The text with a letter for every mark that stands on one.

    Accents by themselves and the vowel signs of Indic scripts belong to the word, but are no letters to `re`.
    """
    if text.isascii():
        return text
    found: list[str] = []
    for sign in text:
        follows = bool(found) and _is_of_word(found[-1])
        found.append("x" if follows and unicodedata.category(sign).startswith("M") else sign)
    return "".join(found)


def _is_of_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _role(word: Word, own: WordRole, named: Sequence[tuple[int, int]], language: str) -> WordRole:
    if any(start < word.end and word.start < end for start, end in named):
        return "identity"
    if word.is_punctuation:
        return "punctuation"
    pronouns = _PRONOUNS.get(language.split("-")[0].lower() or "en", frozenset())
    return "pronoun" if word.text.lower() in pronouns else own
