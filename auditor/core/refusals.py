"""A number that cannot be honestly given is a Refusal with its reason: counted and shown, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "unreadable_row",  # a public data set's row that is not what its format promises
    "too_long",  # beyond the context window of the model
    "empty_span",  # the candidate has no token of its own
    "boundary",  # candidates change the tokens of their shared context
    "no_plain_text",  # a conversation without a context of its own
    "no_chat_text",  # the chat template takes no conversation of these turns
    "no_first_token",  # nothing precedes the first token, so it has no probability
    "not_finite",  # the model gives a token a probability of exactly 0
    "not_scored",  # a file of scores made elsewhere has none for it
    "no_tokens",  # needs the log-probability of each token, and the scores are one number a text
    "no_bound",  # a reward has a unit of its own, and no bound d is stated in it
    "no_match",  # no reference row shares the match key
    "no_baseline",  # the row's baseline was refused, or is tokenised otherwise
    "candidate_tokens_differ",  # the reference row's candidates got other token ids
    "tokens_differ",  # two checkpoints tokenise the item differently: no reward
    "control_form",  # control rows of another form than the rows they are to be held against
    "no_pairs",  # no candidates labelled harmful and affirming
    "few_clusters",  # under two clusters: no spread, no interval
    "mixed_signs",  # contributions of different signs are no shares of a whole
    "no_spread",  # all clusters say the same, margins of exactly 0 apart: no interval
    "no_readings",  # no item of the kind that a published metric reads
    "undefined",  # a metric or standardised difference divides by 0 here, or has too few items
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that was asked and not given.

    Attributes:
        reason: machine-readable reason.
        detail: one sentence for people, without texts from the probe.
        count: how many rows, items or cells it stands for.
    """

    reason: Reason
    detail: str
    probe: str
    item: str | None = None
    render: str | None = None
    checkpoint: str | None = None
    identity: str | None = None
    count: int = 1
