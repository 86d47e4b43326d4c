"""What a scorer returns: the log-probability of every scored token, in nats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.core.items import Item, Probe
from auditor.core.refusals import Refusal
from auditor.core.series import Checkpoint

Render = Literal["plain", "chat"]
# What a candidate's score is: log-probabilities of its tokens, one bare sum of them, or a reward model's output.
ScoreKind = Literal["tokens", "sum", "reward"]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """Log-probabilities of one candidate at one checkpoint.

    Attributes:
        prefix_ids: token ids before the scored span, shape (n_prefix,).
        token_ids: scored token ids, shape (n_tokens,).
        tokens: the tokenizer's own name of each scored token.
        starts: first character of each token in the candidate's text; clipped to it, so a token
            that only closes the turn has start = end = len(text).
        ends: one past the last character, same convention.
        logprobs: log p(token | everything before), float64 nats, shape (n_tokens,).
        n_bytes: UTF-8 bytes of the candidate's text.
        n_tokens: how many tokens the candidate has where one number stands for them all; None where each has a number
            of its own, or where they are not known. Known, ``token_ids`` are theirs.
    """

    label: str
    prefix_ids: IntArray
    token_ids: IntArray
    tokens: tuple[str, ...]
    starts: IntArray
    ends: IntArray
    logprobs: FloatArray
    n_bytes: int
    n_tokens: int | None = None

    @property
    def total(self) -> float:
        """log p(candidate | context), the sum over scored tokens in nats."""
        return float(self.logprobs.sum(dtype=np.float64))

    @property
    def closes_turn(self) -> NDArray[np.bool_]:
        """Which scored tokens stand behind the text and only end its turn, shape (n_tokens,)."""
        behind: NDArray[np.bool_] = (self.starts == self.ends) & (self.starts == self.ends.max(initial=0))
        return behind

    @property
    def text_total(self) -> float:
        """log p(candidate's text | context) in nats, without the tokens that only end its turn."""
        return float(np.sum(self.logprobs[~self.closes_turn], dtype=np.float64))

    @property
    def text_mean(self) -> float:
        """Mean log-probability of a token of the text in nats, without the tokens that only end its turn."""
        return float(np.mean(self.logprobs[~self.closes_turn], dtype=np.float64))


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """One item in one rendering at one checkpoint.

    Attributes:
        context: the text before the scored candidate, as rendered.
        candidates: in the order of the item's own candidates.
        straddles: a token held characters of both context and candidate; scoring starts there.
        complete: the scored span includes the end of the turn.
        kind: but for ``tokens``, each candidate has one value that stands for the whole of it: its only "token" is no
            token.
    """

    item: Item
    render: Render
    context: str
    candidates: tuple[CandidateScore, ...]
    straddles: bool = False
    complete: bool = False
    kind: ScoreKind = "tokens"


@dataclass(frozen=True, slots=True)
class CheckpointScores:
    """All scores of one checkpoint.

    Attributes:
        scored: (probe name, render, item id) to score.
        refusals: items this checkpoint could not score.
        timings: seconds spent: load_s, tokenize_s, forward_s, store_s.
        fingerprint: hash of the weights, config and tokenizer that gave these numbers.
        notes: remarks for the report, one sentence each.
        work: what it took to score them, by name, for the manifest.
        exact: a sample of the same items scored again in float32 (`auditor.core.noise_sample`), by the same keys;
            empty where all of them were scored in float32.
    """

    checkpoint: str
    scored: Mapping[tuple[str, Render, str], ScoredItem]
    refusals: tuple[Refusal, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    work: Mapping[str, str | int] = field(default_factory=dict)
    exact: Mapping[tuple[str, Render, str], ScoredItem] = field(default_factory=dict)


class Scorer(Protocol):
    """The port behind which models live: the only way a number enters the kernel."""

    @property
    def renders(self) -> Sequence[Render]:
        """The renderings every checkpoint is scored in."""
        ...

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """Score every item of every probe in every rendering at one checkpoint."""
        ...
