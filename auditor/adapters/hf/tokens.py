"""Where a candidate begins, in tokens.

The whole text is tokenised once, with offsets; the scored span is the tokens that hold the
candidate's characters. Nothing is tokenised apart and glued together, and nothing is assumed about
spaces. What this module decides, in order:

1. BOS stands where the tokenizer's own call puts it; a chat template brings its own. Where nothing
   would precede the first scored token, ``bos_token`` is put in front; a tokenizer without one
   leaves the first token unscored.
2. An EOS that the tokenizer's own call adds is removed; the end rule alone decides it.
3. Candidates share their context ids up to where the texts differ. Where a token straddles the
   boundary, every candidate is scored from the first token that differs; where the ids differ and
   nothing straddles, the item is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.packs import shared_beginning
from auditor.adapters.hf.rendering import Rendered
from auditor.core.refusals import Reason
from auditor.core.scores import IntArray
from auditor.errors import ModelLoadError, UsageError

End = Literal["auto", "none", "eos"]
# Items encoded at a time: enough to keep all cores busy, and few objects at once.
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Span:
    """One candidate in tokens.

    Attributes:
        ids: the whole sequence, shape (n,).
        start: index of the first scored token, at least 1 where log-probabilities are asked for; all tokens from there
            on are scored.
        tokens: the vocabulary's name of each scored token.
        starts: first character of each scored token in the candidate's text, clipped to it.
        ends: one past the last.
    """

    ids: IntArray
    start: int
    tokens: tuple[str, ...]
    starts: IntArray
    ends: IntArray


@dataclass(frozen=True, slots=True)
class Encoded:
    """One item in tokens; every candidate has the same ``ids[:start]``.

    Attributes:
        straddles: a token holds characters of both context and candidate.
        complete: the span includes the end of the turn.
        first_unscored: the first token has no predecessor and stays unscored.
    """

    spans: tuple[Span, ...]
    straddles: bool
    complete: bool
    first_unscored: bool


@dataclass(frozen=True, slots=True)
class _Tokens:
    """One tokenised candidate: special tokens added at the end are gone already."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    first: int  # the first token that holds a character of the candidate
    boundary: int
    straddles: bool

    def is_empty(self, text: str) -> bool:
        """No token holds a character of the candidate's text; what ends its turn does not count."""
        return not text or self.first == len(self.ids) or self.offsets[self.first][0] >= self.boundary + len(text)


class Encoder:
    """Turns rendered items into token spans with one checkpoint's tokenizer.

    Args:
        tokenizer: a fast tokenizer; it is not changed.
        end: ``eos`` appends EOS to every candidate, ``none`` never ends a turn, ``auto`` takes the
            template's end of turn in chat rendering and none in plain.
        whole: the text as a whole is asked about, as a reward model is: nothing needs to stand before its first token,
            and in plain rendering ``auto`` appends EOS, if there is one, as training on plain texts does (TRL's
            RewardTrainer).

    Raises:
        UsageError: ``end`` is ``eos`` and the tokenizer has none.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end: End, *, whole: bool = False) -> None:
        self._tokenizer = tokenizer
        self._backend = _untrimmed(tokenizer)
        self._end = end
        self._whole = whole
        self._bos: int | None = tokenizer.bos_token_id
        self._eos: int | None = tokenizer.eos_token_id
        ids = range(max(self._backend.get_vocab(with_added_tokens=True).values(), default=-1) + 1)
        self._names = tuple(self._backend.id_to_token(one) or "" for one in ids)
        if end == "eos" and self._eos is None:
            raise UsageError("the tokenizer has no EOS token", where="--end eos", fix="Use --end auto or --end none.")

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokenizer's name of every token, by id; "" where an id has none."""
        return self._names

    def encode(self, items: Iterable[Rendered]) -> Iterator[Encoded | Reason]:
        """Encode items in order; a reason stands in for an item that must be refused.

        Raises:
            ModelLoadError: the tokenizer's own call gives other ids than its backend.
        """
        rest = iter(items)
        while part := list(islice(rest, _CHUNK)):
            encodings = self._encode_texts(part)
            for item in part:
                yield self._align(item, [next(encodings) for _ in item.texts])

    def places(self, item: Rendered, encoded: Encoded) -> tuple[IntArray, ...]:
        """Where each token of every sequence stands in context + text + ending: its first character and one past.

        Returns:
            Shape (n, 2) for each candidate; two equal numbers for a token that holds no character.
        """
        found = []
        for encoding, text, span in zip(self._encode_texts([item]), item.texts, encoded.spans, strict=True):
            end = self._end_of(item)
            one = _tokens_of(encoding, _full_text(item, text, end), len(item.context))
            closing = [(one.boundary + len(text),) * 2 for _ in self._closing(one, end)]
            lead = [(0, 0)] * (len(span.ids) - len(one.ids) - len(closing))
            found.append(np.array([*lead, *one.offsets, *closing], dtype=np.int64).reshape(-1, 2))
        return tuple(found)

    def _closing(self, one: _Tokens, end: End) -> list[int]:
        """What is put behind the tokens of a text: EOS, but not a second one, as TRL's trainers do."""
        if end != "eos" or self._eos is None or one.ids[-1:] == [self._eos]:
            return []
        return [self._eos]

    def _encode_texts(self, items: Sequence[Rendered]) -> Iterator[Encoding]:
        for has_specials in {item.has_specials for item in items}:
            sample = next(item for item in items if item.has_specials == has_specials)
            self._check_backend(_full_text(sample, sample.texts[0], self._end_of(sample)), has_specials)
        texts = [_full_text(item, text, self._end_of(item)) for item in items for text in item.texts]
        adds = [not item.has_specials for item in items for _ in item.texts]
        if len(set(adds)) == 1:
            yield from self._backend.encode_batch(texts, add_special_tokens=adds[0])
        else:
            for text, add in zip(texts, adds, strict=True):
                yield self._backend.encode(text, add_special_tokens=add)

    def _end_of(self, item: Rendered) -> End:
        """How an item ends, whatever is asked of other renderings."""
        as_trained = self._whole and self._end == "auto" and not item.has_specials and self._eos is not None
        return "eos" if as_trained else self._end

    def _check_backend(self, text: str, has_specials: bool) -> None:
        own = self._tokenizer(text, add_special_tokens=not has_specials)["input_ids"]
        ours = self._backend.encode(text, add_special_tokens=not has_specials).ids
        if list(own) != list(ours):
            raise ModelLoadError(
                "the tokenizer's own call gives other token ids than its backend, so no offsets can be trusted",
                where=str(getattr(self._tokenizer, "name_or_path", "tokenizer")),
                fix="Save the tokenizer anew with a current version of transformers.",
            )

    def _align(self, item: Rendered, encodings: Sequence[Encoding]) -> Encoded | Reason:
        boundary = len(item.context)
        end = self._end_of(item)
        texts = [_full_text(item, text, end) for text in item.texts]
        candidates = [_tokens_of(encoding, text, boundary) for encoding, text in zip(encodings, texts, strict=True)]
        if any(one.is_empty(text) for one, text in zip(candidates, item.texts, strict=True)):
            return "empty_span"
        start = _common_start(candidates)
        if start is None:
            return "boundary"
        straddles = any(one.straddles for one in candidates)
        lead = [self._bos] if start == 0 and self._bos is not None and not self._whole else []
        unscored = start == 0 and not lead and not self._whole
        if any(len(one.ids) <= start + unscored for one in candidates):
            return "no_first_token"
        spans = [
            self._span(one, start + unscored, lead, text, skipped, end)
            for one, text, skipped in zip(candidates, item.texts, item.skipped, strict=True)
        ]
        complete = end == "eos" or (end == "auto" and item.ending != "")
        return Encoded(tuple(spans), straddles, complete, unscored)

    def _span(self, one: _Tokens, start: int, lead: list[int], text: str, skipped: int, end: End) -> Span:
        ids, offsets = one.ids, one.offsets[start:]
        closing, at_end = self._closing(one, end), one.boundary + len(text)
        ids, offsets = [*ids, *closing], [*offsets, *((at_end, at_end) for _ in closing)]
        names = tuple(self._names[token] for token in ids[start:])
        local = np.array(offsets, dtype=np.int64).reshape(-1, 2) - one.boundary
        local = np.minimum(np.maximum(local, 0), len(text)) + skipped
        return Span(np.array([*lead, *ids], dtype=np.int64), start + len(lead), names, local[:, 0], local[:, 1])


