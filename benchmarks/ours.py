"""The package's own scoring as a benchmark calls it: tokenise, forward, gather, the model loaded already."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from auditor.adapters.hf.engine import Work, score_sequences
from auditor.adapters.hf.rendering import Rendered
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.hf.tokens import Encoded, Encoder, End
from auditor.core.items import Item


@dataclass(frozen=True, slots=True)
class Scoring:
    """One pass over all items.

    Attributes:
        sums: log-probability of each candidate in nats, item after item.
        tokenize_s: seconds from texts to ids.
        score_s: seconds from ids to log-probabilities.
        nodes: tokens that the engine planned to send through the model.
    """

    sums: list[float]
    tokenize_s: float
    score_s: float
    nodes: int

    @property
    def seconds(self) -> float:
        """What a user waits for."""
        return self.tokenize_s + self.score_s


def token_values(model: PreTrainedModel, sequences: Sequences, work: Work) -> list[float]:
    """Sum of the scored log-probabilities of each sequence."""
    sums = [float("nan")] * len(sequences)
    for found in score_sequences(model, sequences, work=work):
        for position, logprobs in zip(found.positions, found.logprobs, strict=True):
            sums[position] = float(logprobs.sum(dtype=np.float64))
    return sums


def score(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], end: End = "none"
) -> Scoring:
    """Score every candidate of every item."""
    work = Work()
    began = time.perf_counter()
    sequences = sequences_of(tokenizer, items, end)
    tokenized = time.perf_counter()
    sums = token_values(model, sequences, work)
    return Scoring(sums, tokenized - began, time.perf_counter() - tokenized, work.nodes)


def sequences_of(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], end: End = "none") -> Sequences:
    """The token ids of items of which none is refused; see `comparable`."""
    encoded = [one for one in _encode(tokenizer, items, end) if isinstance(one, Encoded)]
    rows = [(span.ids, span.start) for one in encoded for span in one.spans]
    return Sequences.of(rows, (at for at, one in enumerate(encoded) for _ in one.spans))


def comparable(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item]) -> tuple[Item, ...]:
    """Items that are not refused and whose candidates begin with a token of their own: peers cut others elsewhere."""
    encoded = _encode(tokenizer, items, "none")
    return tuple(
        item
        for item, one in zip(items, encoded, strict=True)
        if isinstance(one, Encoded) and not (one.straddles or one.first_unscored)
    )


def _encode(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], end: End) -> list[Encoded | str]:
    texts = [
        Rendered(item.context + item.prefix, tuple(one.text for one in item.candidates), (0,) * len(item.candidates))
        for item in items
    ]
    return list(Encoder(tokenizer, end).encode(texts))
