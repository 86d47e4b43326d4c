"""A pair with words left out, or with somebody else named in it: what ablation and Shapley values ask about.

A word goes with the white space before it, and a text that loses its first words begins as it did. The identity is one
unit wherever it stands, candidates included: without it the pair is its reference row, letter by letter, or names a
neutral term where it has none. Otherwise candidates stay as they are, for they are what is explained.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TypeAlias

from auditor.core.attributions import Unit
from auditor.core.items import Candidate, Item, Message
from auditor.core.scores import Render
from auditor.core.words import candidate_roles, context_roles, surface_places, words_of

NEUTRAL = "people"
# Where a word stands: which of the item's texts, and which of its words. Context and prefix are the first two texts.
_Spot: TypeAlias = tuple[int, int]
_CONTEXT, _PREFIX = 0, 1
# The identity may stand in many places, and its unit in none of them.
_IDENTITY: _Spot = (-1, -1)
# The owner of a piece that is never left out.
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class _Swap:
    """Somebody else's name: pieces from ``first`` to before ``end`` read ``text`` instead."""

    first: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Text:
    """One text of an item in pieces.

    Attributes:
        pieces: each word with the white space before it, and the white space after the last.
        owners: place of the unit that each piece belongs to, -1 for none.
    """

    pieces: tuple[str, ...]
    owners: tuple[int, ...]
    swaps: tuple[_Swap, ...]

    def without(self, words: Collection[int], *, swapped: bool) -> str:
        """The text without the words of these units, and with the other name where that is asked for."""
        chunks: list[str] = []
        swaps = {swap.first: swap for swap in self.swaps} if swapped else {}
        covered = 0
        for at, piece in enumerate(self.pieces):
            if at in swaps:
                covered = swaps[at].end
                chunks += [swaps[at].text] if swaps[at].text else []
            if at >= covered and self.owners[at] not in words:
                chunks.append(piece)
        if self.owners[0] in words and 0 not in swaps and len(chunks) > 1:
            first = self.pieces[0]
            chunks[0] = first[: len(first) - len(first.lstrip())] + chunks[0].lstrip()
        return "".join(chunks)


@dataclass(frozen=True, slots=True)
class WordEdits:
    """One pair and everything that may be taken out of it.

    Attributes:
        units: the words of context and prefix, the identity one of them; then those words of the candidates that may
            be left out alone, since something is left of the candidate.
        players: how many units stand in the context, the identity included; any of these may be absent together.
        identity: place of the identity among the units, -1 where the pair names none.
    """

    item: Item
    units: tuple[Unit, ...]
    players: int
    identity: int
    texts: tuple[_Text, ...]

    def without(self, absent: Collection[int]) -> Item:
        """The pair with these units, by place, left out or replaced; its id stays."""
        words = {one for one in absent if one != self.identity}
        texts = [text.without(words, swapped=self.identity in absent) for text in self.texts]
        return _with_texts(self.item, texts)


def word_edits(item: Item, reference: Item | None, render: Render, neutral: str = NEUTRAL) -> WordEdits:
    """What may be taken out of a pair.

    Args:
        reference: the row it becomes when its identity is taken out; None for none.
        render: in a chat, earlier turns take the place of the context, whose words then play no part.
        neutral: stands in for the identity where there is no reference row of the same shape.

    Raises:
        ValueError: the item is no pair.
    """
    if item.pair is None:
        raise ValueError("only pairs have words that carry a margin")
    other = _counterpart(item, reference, neutral)
    texts = _texts_of(item)
    swaps = [_swaps(*both) for both in zip(texts, _texts_of(other), strict=True)]
    unread = {_CONTEXT} if render != "plain" and item.messages else set()
    named = {
        (field, place)
        for field, (text, own) in enumerate(zip(texts, swaps, strict=True))
        if field not in unread
        for place in _named(text, own, item.surface)
    }
    context = [(unit, spot) for unit, spot in _context_words(item) if spot[0] not in unread]
    changes = [swap for field, own in enumerate(swaps) if field not in unread for swap in own]
    players = context
    if named or changes:
        read_from = len(item.context) if unread else 0
        naming = [unit for unit, spot in context if spot in named]
        players = _with_one_identity(context, named, _identity_unit(item, other, naming, read_from, changes))
    players = [(replace(unit, number=at), spot) for at, (unit, spot) in enumerate(players)]
    everything = [*players, *_candidate_words(item, named)]
    owners = {spot: at for at, (_, spot) in enumerate(everything)}
    return WordEdits(
        item,
        tuple(unit for unit, _ in everything),
        len(players),
        owners.get(_IDENTITY, -1),
        tuple(
            _Text(pieces, tuple(owners.get((field, at), _NOBODY) for at in range(len(pieces))), own)
            for field, (pieces, own) in enumerate(zip(map(_pieces, texts), swaps, strict=True))
        ),
    )


def _texts_of(item: Item) -> tuple[str, ...]:
    """Context, prefix, earlier turns and candidates, in this order."""
    turns = (message.content for message in item.messages)
    return (item.context, item.prefix, *turns, *(candidate.text for candidate in item.candidates))


