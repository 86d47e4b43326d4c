"""Which words the tokens of a pair carry, so that what is found for tokens can be summed to words.

A token that holds characters of several words counts to each by its share of them; white space alone counts to the word
after it, or to the last. What a template writes and what a tokenizer adds belong to no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.adapters.hf.rendering import Rendered
from auditor.adapters.hf.tokens import Encoded, Span
from auditor.core.attributions import Unit
from auditor.core.items import Item
from auditor.core.score_columns import Mask
from auditor.core.scores import FloatArray, IntArray
from auditor.core.words import Word, WordRole, candidate_roles, context_roles


@dataclass(frozen=True, slots=True, eq=False)
class SideWords:
    """One side of a pair in tokens.

    Attributes:
        ids: the whole sequence, shape (n,).
        start: the first scored token.
        shares: what part of each token belongs to each of ``words``, shape (n, words): together 1, or 0 for a token
            that belongs to none.
        words: of context and prefix, then of the candidate.
        tokens: the tokens that belong to a word, in order.
    """

    ids: IntArray
    start: int
    shares: FloatArray
    words: tuple[Unit, ...]
    tokens: tuple[Unit, ...]

    @property
    def counted(self) -> Mask:
        """Which tokens belong to a word, shape (n,)."""
        mask: Mask = self.shares.sum(axis=1) > 0
        return mask


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One text of the item where it stands in the rendered whole.

    Attributes:
        at: where its first character stands, or would if nothing were taken off its front.
        begin, end: what of it is really there, white space at the edges included.
        shift: added to places in a unit: context and prefix count as one text.
    """

    words: Sequence[tuple[Word, WordRole]]
    at: int
    begin: int
    end: int
    label: str | None = None
    shift: int = 0


def side_words(
    item: Item,
    rendered: Rendered,
    encoded: Encoded,
    places: Sequence[IntArray],
    context_at: int | None,
    vocabulary: Sequence[str],
) -> tuple[SideWords, SideWords]:
    """The harmful and the affirming side of a pair.

    Args:
        places: of the tokens, as `Encoder.places` gives them.
        context_at: where the context begins in the rendered one, None where its words do not stand there.
        vocabulary: names of tokens by id.

    Raises:
        ValueError: the item is no pair.
    """
    if item.pair is None:
        raise ValueError("only pairs have a harmful and an affirming side")
    found = []
    for side, other in (item.pair, item.pair[::-1]):
        stretches = [*_before(item, rendered, context_at), _candidate(item, rendered, side, other)]
        span = encoded.spans[side]
        shares = _shares(places[side], stretches)
        tokens = _tokens(span, shares, places[side], stretches, [vocabulary[token] for token in span.ids.tolist()])
        found.append(SideWords(span.ids, span.start, shares, _words(stretches), tokens))
    return found[0], found[1]


def _before(item: Item, rendered: Rendered, context_at: int | None) -> list[_Stretch]:
    """Context, if it is there, and prefix."""
    stretches = []
    boundary = len(rendered.context)
    # What is taken off a prefix is taken off its front.
    prefix_at = boundary - len(item.prefix)
    prefix_begin = boundary - len(item.prefix.lstrip()) if rendered.has_specials else prefix_at
    if context_at is not None:
        begin, end = context_at, context_at + len(item.context)
        if rendered.has_specials:
            # White space around a turn is the template's.
            end = begin + len(item.context.rstrip())
            begin = min(end, begin + len(item.context) - len(item.context.lstrip()))
        stretches.append(_Stretch(context_roles(replace(item, prefix="")), context_at, begin, end))
    words = context_roles(replace(item, context=""))
    stretches.append(_Stretch(words, prefix_at, prefix_begin, boundary, None, len(item.context)))
    return stretches


def _candidate(item: Item, rendered: Rendered, side: int, other: int) -> _Stretch:
    boundary, skipped = len(rendered.context), rendered.skipped[side]
    one = item.candidates[side]
    end = boundary + len(rendered.texts[side])
    return _Stretch(candidate_roles(item, side, other), boundary - skipped, boundary, end, one.label)


def _shares(places: IntArray, stretches: Sequence[_Stretch]) -> FloatArray:
    """What part of each token belongs to each word, shape (n, words)."""
    own, wide = [np.zeros((len(places), 0))], [np.zeros((len(places), 0))]
    for one in stretches:
        if not one.words:
            continue
        starts = np.array([word.start for word, _ in one.words]) + one.at
        ends = np.array([word.end for word, _ in one.words]) + one.at
        own.append(_overlaps(places, starts, ends))
        # Each word with the white space before it, the last with what follows.
        bounds = np.array([one.begin, *ends[:-1].tolist(), one.end])
        wide.append(_overlaps(places, bounds[:-1], bounds[1:]))
    held, near = np.concatenate(own, axis=1), np.concatenate(wide, axis=1)
    parts = np.where(held.any(axis=1, keepdims=True), held, near)
    total = parts.sum(axis=1, keepdims=True)
    shares: FloatArray = np.divide(parts, total, out=np.zeros_like(parts), where=total > 0)
    return shares


def _overlaps(places: IntArray, starts: IntArray, ends: IntArray) -> FloatArray:
    """Characters that tokens and words share, shape (tokens, words)."""
    shared = np.minimum(places[:, 1:], ends[None, :]) - np.maximum(places[:, :1], starts[None, :])
    overlaps: FloatArray = np.maximum(shared, 0).astype(np.float64)
    return overlaps


def _words(stretches: Sequence[_Stretch]) -> tuple[Unit, ...]:
    """A unit a word: those of the context count from 0, and those of the candidate."""
    units: list[Unit] = []
    counts: dict[str | None, int] = {}
    for one in stretches:
        for word, role in one.words:
            number = counts.setdefault(one.label, 0)
            counts[one.label] += 1
            units.append(Unit(number, word.text, one.label, one.shift + word.start, one.shift + word.end, role))
    return tuple(units)


def _tokens(
    span: Span, shares: FloatArray, places: IntArray, stretches: Sequence[_Stretch], names: Sequence[str]
) -> tuple[Unit, ...]:
    """A unit a token that belongs to a word; from the first scored token on they are the candidate's."""
    owners = [(one, role) for one in stretches for _, role in one.words]
    units: list[Unit] = []
    counts: dict[str | None, int] = {}
    for at in np.flatnonzero(shares.any(axis=1)).tolist():
        stretch, role = owners[int(shares[at].argmax())]
        if at >= span.start:
            stretch = stretches[-1]
        label = stretch.label
        start, end = (np.clip(places[at], stretch.begin, stretch.end) - stretch.at + stretch.shift).tolist()
        number = counts.setdefault(label, 0)
        counts[label] += 1
        units.append(Unit(number, names[at], label, start, end, role))
    return tuple(units)
