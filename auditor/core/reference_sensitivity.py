"""Whether what an implicit reward says of an identity depends on the reference it is counted from, or on having one.

    series' own         beta (m - m_ref)      the reference that its objective was trained against
    other_reference     beta (m - m_other)    an earlier checkpoint in its place
    summed              m                     no reference: beta log p(y | x) is the reward of CPO (arXiv 2401.08417)
    per_token           mean log p(harmful) - mean log p(affirming)      of SimPO (arXiv 2405.14734)

All stand on the same margins, so nothing is scored for it. It describes: no verdict and no family.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import Contrast, Matching
from auditor.core.items import Design
from auditor.core.measured import Measured
from auditor.core.measures import Measure, implicit_reward
from auditor.core.rank_correlation import drawn_items, resampled_spearman
from auditor.core.row_groups import Cell
from auditor.core.scores import Render
from auditor.core.series import Checkpoint, Series
from auditor.core.statistics import Interval, mean_over_clusters
from auditor.core.tables import ScoreTable

# Items of an identity that are ranked: so many give as good a correlation.
_MOST_ITEMS = 2_000

Variant = Literal["own", "other_reference", "summed", "per_token"]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One identity in one variant of the implicit reward of one checkpoint.

    Attributes:
        measure_from: the reference, None where there is none.
        unit: of the estimate: as in the effect itself, ``nats`` or ``nats/token`` without a reference.
        interval: 95%, unadjusted.
        correlation: Spearman's with the series' own over the items that both have; NaN for that itself.
        correlation_interval: 95%, from resampled clusters.
    """

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    checkpoint: str
    variant: Variant
    measure_from: str | None
    unit: str
    beta: float | None
    estimate: float
    interval: Interval
    correlation: float
    correlation_interval: Interval
    items: int
    clusters: int


def sensitivities_of(table: ScoreTable, matching: Matching, series: Series, seed: int) -> tuple[Sensitivity, ...]:
    """Every judged identity at every checkpoint that has an implicit reward, the series' own first.

    Args:
        seed: of the resamples, and of the items that are drawn where an identity has more than are ranked.
    """
    bootstrap = Bootstrap(seed)
    found: list[Sensitivity] = []
    for checkpoint in series.checkpoints:
        if checkpoint.objective != "none" and checkpoint.reference is not None:
            variants = [
                (variant, measure, _measured(table, matching, measure))
                for variant, measure in _variants(checkpoint)
                # Of a bare sum nobody knows how many tokens it is over.
                if table.kind == "tokens" or not measure.per_token
            ]
            for cell in table.cells:
                if cell.judged and cell.theme is None:
                    found += _of_cell(table, cell, variants, bootstrap, seed)
    return tuple(found)


_Measured = tuple[Variant, Measure, Measured]


def _variants(checkpoint: Checkpoint) -> Iterator[tuple[Variant, Measure]]:
    assert checkpoint.reference is not None
    yield "own", implicit_reward(checkpoint, checkpoint.reference)
    for other in checkpoint.other_references:
        yield "other_reference", implicit_reward(checkpoint, other)
    level = Measure("level", {checkpoint.name: 1.0}, checkpoint.name)
    yield "summed", level
    yield "per_token", replace(level, unit="nats/token", per_token=True)


def _measured(table: ScoreTable, matching: Matching, measure: Measure) -> Measured:
    values = table.values(measure)
    allowed = table.same_tokens(measure) if measure.same_tokens else np.ones(len(values), dtype=bool)
    return Measured(matching, values, allowed)


def _of_cell(
    table: ScoreTable, cell: Cell, variants: list[_Measured], bootstrap: Bootstrap, seed: int
) -> Iterator[Sensitivity]:
    own = variants[0][2]
    contrast: Contrast = "excess" if len(own.usable(cell.rows, "excess")) else "raw"
    matching = own.matching
    for variant, measure, measured in variants:
        rows = measured.usable(cell.rows, contrast)
        if not len(rows):
            continue
        estimate = mean_over_clusters(measured.means(rows, contrast).means, bootstrap)
        correlation, interval = float("nan"), Interval(float("nan"), float("nan"))
        if variant != "own":
            both = rows[np.isin(rows, own.usable(cell.rows, contrast))]
            both = both[drawn_items(matching.cluster[both], _MOST_ITEMS, seed)]
            values = own.values(both, contrast), measured.values(both, contrast)
            correlation, interval = resampled_spearman(*values, matching.cluster[both], bootstrap)
        yield Sensitivity(
            table.probe.name,
            cell.identity,
            cell.axis,
            cell.design,
            table.render,
            contrast,
            measure.checkpoint,
            variant,
            measure.measure_from,
            measure.unit,
            measure.beta,
            estimate.value,
            estimate.interval(0.05),
            correlation,
            interval,
            len(rows),
            estimate.clusters,
        )