def _with_texts(item: Item, texts: Sequence[str]) -> Item:
    turns, candidates = texts[2 : 2 + len(item.messages)], texts[2 + len(item.messages) :]
    return replace(
        item,
        context=texts[_CONTEXT],
        prefix=texts[_PREFIX],
        messages=tuple(Message(one.role, text) for one, text in zip(item.messages, turns, strict=True)),
        candidates=tuple(Candidate(one.label, text) for one, text in zip(item.candidates, candidates, strict=True)),
    )


def _counterpart(item: Item, reference: Item | None, neutral: str) -> Item:
    """The pair about somebody else; a reference row is its own."""
    if item.role == "reference":
        return item
    if reference is not None and _shape(reference) == _shape(item):
        by_label = {candidate.label: candidate for candidate in reference.candidates}
        return replace(reference, candidates=tuple(by_label[one.label] for one in item.candidates))
    texts = [_renamed(text, item.surface, neutral) for text in _texts_of(item)]
    return replace(_with_texts(item, texts), surface=neutral)


def _shape(item: Item) -> tuple[set[str], list[str]]:
    return {one.label for one in item.candidates}, [message.role for message in item.messages]


def _renamed(text: str, surface: str, neutral: str) -> str:
    """The text with the term in place of the surface form, with a capital where only the sentence gave it one."""
    renamed, done = "", 0
    for start, end in surface_places(text, surface):
        capital = text[start].isupper() and (not surface.strip()[0].isupper() or not text[:start].strip())
        renamed += text[done:start] + (neutral[:1].upper() + neutral[1:] if capital else neutral)
        done = end
    return renamed + text[done:]


def _pieces(text: str) -> tuple[str, ...]:
    """Each word with the white space before it, and the white space after the last, so that there is always one."""
    ends = [0, *(word.end for word in words_of(text)), len(text)]
    return tuple(text[start:end] for start, end in pairwise(ends))


def _swaps(text: str, other: str) -> tuple[_Swap, ...]:
    """Where the other text reads otherwise, and how; with all of them one becomes the other."""
    pieces, instead = _pieces(text), _pieces(other)
    changes = SequenceMatcher(None, pieces, instead, autojunk=False).get_opcodes()
    return tuple(
        _Swap(first, end, "".join(instead[begin:stop])) for kind, first, end, begin, stop in changes if kind != "equal"
    )


def _named(text: str, swaps: Sequence[_Swap], surface: str) -> set[int]:
    """Places of the words that name the identity, or that would not stand there if they named the other."""
    words, places = words_of(text), surface_places(text, surface)
    named = {at for at, one in enumerate(words) if any(start < one.end and one.start < end for start, end in places)}
    return named.union(*(range(swap.first, min(swap.end, len(words))) for swap in swaps))


def _context_words(item: Item) -> Iterator[tuple[Unit, _Spot]]:
    """Units of the words of context and prefix, each text on its own, and where they stand."""
    before = len(item.context)
    for field, text, shift in ((_CONTEXT, replace(item, prefix=""), 0), (_PREFIX, replace(item, context=""), before)):
        for place, (word, role) in enumerate(context_roles(text)):
            yield Unit(place, word.text, None, shift + word.start, shift + word.end, role, ""), (field, place)


def _candidate_words(item: Item, named: Collection[_Spot]) -> Iterator[tuple[Unit, _Spot]]:
    """Units of those words of the two sides that are not the only one, and where they stand."""
    pair = item.pair or ()
    for side, other in zip(pair, reversed(pair), strict=True):
        label, field = item.candidates[side].label, 2 + len(item.messages) + side
        words = candidate_roles(item, side, other)
        for place, (word, role) in enumerate(words):
            if len(words) > 1 and (field, place) not in named:
                yield Unit(place, word.text, label, word.start, word.end, role, ""), (field, place)


def _with_one_identity(
    words: Sequence[tuple[Unit, _Spot]], named: Collection[_Spot], identity: Unit
) -> list[tuple[Unit, _Spot]]:
    """The words, with one unit for all that name the identity, where the first of them stands."""
    found: list[tuple[Unit, _Spot]] = []
    for unit, spot in words:
        if spot not in named:
            found.append((unit, spot))
        elif not any(one == _IDENTITY for _, one in found):
            found.append((identity, _IDENTITY))
    return found if any(one == _IDENTITY for _, one in found) else [*found, (identity, _IDENTITY)]


def _identity_unit(item: Item, other: Item, named: Sequence[Unit], read_from: int, changes: Sequence[_Swap]) -> Unit:
    """The identity as one unit: its surface form where it stands, else the first words that would be others.

    Args:
        named: words of context and prefix that name it.
        read_from: where the text begins that plays a part.
    """
    text = item.context + item.prefix
    name, instead = item.surface.strip(), other.surface.strip()
    places = [place for place in surface_places(text, item.surface) if place[0] >= read_from]
    stretch: list[Unit] = []
    for unit in named:
        if not stretch or unit.number == stretch[-1].number + 1:
            stretch.append(unit)
    if stretch and not places:
        places = [(stretch[0].start, stretch[-1].end)]
    start, end = places[0] if places else (-1, -1)
    if places:
        name = text[start:end]
    if item is other:
        instead = name
    elif not (name and instead):
        instead = next((swap.text.strip() for swap in changes), "")
    return Unit(0, name or "identity", None, start, end, "identity", instead)
