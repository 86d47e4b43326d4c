"""Words of a text, where two texts share them, and what part each plays in an item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from auditor.core.items import Item

# What a word is to its item; ``end`` closes the turn and is no word.
WordRole = Literal["identity", "predicate", "pronoun", "frame", "punctuation", "end"]
WORD_ROLES: tuple[WordRole, ...] = ("identity", "predicate", "pronoun", "frame", "punctuation", "end")

# Letters, digits and what joins them into one word; any other run of signs is punctuation.
_WORD = re.compile(r"\w+(?:['\u2019.\-]\w+)*|[^\w\s]+")
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
    return tuple(Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text))


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
    text = item.candidates[side].text
    words, others = words_of(text), words_of(item.candidates[other].text)
    shared = {at for at, _ in shared_words(words, others)}
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
    pattern = rf"(?<!\w){re.escape(surface.strip())}(?!\w)"
    return tuple((found.start(), found.end()) for found in re.finditer(pattern, text, re.IGNORECASE))


def _role(word: Word, own: WordRole, named: Sequence[tuple[int, int]], language: str) -> WordRole:
    if any(start < word.end and word.start < end for start, end in named):
        return "identity"
    if word.is_punctuation:
        return "punctuation"
    pronouns = _PRONOUNS.get(language.split("-")[0].lower() or "en", frozenset())
    return "pronoun" if word.text.lower() in pronouns else own
