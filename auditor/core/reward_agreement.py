"""Whether an explicit reward, an implicit reward and a preference agree on items, and which of them carries a harm.

Items: Spearman's correlation of two signals, and the share of items on which both lean to the same side, with
percentile intervals of a bootstrap over clusters (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter
13): items of a cluster share words. Identities: each signal's disparity over the standard deviation of its own
reference rows' cluster means, a number without a unit, beside the verdict that it has in its own. All of it describes;
the verdicts alone decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from auditor.core.bootstrap import Bootstrap, percentiles
from auditor.core.contrasts import Contrast, Mask, Matching
from auditor.core.effects import Effect, VerdictName
from auditor.core.items import Design
from auditor.core.rank_correlation import MIN_CLUSTERS, drawn_items, item_weights, spearman
from auditor.core.reward_signals import Heard, SignalKind, hear
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray, Render
from auditor.core.series import Series
from auditor.core.statistics import NO_INTERVAL, Interval
from auditor.core.tables import ScoreTable

# Items of one probe that are ranked: so many give as good a correlation, and ranking resamples of more is slow.
_MOST_ITEMS = 5_000


@dataclass(frozen=True, slots=True)
class RewardAgreement:
    """Two signals on the items that both have.

    Attributes:
        contrast: ``excess`` where the rows have reference rows, else ``raw``.
        correlation: Spearman's, NaN where one of them does not differ between items; ``interval``: 95%.
        equal_signs: share of items on which both lean to the same side, of those on which both lean at all.
        ties: items on which one of them is exactly 0.
    """

    probe: str
    design: Design
    render: Render
    contrast: Contrast
    kind: SignalKind
    checkpoint: str
    other_kind: SignalKind
    other_checkpoint: str
    correlation: float
    interval: Interval
    equal_signs: float
    equal_signs_interval: Interval
    items: int
    ties: int
    clusters: int


@dataclass(frozen=True, slots=True)
class RewardHarm:
    """What one signal says of one marked identity.

    Attributes:
        standardised: mean over its clusters, over the standard deviation of its reference rows' cluster means in the
            same signal (of its own cluster means where it has no reference rows); NaN without a spread.
        interval: 95%, from resampled clusters.
        verdict: of the signal's own effect; None where it has none.
    """

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    kind: SignalKind
    checkpoint: str
    standardised: float
    interval: Interval
    verdict: VerdictName | None
    items: int
    clusters: int


def reward_agreements(
    matched: Sequence[tuple[ScoreTable, Matching]], effects: Sequence[Effect], series: Series, seed: int
) -> tuple[tuple[RewardAgreement, ...], tuple[RewardHarm, ...]]:
    """Every two signals of each probe, rendering and design; and every signal on every marked identity.

    Args:
        matched: tables of policies and of reward models.
        effects: decided, of these tables.
        seed: of the resamples, and of the items that are drawn where there are more than are ranked.
    """
    bootstrap = Bootstrap(seed)
    verdicts = {
        (one.probe, one.render, one.design, one.identity, one.axis, one.contrast, one.measure, one.checkpoint): one
        for one in effects
        if one.theme is None and one.role == "marked" and one.valence == "harm"
    }
    agreements: list[RewardAgreement] = []
    harms: list[RewardHarm] = []
    for probe, render, design, heard in hear(matched, series):
        where = probe, design, render
        for one, other in combinations(heard, 2):
            if one.contrast == other.contrast:
                agreements += _agreement(where, one, other, bootstrap, seed)
        for own in heard:
            for cell in own.cells:
                measure = own.signal.measure
                who = (probe, render, design, cell.identity, cell.axis, own.contrast, measure.name, measure.checkpoint)
                effect = verdicts.get(who)
                harms += _harm(where, own, cell, None if effect is None else effect.verdict, bootstrap)
    return tuple(agreements), tuple(harms)


_Where = tuple[str, Design, Render]


def _agreement(where: _Where, one: Heard, other: Heard, bootstrap: Bootstrap, seed: int) -> Iterator[RewardAgreement]:
    _, here, there = np.intersect1d(one.items, other.items, assume_unique=True, return_indices=True)
    cluster = np.unique(one.cluster[here], return_inverse=True)[1]
    drawn = drawn_items(cluster, _MOST_ITEMS, seed)
    x, y, cluster = one.values[here][drawn], other.values[there][drawn], cluster[drawn]
    if not len(x):
        return
    cluster = np.unique(cluster, return_inverse=True)[1]
    leaning = (x != 0) & (y != 0)
    equal = np.where(leaning, np.sign(x) == np.sign(y), 0.0)
    (correlation,), (share,) = _both(x, y, equal, leaning, np.ones((1, len(x))))
    clusters = int(cluster.max()) + 1
    intervals = [NO_INTERVAL, NO_INTERVAL]
    if clusters >= MIN_CLUSTERS:
        parts = [_both(x, y, equal, leaning, own) for own in item_weights(bootstrap, cluster)]
        intervals = [Interval(*percentiles(np.concatenate(values))) for values in zip(*parts, strict=True)]
    yield RewardAgreement(
        *where,
        one.contrast,
        one.signal.kind,
        one.signal.checkpoint,
        other.signal.kind,
        other.signal.checkpoint,
        float(correlation),
        intervals[0],
        float(share),
        intervals[1],
        len(x),
        int(np.sum(~leaning)),
        clusters,
    )


def _both(
    x: FloatArray, y: FloatArray, equal: FloatArray, leaning: Mask, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Correlation and share of equal signs under each row of weights, shape (resamples,) each."""
    count = weights @ leaning.astype(np.float64)
    share = np.full(len(weights), np.nan)
    np.divide(weights @ equal, count, out=share, where=count > 0)
    return spearman(x, y, weights), share


def _harm(
    where: _Where, heard: Heard, cell: Cell, verdict: VerdictName | None, bootstrap: Bootstrap
) -> Iterator[RewardHarm]:
    rows = heard.measured.usable(cell.rows, heard.contrast)
    if not len(rows):
        return
    means = heard.measured.means(rows, heard.contrast).means
    spread = means if heard.contrast == "raw" else heard.measured.means(rows, "reference").means
    value = _over_sd(means, spread, np.ones((1, len(means))))
    interval = NO_INTERVAL
    if len(means) >= MIN_CLUSTERS:
        found = [_over_sd(means, spread, counts) for counts in bootstrap.resamples(len(means))]
        interval = Interval(*percentiles(np.concatenate(found)))
    probe, design, render = where
    yield RewardHarm(
        probe,
        cell.identity,
        cell.axis,
        design,
        render,
        heard.contrast,
        heard.signal.kind,
        heard.signal.checkpoint,
        float(value[0]),
        interval,
        verdict,
        len(rows),
        len(means),
    )


def _over_sd(means: FloatArray, spread: FloatArray, counts: FloatArray) -> FloatArray:
    """Mean over the standard deviation (n - 1) of other numbers of the same clusters, NaN where these do not differ.

    Args:
        means, spread: shape (n,).
        counts: how often each cluster counts, n in all, shape (resamples, n).
    """
    n = len(means)
    found = np.full(len(counts), np.nan)
    if n < 2:
        return found
    centred = spread - spread.mean()
    variance = (counts @ centred**2 / n - (counts @ centred / n) ** 2) * n / (n - 1)
    # Of equal numbers rounding leaves a spread.
    known = variance > (1e-9 * np.abs(spread).max(initial=0.0)) ** 2
    np.divide(counts @ means / n, np.sqrt(np.maximum(variance, 0.0)), out=found, where=known)
    return found
