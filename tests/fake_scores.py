"""Scores without a model: a scorer that takes one callable, and short ways to make items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe
from auditor.core.scores import CandidateScore, CheckpointScores, Render, ScoredItem, ScoreKind
from auditor.core.series import Checkpoint, Series, build_series

CARD = Card(title="a probe", source="probe.csv", sha256="0" * 64)

# (checkpoint, item, candidate label) -> log-probabilities of the candidate's tokens, in nats
Logprobs = Callable[[str, Item, str], Sequence[float]]


def pair(item_id: str, **fields: Any) -> Item:
    """A pair with short texts; any field of `Item` may be given."""
    candidates = (Candidate(HARMFUL, "bad"), Candidate(AFFIRMING, "good"))
    return Item(**{"id": item_id, "candidates": candidates, "identity": "x", "cluster": item_id, **fields})


def probe_of(*items: Item, name: str = "probe", **card: Any) -> Probe:
    """A probe of these items."""
    return Probe(name, items, Card(**{"title": name, "source": "probe.csv", "sha256": "0" * 64, **card}))


def scored(
    item: Item,
    logprobs: Sequence[Sequence[float]],
    ids: Sequence[Sequence[int]] | None = None,
    kind: ScoreKind = "tokens",
) -> ScoredItem:
    """A scored item from the log-probabilities (and token ids) of each candidate, or its one number by another kind."""
    candidates = []
    for at, (candidate, values) in enumerate(zip(item.candidates, logprobs, strict=True)):
        own = list(ids[at]) if ids is not None else list(range(10 * at, 10 * at + len(values)))
        n = len(values)
        places = np.arange(n, dtype=np.int64)
        tokens = tuple(f"t{one}" for one in own)
        candidates.append(
            CandidateScore(
                candidate.label,
                np.array([1]),
                np.array(own),
                tokens,
                places,
                places + 1,
                np.array(values, dtype=float),
                n,
            )
        )
    return ScoredItem(item, "plain", item.context, tuple(candidates), kind=kind)


def margins(table: dict[str, dict[str, float]]) -> Logprobs:
    """One-token candidates whose margin at a checkpoint is ``table[checkpoint][item id]``."""
    return lambda checkpoint, item, label: [table[checkpoint][item.id] - 5 if label == HARMFUL else -5.0]


class FakeScorer:
    """A scorer that asks a callable for every number; a reward model's is the sum of what it gives."""

    def __init__(self, logprobs: Logprobs, refuse: Sequence[tuple[str, str]] = ()) -> None:
        self.renders: tuple[Render, ...] = ("plain",)
        self.calls: list[str] = []
        self._logprobs = logprobs
        self._refuse = set(refuse)

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """Score everything but the (checkpoint, item id) pairs to refuse."""
        self.calls.append(checkpoint.name)
        done: dict[tuple[str, Render, str], ScoredItem] = {}
        for probe in probes:
            for item in probe.items:
                if (checkpoint.name, item.id) not in self._refuse:
                    values = [self._logprobs(checkpoint.name, item, one.label) for one in item.candidates]
                    if checkpoint.quantity == "reward":
                        values = [[sum(one)] for one in values]
                    kind: ScoreKind = "reward" if checkpoint.quantity == "reward" else "tokens"
                    done[probe.name, "plain", item.id] = scored(item, values, kind=kind)
        return CheckpointScores(checkpoint.name, done)


def series_of(*names: str, **options: Any) -> Series:
    """A series in which each checkpoint was trained from the one before."""
    empty: dict[str, Any] = {"references": {}, "objectives": {}, "betas": {}, "tags": {}}
    return build_series([(name, name) for name in names], **{**empty, **options})
