"""How often a preference set mentions whom in chosen and in rejected answers, and what models prefer where it does.

Every pair counts alike; errors are robust to clusters, the pairs of one prompt. All of it describes the data: no
verdict is given, and identities are never ranked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditor.core.contrasts import Mask
from auditor.core.items import AFFIRMING, HARMFUL, Item
from auditor.core.mentions import Finder, Named
from auditor.core.scores import FloatArray
from auditor.core.series import Quantity
from auditor.core.statistics import NO_INTERVAL, Estimate, IntArray, Interval, difference, mean_over_items

# ``names``: whole names of the lexicon; ``words``: also the words that are one identity's alone.
Reading = Literal["names", "words"]
READINGS: tuple[Reading, ...] = ("names", "words")
# In fewer clusters than these an interval would rest on a handful of texts.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class Mentioned:
    """In which of n pairs an identity is mentioned, in one reading.

    Attributes:
        prompt, chosen, rejected: how many times, shape (n,) each.
    """

    who: Named
    reading: Reading
    prompt: IntArray
    chosen: IntArray
    rejected: IntArray

    @property
    def anywhere(self) -> Mask:
        """Pairs that mention it at all, shape (n,)."""
        found: Mask = (self.prompt + self.chosen + self.rejected) > 0
        return found


@dataclass(frozen=True, slots=True)
class Rates:
    """How often an identity is mentioned.

    Attributes:
        pairs: that mention it at all; ``prompts``, ``chosen``, ``rejected``: in these parts.
        chosen_times, rejected_times: mentions, several in one answer counted.
        one_sided: pairs in which one answer mentions it and the other does not.
        difference: share of all pairs whose chosen answer mentions it, minus the same of the rejected.
        interval: of the difference, 95%; NaN where one-sided pairs stand in fewer than `FEWEST` clusters.
    """

    pairs: int
    prompts: int
    chosen: int
    rejected: int
    chosen_times: int
    rejected_times: int
    one_sided: int
    difference: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Preference:
    """What one checkpoint prefers in the pairs that mention an identity: chosen minus rejected, in its margins' unit.

    Attributes:
        pairs: scored ones; ``clusters``: their prompts.
        mean: of the margin, NaN without a pair; ``per_token``: of the difference of mean log-probabilities of a token,
            NaN of rewards.
        share_chosen: of these pairs, in which chosen is the more probable, or has the higher reward.
        beside: ``mean`` minus that of the pairs that do not mention it; intervals are 95%, NaN under `FEWEST` clusters.
    """

    checkpoint: str
    pairs: int
    clusters: int
    mean: float
    interval: Interval
    per_token: float
    share_chosen: float
    beside: float
    beside_interval: Interval


@dataclass(frozen=True, slots=True)
class Margins:
    """Margins of n pairs at one checkpoint, chosen minus rejected; NaN where a pair was refused. Shape (n,).

    Attributes:
        summed: of log-probabilities in nats, or of rewards in the model's own unit.
        per_token: of mean log-probabilities of a token; NaN of rewards.
    """

    summed: FloatArray
    per_token: FloatArray
    quantity: Quantity = "logprob"


def find_mentions(items: Sequence[Item], people: Sequence[Named], finder: Finder) -> tuple[Mentioned, ...]:
    """Look through prompts and both answers of every pair; identities in the order given, both readings of each."""
    counts = {
        (who.identity, reading): np.zeros((3, len(items)), dtype=np.intp) for who in people for reading in READINGS
    }
    for at, item in enumerate(items):
        for part, text in enumerate(texts_of(item)):
            for one in finder.mentions(text):
                counts[one.identity, "words"][part, at] += 1
                if one.kind == "name":
                    counts[one.identity, "names"][part, at] += 1
    return tuple(Mentioned(who, reading, *counts[who.identity, reading]) for who in people for reading in READINGS)


def texts_of(item: Item) -> tuple[str, str, str]:
    """The prompt, the chosen and the rejected answer of a pair of preference data."""
    prompt = item.context or "\n\n".join(turn.content for turn in item.messages)
    sides = {candidate.label: candidate.text for candidate in item.candidates}
    return prompt + item.prefix, sides[AFFIRMING], sides[HARMFUL]


def rates_of(mentioned: Mentioned, clusters: IntArray) -> Rates:
    """Count over all n pairs.

    Args:
        clusters: code of each pair's prompt, shape (n,).
    """
    chosen, rejected = mentioned.chosen > 0, mentioned.rejected > 0
    values = chosen.astype(np.float64) - rejected
    one_sided = chosen != rejected
    estimate = mean_over_items(values, clusters)
    return Rates(
        pairs=int(mentioned.anywhere.sum()),
        prompts=int(np.sum(mentioned.prompt > 0)),
        chosen=int(chosen.sum()),
        rejected=int(rejected.sum()),
        chosen_times=int(mentioned.chosen.sum()),
        rejected_times=int(mentioned.rejected.sum()),
        one_sided=int(one_sided.sum()),
        difference=estimate.value,
        interval=estimate.interval(0.05) if len(np.unique(clusters[one_sided])) >= FEWEST else NO_INTERVAL,
    )


def preference_of(mentioned: Mentioned, checkpoint: str, margins: Margins, clusters: IntArray) -> Preference:
    """The margins of the pairs that mention an identity, and beside those of all others."""
    scored = np.isfinite(margins.summed)
    about, others = mentioned.anywhere & scored, ~mentioned.anywhere & scored
    own, rest = _mean(margins.summed[about], clusters[about]), _mean(margins.summed[others], clusters[others])
    enough, beside = own.clusters >= FEWEST, float("nan")
    beside_interval = NO_INTERVAL
    if own.clusters and rest.clusters:
        beside = own.value - rest.value
        if enough and rest.clusters >= FEWEST:
            shared = _covariance(margins.summed, about, others, clusters)
            beside_interval = _beside(own, rest, shared).interval(0.05)
    return Preference(
        checkpoint=checkpoint,
        pairs=int(about.sum()),
        clusters=own.clusters,
        mean=own.value,
        interval=own.interval(0.05) if enough else NO_INTERVAL,
        per_token=_average(margins.per_token[about]),
        share_chosen=_average(margins.summed[about] > 0),
        beside=beside,
        beside_interval=beside_interval,
    )


def strongest_against(mentioned: Mentioned, margins: Margins) -> IntArray:
    """Pairs that mention an identity, those first in which the rejected answer is the most probable beside the chosen.

    Returns:
        Their places, shape (k,); pairs that were refused are not among them.
    """
    at = np.flatnonzero(mentioned.anywhere & np.isfinite(margins.summed))
    ranked: IntArray = at[np.argsort(margins.summed[at], kind="stable")]
    return ranked


def margins_by_pair(items: Sequence[Item], scored: Mapping[str, int], values: FloatArray) -> FloatArray:
    """Margins of a score table's rows in the order of all pairs, turned round: chosen minus rejected.

    Args:
        scored: row of the table by the item's id.
        values: rejected minus chosen of each row.
    """
    at = np.array([scored.get(item.id, -1) for item in items], dtype=np.intp)
    found: FloatArray = np.where(at >= 0, -values[at], np.nan) if len(values) else np.full(len(items), np.nan)
    return found


def _beside(own: Estimate, rest: Estimate, covariance: float) -> Estimate:
    """One mean minus another where some clusters have pairs in both: Welch's error, less what both share."""
    apart = difference(own, rest)
    variance = max(apart.se**2 - 2 * covariance, 0.0)
    return replace(apart, se=math.sqrt(variance))


def _covariance(values: FloatArray, one: Mask, other: Mask, clusters: IntArray) -> float:
    """Of the means of two sets of pairs, from the clusters that have pairs in both.

    The off-diagonal element of the cluster-robust (sandwich) variance of both means, with the K/(K-1) correction of
    each: Cameron & Miller 2015, "A practitioner's guide to cluster-robust inference", section II.
    """
    n = int(clusters.max()) + 1
    sums, corrections = [], []
    for rows in (one, other):
        sums.append(np.bincount(clusters[rows], values[rows] - values[rows].mean(), n) / rows.sum())
        count = len(np.unique(clusters[rows]))
        corrections.append(count / (count - 1))
    return float(np.sum(sums[0] * sums[1]) * math.sqrt(corrections[0] * corrections[1]))


def _mean(values: FloatArray, clusters: IntArray) -> Estimate:
    return mean_over_items(values, clusters) if len(values) else Estimate(math.nan, math.nan, 0)


def _average(values: FloatArray | Mask) -> float:
    return float(np.mean(values)) if len(values) else math.nan
