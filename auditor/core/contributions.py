"""What each stage of training contributed to the level where a path of training ends, in nats and as shares.

Shifts telescope: the level of the first checkpoint and the shifts of the stages after it add up to the last level, item
by item. A share is given only where it means a part of a whole: all contributions have the sign of the last level, and
that level is harm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Contrast, Matching
from auditor.core.effects import Effect
from auditor.core.items import Design
from auditor.core.measured import Measured
from auditor.core.refusals import Refusal
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray, Render
from auditor.core.series import Series
from auditor.core.statistics import NO_INTERVAL, Interval, t_quantile
from auditor.core.tables import ScoreTable


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one stage added to the level at a leaf of the series.

    Attributes:
        leaf: where the path of training ends.
        checkpoint: the stage; ``measure_from`` is what it started from, None for the level of the first checkpoint.
        estimate: nats, signed; those of one path add up to the leaf's level.
        interval: 95%, unadjusted.
        share: of the leaf's level; NaN where none can be given. ``share_interval``: 95%, Fieller's.
    """

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    leaf: str
    checkpoint: str
    measure_from: str | None
    estimate: float
    interval: Interval
    share: float
    share_interval: Interval


def contributions_of(
    table: ScoreTable, matching: Matching, effects: Sequence[Effect], series: Series
) -> tuple[tuple[Contribution, ...], tuple[Refusal, ...]]:
    """Every judged identity's contributions along every path of more than one checkpoint, and the shares refused.

    Args:
        effects: decided, those of this table among them.
    """
    found: list[Contribution] = []
    refused: dict[tuple[str, str], int] = {}
    index = {
        (one.identity, one.axis, one.design, one.contrast, one.measure, one.checkpoint): one
        for one in effects
        if one.theme is None and one.role == "marked" and one.valence == "harm"
        if (one.probe, one.render) == (table.probe.name, table.render)
    }
    for cell in table.cells:
        if not cell.judged or cell.theme is not None:
            continue
        contrasts: tuple[Contrast, ...] = ("raw",) if cell.design == "identity_swap" else ("raw", "excess")
        for contrast in contrasts:
            for path in (path for path in series.paths if len(path) > 1):
                who = (cell.identity, cell.axis, cell.design, contrast)
                stages = [index[*who, "shift" if at else "level", name] for at, name in enumerate(path)]
                last = index[*who, "level", path[-1]]
                if not last.items:
                    continue
                shares = _shares(table, matching, cell, contrast, stages, last)
                if shares is None and last.verdict == "harm":
                    refused[cell.identity, path[-1]] = refused.get((cell.identity, path[-1]), 0) + 1
                found += _rows(stages, path[-1], shares or [(float("nan"), NO_INTERVAL)] * len(stages))
    detail = "the stages' contributions have different signs: no shares of a whole"
    refusals = (
        Refusal("mixed_signs", detail, table.probe.name, None, table.render, leaf, identity, count)
        for (identity, leaf), count in refused.items()
    )
    return tuple(found), tuple(refusals)


def _rows(stages: Sequence[Effect], leaf: str, shares: Sequence[tuple[float, Interval]]) -> Iterator[Contribution]:
    for effect, (share, interval) in zip(stages, shares, strict=True):
        assert effect.identity is not None
        yield Contribution(
            effect.probe,
            effect.identity,
            effect.axis,
            effect.design,
            effect.render,
            effect.contrast,
            leaf,
            effect.checkpoint,
            effect.measure_from,
            effect.estimate.value,
            effect.interval,
            share,
            interval,
        )


def _shares(
    table: ScoreTable, matching: Matching, cell: Cell, contrast: Contrast, stages: Sequence[Effect], last: Effect
) -> list[tuple[float, Interval]] | None:
    if last.verdict != "harm" or any(one.estimate.value <= 0 for one in stages):
        return None
    whole = _means(table, matching, cell, contrast, {last.checkpoint: 1.0})
    shares = []
    for one in stages:
        weights = {one.checkpoint: 1.0} | ({one.measure_from: -1.0} if one.measure_from else {})
        part = _means(table, matching, cell, contrast, weights)
        shares.append((float(part.mean() / whole.mean()), fieller(part, whole, 0.05)))
    return shares


def _means(
    table: ScoreTable, matching: Matching, cell: Cell, contrast: Contrast, weights: dict[str, float]
) -> FloatArray:
    values = table.sides.margins() @ np.array([weights.get(name, 0.0) for name in table.checkpoints])
    return Measured(matching, values, np.ones(len(values), dtype=bool)).means(cell.rows, contrast).means


def fieller(part: FloatArray, whole: FloatArray, alpha: float) -> Interval:
    """Interval of a ratio of two means over the same clusters: Fieller 1954, "Some problems in interval estimation".

    It holds every ratio r at which a t test with error ``alpha`` would not reject mean(part - r whole) = 0.

    Args:
        part, whole: shape (n,).

    Returns:
        NO_INTERVAL where the mean of ``whole`` could be 0: then no bounded set of ratios covers.
    """
    n = len(whole)
    if n < 2:
        return NO_INTERVAL
    covariance = np.cov(np.stack([part, whole]), ddof=1) / n
    reach = t_quantile(1 - alpha / 2, n - 1) ** 2
    a, b = float(part.mean()), float(whole.mean())
    # (a - r b)^2 <= reach (v_aa - 2 r v_ab + r^2 v_bb), a quadratic in r.
    square = b**2 - reach * covariance[1, 1]
    linear = a * b - reach * covariance[0, 1]
    constant = a**2 - reach * covariance[0, 0]
    if square <= 0:
        return NO_INTERVAL
    root = math.sqrt(max(linear**2 - square * constant, 0.0))
    return Interval(float((linear - root) / square), float((linear + root) / square))
