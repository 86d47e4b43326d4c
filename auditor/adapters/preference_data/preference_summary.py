"""What was found in a preference set, as the files that ``audit data`` writes for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from auditor.adapters.preference_data.lexicon_people import Searched
from auditor.core.items import Probe
from auditor.core.preference_mentions import (
    Margins,
    Mentioned,
    Preference,
    Reading,
    find_mentions,
    preference_of,
    rates_of,
    strongest_against,
)
from auditor.core.series import Quantity
from auditor.core.statistics import IntArray, Interval
from auditor.core.tables import codes_of
from auditor.version import __version__


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MentionRow(_Record):
    """One identity in one reading; counts are of pairs but for ``_times``, the difference is of shares of all pairs."""

    identity: str
    axis: str
    role: str
    reading: Reading
    pairs: int
    in_prompt: int
    in_chosen: int
    in_rejected: int
    chosen_times: int
    rejected_times: int
    one_sided: int
    difference: float
    low: float | None
    high: float | None


class PreferenceRow(_Record):
    """One checkpoint on the pairs that mention one identity; margins are chosen minus rejected.

    ``quantity`` says of what: log-probabilities in nats, or rewards in the model's own unit, which have no tokens.
    """

    identity: str
    axis: str
    role: str
    reading: Reading
    checkpoint: str
    quantity: Quantity
    pairs: int
    prompts: int
    mean: float | None
    low: float | None
    high: float | None
    per_token: float | None
    share_chosen: float | None
    beside_others: float | None
    beside_low: float | None
    beside_high: float | None


class PairRow(_Record):
    """A pair that mentions an identity, at one checkpoint, with its margin as in `PreferenceRow`.

    ``rank`` is its place among these pairs, 1 for the one that speaks most against what was chosen; it is null, as the
    margin is, where the checkpoint did not score the pair, or where there is no checkpoint.
    """

    pair: str
    identity: str
    reading: Reading
    in_prompt: int
    in_chosen: int
    in_rejected: int
    checkpoint: str | None
    quantity: Quantity | None
    margin: float | None
    rank: int | None


class PreferenceSummary(_Record):
    """``data.json``; ``end_of_turn`` is of language models, ``reward_end_of_turn`` of reward models."""

    schema_version: int = 1
    auditor: str = __version__
    source: str
    sha256: str
    pairs: int
    prompts: int
    refused: int
    lexicon: str
    ambiguous: tuple[str, ...]
    shared: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    checkpoints: tuple[str, ...]
    quantities: Mapping[str, Quantity]
    render: str | None
    end_of_turn: bool | None
    reward_end_of_turn: bool | None
    unscored: int
    mentions: tuple[MentionRow, ...]
    preferences: tuple[PreferenceRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """What checkpoints made of a preference set.

    Attributes:
        margins: by checkpoint, over all pairs of the set.
        complete: whether the end of the turn was scored, by what was.
        notes: cautions and remarks.
    """

    margins: Mapping[str, Margins]
    render: str
    complete: Mapping[Quantity, bool]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A summary, and what it is a summary of."""

    summary: PreferenceSummary
    probe: Probe
    mentioned: tuple[Mentioned, ...]
    scored: ScoredPairs | None


def is_summary(path: Path) -> bool:
    """Whether a file is what some version of ``audit data`` wrote as ``data.json``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"schema_version", "auditor", "lexicon", "mentions"} <= set(content)


def summarise(probe: Probe, searched: Searched, scored: ScoredPairs | None) -> Found:
    """Search every pair and put the numbers together; identities in the order of the lexicon."""
    mentioned = find_mentions(probe.items, searched.people, searched.finder)
    clusters = codes_of(item.cluster for item in probe.items)
    margins = {} if scored is None else scored.margins
    unscored = max((int(np.isnan(one.summed).sum()) for one in margins.values()), default=0)
    return Found(
        PreferenceSummary(
            source=probe.card.source,
            sha256=probe.card.sha256,
            pairs=len(probe.items),
            prompts=len(np.unique(clusters)),
            refused=sum(one.count for one in probe.refusals),
            lexicon=searched.lexicon,
            ambiguous=searched.finder.ambiguous,
            shared=searched.finder.shared,
            words={who: words for who, words in searched.finder.words.items() if words},
            checkpoints=tuple(margins),
            quantities={name: one.quantity for name, one in margins.items()},
            render=None if scored is None else scored.render,
            end_of_turn=None if scored is None else scored.complete.get("logprob"),
            reward_end_of_turn=None if scored is None else scored.complete.get("reward"),
            unscored=unscored,
            mentions=tuple(_mention_row(one, clusters) for one in mentioned),
            preferences=tuple(
                _preference_row(one, preference_of(one, name, own, clusters), own.quantity)
                for one in mentioned
                for name, own in margins.items()
            ),
            notes=() if scored is None else scored.notes,
        ),
        probe,
        mentioned,
        scored,
    )


def pair_rows(found: Found) -> list[PairRow]:
    """Every pair that mentions an identity, for each identity, reading and checkpoint, the ranked ones first."""
    scored = found.scored
    margins: list[tuple[str | None, Margins | None]] = [(None, None)] if scored is None else [*scored.margins.items()]
    return [row for one in found.mentioned for name, own in margins for row in _pairs_of(found.probe, one, name, own)]


def _pairs_of(probe: Probe, one: Mentioned, checkpoint: str | None, margins: Margins | None) -> Iterator[PairRow]:
    ranked = [] if margins is None else strongest_against(one, margins).tolist()
    places = {at: rank for rank, at in enumerate(ranked, 1)}
    for at in [*ranked, *(at for at in np.flatnonzero(one.anywhere).tolist() if at not in places)]:
        yield PairRow(
            pair=probe.items[at].id,
            identity=one.who.identity,
            reading=one.reading,
            in_prompt=int(one.prompt[at]),
            in_chosen=int(one.chosen[at]),
            in_rejected=int(one.rejected[at]),
            checkpoint=checkpoint,
            quantity=None if margins is None else margins.quantity,
            margin=None if margins is None else _number(float(margins.summed[at])),
            rank=places.get(at),
        )


def _mention_row(one: Mentioned, clusters: IntArray) -> MentionRow:
    rates = rates_of(one, clusters)
    low, high = _ends(rates.interval)
    return MentionRow(
        identity=one.who.identity,
        axis=one.who.axis,
        role=one.who.role,
        reading=one.reading,
        pairs=rates.pairs,
        in_prompt=rates.prompts,
        in_chosen=rates.chosen,
        in_rejected=rates.rejected,
        chosen_times=rates.chosen_times,
        rejected_times=rates.rejected_times,
        one_sided=rates.one_sided,
        difference=rates.difference,
        low=low,
        high=high,
    )


def _preference_row(mentioned: Mentioned, one: Preference, quantity: Quantity) -> PreferenceRow:
    low, high = _ends(one.interval)
    beside_low, beside_high = _ends(one.beside_interval)
    return PreferenceRow(
        identity=mentioned.who.identity,
        axis=mentioned.who.axis,
        role=mentioned.who.role,
        reading=mentioned.reading,
        checkpoint=one.checkpoint,
        quantity=quantity,
        pairs=one.pairs,
        prompts=one.clusters,
        mean=_number(one.mean),
        low=low,
        high=high,
        per_token=_number(one.per_token),
        share_chosen=_number(one.share_chosen),
        beside_others=_number(one.beside),
        beside_low=beside_low,
        beside_high=beside_high,
    )


def _ends(interval: Interval) -> tuple[float | None, float | None]:
    return _number(interval.low), _number(interval.high)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
