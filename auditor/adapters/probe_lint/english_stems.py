"""Stems of English words: what a word shares with its inflections and near derivations.

Suffixes are taken off as long as one can be. Where a short stem has lost an e or doubled a consonant before its suffix,
that is undone (Porter 1980, Program 14:3, step 1b), so that planes are no plans and scars do not scare.
"""

from __future__ import annotations

import re

# Suffix, least letters that must be left, and what takes its place; longest first.
_SUFFIXES = (
    ("fulness", 3, ""), ("fully", 3, ""), ("ingly", 3, ""), ("ously", 5, ""), ("ments", 5, ""), ("edly", 3, ""),
    ("ings", 3, ""), ("ment", 5, ""), ("ness", 3, ""), ("ing", 3, ""), ("ied", 3, "i"), ("ies", 3, "i"),
    ("ily", 3, "i"), ("ers", 3, ""), ("ful", 3, ""), ("ous", 5, ""), ("ed", 3, ""), ("er", 3, ""), ("ly", 3, ""),
)  # fmt: skip
_VERBAL = frozenset({"ingly", "edly", "ings", "ing", "ers", "er", "ed"})
# As in cheer, freed and news.
_NO_SUFFIXES = ("eer", "eers", "eed", "news")
_VOWEL = re.compile(r"[aeiouy]")
# A syllable or none before one vowel and one consonant, as in plan, tak(e) and scar.
_SHORT = re.compile(r"[^aeiouy]*[aeiouy][^aeiouywx]")
_DOUBLED = re.compile(r"([^aeioulsz])\1$")
_PLURAL_AFTER_HISS = re.compile(r"(?:ss|x|z|ch|sh)es$")


def stem(word: str) -> str:
    """The stem of a word in lower case: danger of dangerous, take of takers."""
    word = word.removesuffix("'s")
    shorter = _shorter(word)
    while shorter != word:
        word, shorter = shorter, _shorter(shorter)
    return word


def _shorter(word: str) -> str:
    for suffix, least, instead in _SUFFIXES:
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= least and _VOWEL.search(rest) and not word.endswith(_NO_SUFFIXES):
            return _restored(rest) if suffix in _VERBAL else rest + instead
    if len(word) > 3 and not word.endswith(("ss", "us", "is", "news")):
        if word.endswith("s"):
            return word[:-2] if _PLURAL_AFTER_HISS.search(word) else word[:-1]
        if word.endswith("e") and not _SHORT.fullmatch(word[:-1]):
            return word[:-1]
        if word.endswith("y") and not _VOWEL.match(word[-2]):
            return f"{word[:-1]}i"
    return word


def _restored(rest: str) -> str:
    if _DOUBLED.search(rest):
        return rest[:-1]
    return f"{rest}e" if _SHORT.fullmatch(rest) else rest
