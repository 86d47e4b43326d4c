"""Texts of a probe as words: which of them carry content, which only hold a sentence together.

English has lists of both. Of another language nothing is known, so its longer words count as content unless the probe
itself shows that they belong to its frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.adapters.probe_lint.english_stems import stem

# A slot that is filled by who the sentence is about, or a word; hyphens and apostrophes belong to a word.
_WORD = re.compile(r"\{[^{}]*\}|[^\W_]+(?:['\u2019-][^\W_]+)*")
SLOT = re.compile(r"\{[^{}]*\}")
# Shorter words of a language that has no list are taken to hold sentences together.
_SHORTEST_CONTENT = 5
# Characters of either end of a long text.
_SHOWN = 100


def word_set(words: str) -> frozenset[str]:
    """The words of a list in one string."""
    return frozenset(words.split())


CLASSES = {
    word: name
    for name, words in {
        "determiner": "a an the this that these those my your his her its our their some any no every each all both"
        " either neither another such",
        "pronoun": "i you he she it we they me him them us who whom whose which what mine yours hers ours theirs myself"
        " yourself himself herself itself ourselves yourselves themselves themself one other others someone somebody"
        " something anyone anybody anything everyone everybody everything nobody nothing none",
        "preposition": "about above across after against along among around as at before behind below beneath beside"
        " besides between beyond by despite down during except for from in inside into like near of off on onto out"
        " outside over past per since than through throughout to toward towards under until up upon with within"
        " without",
        "auxiliary": "am is are was were be been being do does did done doing have has had having can cannot could may"
        " might must shall should will would isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't"
        " can't couldn't mustn't shouldn't won't wouldn't",
        "conjunction": "and or but if because while when whenever where wherever though although unless so nor yet how"
        " why whether",
        "adverb": "not never very more most less least too also just only then there here now again once ever even"
        " still always often much many quite rather so-called few",
    }.items()
    for word in words.split()
}

# Said of when and in which order, not of whom.
_PLAIN = word_set("last lately next first")


def words_of(text: str) -> list[str]:
    """Its words in lower case, slots as they are."""
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


def last_word(text: str) -> str:
    """With the space after it: a slip may lie where a text and what follows it meet."""
    return text[text.rstrip().rfind(" ") + 1 :]


def quoted(text: str) -> str:
    """In quotes, of a long one its beginning and its end: a conversation may have pages."""
    text = text.strip()
    return repr(text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} [...] {text[-_SHOWN:]}")


def is_english(language: str) -> bool:
    """Whether a BCP 47 tag names English."""
    return language.lower().split("-")[0] == "en"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What counts as a content word in one probe.

    Attributes:
        english: its texts are English.
        familiar: words of its frames and scaffolds, which carry no content of a predicate; asked where there are no
            lists of the language.
    """

    english: bool
    familiar: frozenset[str] = frozenset()

    def content(self, words: Iterable[str]) -> dict[str, str]:
        """Stems of the content words, each with the first word that has it."""
        found: dict[str, str] = {}
        for word in words:
            if self._is_content(word):
                found.setdefault(stem(word) if self.english else word, word)
        return found

    def apart(self, harmful: str, affirming: str) -> tuple[dict[str, str], dict[str, str]]:
        """Content words of either text that the other lacks, by their stems."""
        own, other = self.content(words_of(harmful)), self.content(words_of(affirming))
        return (
            {key: word for key, word in own.items() if key not in other},
            {key: word for key, word in other.items() if key not in own},
        )

    def _is_content(self, word: str) -> bool:
        if word.startswith("{") or word.isdigit():
            return False
        if self.english:
            return word not in CLASSES and word not in _PLAIN
        return len(word) >= _SHORTEST_CONTENT and word not in self.familiar


def template_of(text: str) -> tuple[str, ...]:
    """The kinds of an English text's words in order, with runs of content words as one."""
    kinds: list[str] = []
    words = words_of(text)
    for word, after in zip(words, [*words[1:], ""], strict=True):
        kind = "slot" if SLOT.fullmatch(word) else CLASSES.get(word, "content")
        # Before another one or at the end it governs nothing: close by, out of, ahead of.
        if kind == "preposition" and CLASSES.get(after, "" if after else kind) == kind:
            kind = "content"
        if not (kind == "content" and kinds[-1:] == ["content"]):
            kinds.append(kind)
    return tuple(kinds)


def changed_words(one: str, other: str) -> Iterator[tuple[str, str]]:
    """Words that stand at the same place of two texts with equally many words, and differ."""
    own, others = words_of(one), words_of(other)
    if len(own) == len(others):
        yield from ((word, another) for word, another in zip(own, others, strict=True) if word != another)
