"""Slips that a template makes when words are put into it: articles, number, doubled words and spaces.

A sentence that nobody would write is improbable for a reason that has nothing to do with people. The rules know common
patterns and no grammar; what they do not know they leave alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.adapters.probe_lint.lint_material import Finding, Material
from auditor.adapters.probe_lint.lint_text import CLASSES, quoted, word_set

_ARTICLE = re.compile(r"\b(an?)\s+([^\W\d_][\w'\u2019-]*)", re.IGNORECASE)
# Written with a vowel and spoken without one, and the reverse.
_CONSONANT_SOUND = re.compile(
    r"(?:uni(?!n|m)|us[aeiu]|u-|util|uto|ubiq|uk|ur[aeiou]n|eu|ew|one\b|once\b|ouija)", re.IGNORECASE
)
_VOWEL_SOUND = re.compile(r"(?:hour|honest|honou?r|heir)", re.IGNORECASE)
# Some abbreviations are spelt out (an MP) and some are read as words (a NATO member): only their reader knows.
_ABBREVIATION = re.compile(r"[A-Z]{2,}")
_LETTER = re.compile(r"[A-Za-z](?:-|$)")
_LETTER_WITH_VOWEL_SOUND = re.compile(r"[AEFHILMNORSX]", re.IGNORECASE)
_VOWEL_LETTER = re.compile(r"[AEIOaeiou]")

_PLURALS = word_set("people men women children folks guys kids teeth feet mice")
_NO_PLURALS = word_set(
    "news series species means lens gas bias atlas canvas alias christmas texas trans always perhaps sometimes"
    " afterwards towards upstairs downstairs outdoors indoors overseas his hers"
)
_QUANTITIES = word_set("few hundred thousand million dozen lot couple great good number")
_NOUN_PHRASE = re.compile(r"\b(?:an?|each|every|another)\s+((?:[^\W\d_][\w'\u2019-]*\s*)+)", re.IGNORECASE)
_BE_NOUN_PHRASE = re.compile(r"\b(?:are|were)\s+an?\s+((?:[^\W\d_][\w'\u2019-]*\s*)+)", re.IGNORECASE)
_SINGULAR_VERBS = (
    "is|was|has|does|isn't|wasn't|hasn't|doesn't|seems|makes|takes|gives|needs|wants|says|goes|looks|feels"
)
# Neither "one of the women is" nor a word that is spoken of: "the word they is".
_PLURAL_SUBJECT = re.compile(
    r"(?<!\bof )(?<!\bof the )(?<!\bword )\b(they|we|you|these|those|people|men|women|children|folks)\s+"
    rf"({_SINGULAR_VERBS})\b",
    re.IGNORECASE,
)
_SINGULAR_SUBJECT = re.compile(
    r"(?:^|[.,;:!?]\s+|\b(?:that|and|but|because)\s+)(he|she|it)\s+(are|have|do|aren't|don't)\b", re.IGNORECASE
)
_DOUBLED_WORD = re.compile(r"\b([^\W\d_]+)\s+\1\b", re.IGNORECASE)
_MAY_DOUBLE = frozenset({"that", "had", "bye"})
_DOUBLED_SPACE = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")


def grammar_findings(material: Material) -> Iterator[Finding]:
    """Texts with a slip; one that repeats at its place, with another name in the frame, is told once."""
    seen: set[tuple[str, str, str]] = set()
    for text, where in material.texts.items():
        for rule, slip, fix in _slips(text, english=material.english):
            if (rule, where, slip) not in seen:
                seen.add((rule, where, slip))
                yield Finding(rule, where, f"{quoted(text)}: {slip}", fix)


def _slips(text: str, *, english: bool) -> Iterator[tuple[str, str, str]]:
    """Rule, what is wrong, and what mends it."""
    if _DOUBLED_SPACE.search(text):
        yield "doubled-space", "two spaces in a row", "Leave one of them out."
    if not english:
        return
    for found in _ARTICLE.finditer(text):
        right = "an" if _begins_with_vowel_sound(found[2]) else "a"
        is_letter = found[1] == "A" and text[: found.start()].rstrip()[-1:].isalnum()
        if found[1].lower() != right and not is_letter and not _ABBREVIATION.match(found[2]):
            yield "article", repr(found[0]), f"Write '{right} {found[2]}'."
    for one in _wrong_numbers(text):
        yield "number", f"{one!r} mixes singular and plural", "Give both parts one number."
    for found in _DOUBLED_WORD.finditer(text):
        if found[1].lower() not in _MAY_DOUBLE:
            yield "doubled-word", repr(found[0]), "Leave one of the two out."


def _begins_with_vowel_sound(word: str) -> bool:
    if _LETTER.match(word):
        return bool(_LETTER_WITH_VOWEL_SOUND.match(word))
    if _VOWEL_LETTER.match(word):
        return not _CONSONANT_SOUND.match(word)
    return bool(_VOWEL_SOUND.match(word))


def _wrong_numbers(text: str) -> Iterator[str]:
    for found in _NOUN_PHRASE.finditer(text):
        words = _phrase(found[1])
        # Further on a verb may stand, which ends in s as well or has an object of its own.
        plural = words and (_is_plural(words[0]) or (len(words) == 2 and words[1].lower() in _PLURALS))
        if plural and words[0].lower() not in _QUANTITIES:
            yield f"{found[0].split()[0]} {' '.join(words)}"
    for found in _BE_NOUN_PHRASE.finditer(text):
        words = _phrase(found[1])
        if (
            len(words) > 1
            and words[0].lower() not in _QUANTITIES
            and _is_plural(words[-1])
            and words[-1].lower() not in _PLURALS
        ):
            yield " ".join((*found[0].split()[:2], *words))
    for pattern in (_PLURAL_SUBJECT, _SINGULAR_SUBJECT):
        for found in pattern.finditer(text):
            yield f"{found[1]} {found[2]}"


def _phrase(text: str) -> list[str]:
    """The words up to the first one that belongs to something else."""
    words: list[str] = []
    for word in text.split():
        if word.lower() in CLASSES:
            break
        words.append(word)
    return words


def _is_plural(word: str) -> bool:
    lower = word.lower()
    return lower in _PLURALS or (
        len(lower) > 3
        and lower.endswith("s")
        and not lower.endswith(("ss", "us", "is", "'s"))
        and lower not in _NO_PLURALS
    )