def _full_text(item: Rendered, text: str, end: End) -> str:
    return item.context + text + (item.ending if end == "auto" else "")


def _tokens_of(encoding: Encoding, text: str, boundary: int) -> _Tokens:
    """Drop special tokens the post-processor added at the end and find the candidate's first token."""
    added = encoding.special_tokens_mask
    stop = len(added)
    while stop and added[stop - 1]:
        stop -= 1
    offsets = _with_absorbed(encoding.offsets[:stop], text)
    first = _first_token(offsets, added, boundary)
    straddles = first < stop and offsets[first][0] < boundary
    return _Tokens(encoding.ids[:stop], offsets, first, boundary, straddles)


def _first_token(offsets: list[tuple[int, int]], added: Sequence[int], boundary: int) -> int:
    """The first token that is not added and reaches beyond the boundary, else one past the last."""
    for at, (begin, end) in enumerate(offsets):
        # Nearly all tokens are the context's: one comparison each.
        if end >= boundary and (end > boundary or begin >= boundary) and not added[at]:
            return at
    return len(offsets)


def _with_absorbed(offsets: list[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Count characters a normaliser absorbed to the token before them.

    Composing (NFC) turns a letter and its accent into one character and leaves the accent out of all
    offsets, so that an accent at the boundary would not be seen to straddle.
    """
    if text.isascii():
        return offsets
    held = {at for begin, end in offsets for at in range(begin, end)}
    absorbed = {at for at, character in enumerate(text) if at not in held and not character.isspace()}
    if not absorbed:
        return offsets
    extended = []
    for begin, end in offsets:
        last = end
        while begin < end and last in absorbed:
            last += 1
        extended.append((begin, last))
    return extended


def _common_start(candidates: Sequence[_Tokens]) -> int | None:
    """First token to score in every candidate, None where their contexts differ for no visible reason."""
    lead = candidates[0]
    shared = min(shared_beginning(lead.ids, other.ids) for other in candidates)
    firsts = {one.first for one in candidates}
    if len(firsts) == 1 and shared >= lead.first:
        return lead.first
    if any(one.straddles for one in candidates):
        return min(shared, *firsts)
    return None


def _untrimmed(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """A copy of the tokenizer's backend whose offsets include white space.

    Byte-level post-processors may trim the space off a token's offsets; a token of white space
    alone would then seem to hold no character at all.
    """
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    _set_everywhere(description, "trim_offsets", False)
    backend: Tokenizer = Tokenizer.from_str(json.dumps(description))
    backend.no_truncation()
    backend.no_padding()
    return backend


def _set_everywhere(node: Any, key: str, value: Any) -> None:
    if isinstance(node, dict):
        if key in node:
            node[key] = value
        for child in node.values():
            _set_everywhere(child, key, value)
    elif isinstance(node, list):
        for child in node:
            _set_everywhere(child, key, value)
