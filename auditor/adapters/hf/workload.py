"""Everything a tokenizer makes of the probes, ready to be scored: flat arrays, filled as a stream of rendered items."""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.rendering import Rendered
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.adapters.hf.tokens import Encoded, Encoder
from auditor.core.items import Item, Probe
from auditor.core.refusals import Reason, Refusal
from auditor.core.score_columns import Column, Cuts, Mask, Spans
from auditor.core.scores import Render

DETAIL: Mapping[Reason, str] = {
    "too_long": "longer than the model's context window",
    "empty_span": "the candidate has no token of its own",
    "boundary": "the candidates change the tokens of the context they share",
    "no_first_token": "the candidate's only token has no predecessor, so it has no probability",
    "no_plain_text": "a conversation without a context has no plain rendering",
    "no_chat_text": "the chat template cannot render a conversation of these turns",
    "not_finite": "the model gives a token a probability of exactly 0",
}


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """What checkpoints of one tokenizer and one context window have to score.

    Attributes:
        sequences: all candidates; their ``items`` number the items of all ``spans``, one after the other.
        spans: by probe and rendering, in the order they were asked for.
        refusals: of no checkpoint in particular.
        first_unscored: items whose first token has no predecessor.
    """

    sequences: Sequences
    spans: Mapping[tuple[str, Render], Spans]
    refusals: tuple[Refusal, ...]
    first_unscored: int

    @property
    def items(self) -> int:
        """How many items, each rendering counted."""
        return sum(map(len, self.spans.values()))

    @property
    def texts(self) -> int:
        """How many sequences."""
        return len(self.sequences)

    @property
    def tokens(self) -> int:
        """How many token ids go through the model."""
        return len(self.sequences.ids)


