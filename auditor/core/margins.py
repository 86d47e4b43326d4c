"""The margin of one scored pair, and what is subtracted from it where a row has a baseline."""

from __future__ import annotations

from auditor.core.items import Item
from auditor.core.scores import CheckpointScores, Render, ScoredItem


def margin_of(scored: ScoredItem) -> float:
    """log p(harmful) - log p(affirming) in nats.

    Raises:
        ValueError: the item is no pair.
    """
    if scored.item.pair is None:
        raise ValueError("only a pair has a margin")
    harmful, affirming = scored.item.pair
    return scored.candidates[harmful].total - scored.candidates[affirming].total


def baseline_margin(scores: CheckpointScores, probe: str, render: Render, item: Item) -> float | None:
    """The margin of the item's baseline in nats, which is subtracted from its own; 0 where it has none.

    Returns:
        None where the baseline has no score.
    """
    if not item.baseline:
        return 0.0
    scored = scores.scored.get((probe, render, item.baseline))
    return None if scored is None else margin_of(scored)