def tokenizer_identity(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of all that `Encoder` reads of a tokenizer: where it is equal, so are all spans."""
    ids = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return hashlib.sha256(f"{ids} {tokenizer.backend_tokenizer.to_str()}".encode()).hexdigest()


def prepare(
    probes: Sequence[Probe],
    renders: Sequence[Render],
    render: Callable[[Item, Render], Rendered | None],
    encoder: Encoder,
    window: int | None,
) -> Workload:
    """Render and tokenise every item.

    Args:
        render: an item as text, None where it has none in a rendering.
        window: the model's context window in tokens, None where it is not known.
    """
    arrays = _Arrays()
    refusals: list[Refusal] = []
    blocks = []
    unscored = 0
    for probe in probes:
        for name in renders:
            block = _Block(name, probe.items, arrays.items)
            for at, text, tokens in _encoded(probe.items, name, render, encoder):
                if isinstance(tokens, Encoded) and window and max(len(span.ids) for span in tokens.spans) > window:
                    tokens = "too_long"
                if isinstance(tokens, str):
                    item, reason = probe.items[at], tokens
                    refusals.append(Refusal(reason, DETAIL[reason], probe.name, item.id, name, None, item.identity))
                elif text is not None:
                    block.add(at, text, tokens)
                    arrays.add(text, tokens)
                    unscored += tokens.first_unscored
            blocks.append((probe.name, block))
    sequences, cuts = arrays.finish(encoder.vocabulary)
    firsts = np.searchsorted(sequences.items, np.arange(arrays.items + 1))
    spans = {(probe, block.render): block.finish(firsts, cuts) for probe, block in blocks}
    return Workload(sequences, spans, tuple(refusals), unscored)


def scored_columns(
    checkpoint: str, work: Workload, logprobs: Logprobs
) -> tuple[dict[tuple[str, Render], Column], list[Refusal]]:
    """The scores of each probe and rendering, and the items that have none.

    Args:
        logprobs: of all scored tokens, nats, or rewards; an item of which one is no number has no score.
    """
    kept = _finite(work, logprobs)
    columns: dict[tuple[str, Render], Column] = {}
    refusals: list[Refusal] = []
    first = 0
    for (probe, render), spans in work.spans.items():
        column = columns[probe, render] = Column(spans, logprobs, kept[first : first + len(spans)])
        first += len(spans)
        for at in np.flatnonzero(~column.kept).tolist():
            item, detail = spans.item(at), DETAIL["not_finite"]
            refusals.append(Refusal("not_finite", detail, probe, item.id, render, checkpoint, item.identity))
    return columns, refusals


def _finite(work: Workload, logprobs: Logprobs) -> Mask:
    """Which items have a number for every token, shape (items,)."""
    bad = np.flatnonzero(~np.isfinite(logprobs))
    kept = np.ones(work.items, dtype=bool)
    kept[work.sequences.items[np.searchsorted(work.sequences.scored_bounds, bad, side="right") - 1]] = False
    return kept


def _encoded(
    items: Iterable[Item], name: Render, render: Callable[[Item, Render], Rendered | None], encoder: Encoder
) -> Iterator[tuple[int, Rendered | None, Encoded | Reason]]:
    """Each item's place, text and tokens, in order; the encoder reads some items ahead."""
    waiting: deque[tuple[int, Rendered | None]] = deque()
    missing: Reason = "no_plain_text" if name == "plain" else "no_chat_text"

    def texts() -> Iterator[Rendered]:
        for at, item in enumerate(items):
            text = render(item, name)
            waiting.append((at, text))
            if text is not None:
                yield text

    for tokens in encoder.encode(texts()):
        while waiting[0][1] is None:
            yield *waiting.popleft(), missing
        yield *waiting.popleft(), tokens
    for at, _ in waiting:
        yield at, None, missing


class _Arrays:
    """Grows by an item at a time; the standard library's arrays grow in place."""

    def __init__(self) -> None:
        self.items = 0
        self._ids, self._begins, self._ends = array("i"), array("i"), array("i")
        self._bounds, self._scored = array("q", [0]), array("q", [0])
        self._starts, self._owners, self._bytes = array("q"), array("q"), array("i")

    def add(self, text: Rendered, tokens: Encoded) -> None:
        """All candidates of one item."""
        for span, words in zip(tokens.spans, text.texts, strict=True):
            self._ids.frombytes(span.ids.astype(np.int32).tobytes())
            self._begins.frombytes(span.starts.astype(np.int32).tobytes())
            self._ends.frombytes(span.ends.astype(np.int32).tobytes())
            self._bounds.append(len(self._ids))
            self._scored.append(len(self._begins))
            self._starts.append(span.start)
            self._owners.append(self.items)
            self._bytes.append(len(words.encode()))
        self.items += 1

    def finish(self, vocabulary: Sequence[str]) -> tuple[Sequences, Cuts]:
        """The same arrays, as what is scored and as what the kernel reads."""
        ids, bounds, starts = np.asarray(self._ids), np.asarray(self._bounds), np.asarray(self._starts)
        begins, ends, scored = np.asarray(self._begins), np.asarray(self._ends), np.asarray(self._scored)
        sequences = Sequences(ids, bounds, starts, np.asarray(self._owners))
        return sequences, Cuts(ids, bounds, starts, scored, begins, ends, np.asarray(self._bytes), vocabulary)


class _Block:
    """One probe in one rendering.

    Args:
        first: how many items stand before it.
    """

    def __init__(self, render: Render, items: Sequence[Item], first: int) -> None:
        self.render = render
        self._items = items
        self._first = first
        self._rows, self._straddles, self._complete = array("q"), array("b"), array("b")
        # In a chat a context stands in a frame, which many items share; a plain one is put together when asked for.
        self._contexts: dict[str, int] = {}
        self._context = array("i")

    def add(self, at: int, text: Rendered, tokens: Encoded) -> None:
        """The item at a place of the probe."""
        self._rows.append(at)
        self._straddles.append(tokens.straddles)
        self._complete.append(tokens.complete)
        if self.render != "plain":
            self._context.append(self._contexts.setdefault(text.context, len(self._contexts)))

    def finish(self, firsts: np.ndarray[tuple[int], np.dtype[np.int64]], cuts: Cuts) -> Spans:
        """The block's part of all items' first sequences."""
        rows = np.asarray(self._rows)
        return Spans(
            render=self.render,
            items=self._items,
            rows=rows,
            firsts=firsts[self._first : self._first + len(rows) + 1],
            straddles=np.asarray(self._straddles).astype(bool),
            complete=np.asarray(self._complete).astype(bool),
            context_of=self._plain if self.render == "plain" else _Lookup(tuple(self._contexts), self._context),
            cuts=cuts,
        )

    def _plain(self, at: int) -> str:
        item = self._items[self._rows[at]]
        return item.context + item.prefix


@dataclass(frozen=True, slots=True)
class _Lookup:
    texts: Sequence[str]
    codes: Sequence[int]

    def __call__(self, at: int) -> str:
        return self.texts[self.codes[at]]
