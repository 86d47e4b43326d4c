"""From score tables to effects: every cell a probe supports, under every measure and contrast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from auditor.core.bootstrap import Bootstrap
from auditor.core.cohens_d import standardised_effects
from auditor.core.contrasts import Contrast, Mask, Matching
from auditor.core.control_checks import check_controls
from auditor.core.effects import MIN_THEME_CLUSTERS, Effect, Shares, interval_refused
from auditor.core.items import Design
from auditor.core.measured import Measured
from auditor.core.measures import Measure
from auditor.core.metric_effects import metric_effects
from auditor.core.noise import Moments, Rounding
from auditor.core.refusals import Reason, Refusal
from auditor.core.row_groups import Cell, Others, others_of
from auditor.core.scales import StageScales
from auditor.core.scores import Render
from auditor.core.statistics import Estimate, IntArray, mean_over_clusters
from auditor.core.tables import ScoreTable
from auditor.core.two_way import beyond_forms


def estimate_effects(
    table: ScoreTable,
    matching: Matching,
    measures: Sequence[Measure],
    bootstrap: Bootstrap,
    rounding: Rounding | None = None,
) -> tuple[tuple[Effect, ...], tuple[Refusal, ...]]:
    """Every effect one score table supports, and what it had to refuse.

    Args:
        rounding: a sample of the table's rows scored in float32 too; without one no effect has a noise.
    """
    pairs = np.array([item.pair is not None for item in table.items], dtype=bool)
    refusals = [*table.refusals, *matching.refusals, *_refuse_no_pairs(table, pairs)]
    usable = {measure.checkpoint: table.same_tokens(measure) for measure in measures if measure.same_tokens}
    refusals += _refuse_other_tokens(table, usable)
    cells = table.cells
    others = [others_of(cell, cells) if cell.judged else None for cell in cells]
    effects: list[Effect] = []
    for measure in measures:
        allowed = usable[measure.checkpoint] if measure.same_tokens else np.ones(len(pairs), dtype=bool)
        noise = rounding.moments(measure) if rounding is not None else {}
        estimator = _Estimator(table, measure, Measured(matching, table.values(measure), allowed), bootstrap, noise)
        for cell, beside in zip(cells, others, strict=True):
            effects += [estimator.effect(cell, beside, contrast) for contrast in _contrasts(cell)]
    for beside_them, undefined in (metric_effects(table), standardised_effects(table)):
        effects += beside_them
        refusals += undefined
    refusals += [*_refuse_no_interval(effects), *_refuse_form(table, effects)]
    return tuple(effects), tuple(refusals)


def _contrasts(cell: Cell) -> tuple[Contrast, ...]:
    if cell.role == "reference" or cell.design == "identity_swap":
        return ("raw",)
    return ("raw", "excess", "reference")


class _Estimator:
    """Effects of one measure on one table."""

    def __init__(
        self,
        table: ScoreTable,
        measure: Measure,
        measured: Measured,
        bootstrap: Bootstrap,
        noise: Mapping[tuple[Design, Contrast], Moments],
    ) -> None:
        self._table = table
        self._measure = measure
        self._measured = measured
        self._bootstrap = bootstrap
        self._noise = noise
        self._scales = StageScales(table, measure, measured, bootstrap)
        self._names = table.names_at(measure.checkpoint)

    def effect(self, cell: Cell, others: Others | None, contrast: Contrast) -> Effect:
        """One cell in one contrast."""
        table, measure, measured = self._table, self._measure, self._measured
        rows = measured.usable(cell.rows, contrast)
        values = measured.values(rows, contrast)
        means = measured.means(rows, contrast)
        estimate = mean_over_clusters(means.means, self._bootstrap)
        # A preference is the wording's own: which side of a neutral pair counts as harmful would decide its control.
        is_disparity = contrast == "excess" or cell.design == "identity_swap"
        checks = forms = scales = None
        if others is not None and is_disparity:
            if _may_be_judged(cell, estimate):
                checks = check_controls(
                    measured,
                    rows,
                    others,
                    contrast,
                    estimate,
                    length_differences=table.length_differences,
                    names=self._names,
                )
            matching = measured.matching
            forms = beyond_forms(values, matching.key[rows], matching.cluster[rows], matching.form[rows])
            scales = self._scales.of(cell, contrast, estimate)
        return Effect(
            probe=table.probe.name,
            identity=cell.identity,
            axis=cell.axis,
            theme=cell.theme,
            render=table.render,
            role=cell.role,
            valence=cell.valence,
            design=cell.design,
            measure=measure.name,
            contrast=contrast,
            checkpoint=measure.checkpoint,
            measure_from=measure.measure_from,
            reference=measure.reference,
            unit=measure.unit,
            beta=measure.beta,
            estimate=estimate,
            interval=estimate.interval(0.05),
            shares=Shares.of(values, means.means),
            items=len(values),
            complete=table.complete,
            per_token=measure.per_token,
            checks=checks,
            forms=forms,
            scales=scales,
            noise=self._noise_of(cell, contrast, rows),
        )

    def _noise_of(self, cell: Cell, contrast: Contrast, rows: IntArray) -> float | None:
        moments, matching = self._noise.get((cell.design, contrast)), self._measured.matching
        return moments.noise(matching.key[rows], matching.cluster[rows]) if moments is not None and len(rows) else None


def _may_be_judged(cell: Cell, estimate: Estimate) -> bool:
    return estimate.clusters >= (2 if cell.theme is None else MIN_THEME_CLUSTERS)


def _refuse_no_pairs(table: ScoreTable, pairs: Mask) -> Iterator[Refusal]:
    if not pairs.all():
        detail = "items without candidates labelled harmful and affirming are scored, but have no margin"
        count = int(np.sum(~pairs))
        yield Refusal("no_pairs", detail, table.probe.name, render=table.render, count=count)


def _refuse_other_tokens(table: ScoreTable, usable: Mapping[str, Mask]) -> Iterator[Refusal]:
    for checkpoint, same in usable.items():
        if not same.all():
            detail = "other token ids at the checkpoint than at its reference: a shift, never a reward"
            yield Refusal(
                "tokens_differ",
                detail,
                table.probe.name,
                render=table.render,
                checkpoint=checkpoint,
                count=int(np.sum(~same)),
            )


def _refuse_no_interval(effects: Sequence[Effect]) -> Iterator[Refusal]:
    """One Refusal for each cell whose clusters give no interval, counting its measures."""
    details: Mapping[Reason, str] = {
        "few_clusters": "fewer than two clusters: no spread to take an interval from",
        "no_spread": "all clusters say the same: no spread to take an interval from",
    }
    counts: dict[tuple[Reason, str, Render, str | None], int] = {}
    for effect in effects:
        reason = interval_refused(effect.estimate)
        # Margins may all be exactly 0; of shares that are, as of others, nothing more is known.
        if reason is None and not math.isnan(effect.estimate.se) and math.isnan(effect.interval.low):
            reason = "no_spread"
        if reason and effect.theme is None and effect.items:
            key = (reason, effect.probe, effect.render, effect.identity)
            counts[key] = counts.get(key, 0) + 1
    for (reason, probe, render, identity), count in counts.items():
        yield Refusal(reason, details[reason], probe, render=render, identity=identity, count=count)


def _refuse_form(table: ScoreTable, effects: Sequence[Effect]) -> Iterator[Refusal]:
    """One Refusal for each identity whose neutral pairs were refused as controls."""
    refused = [one for one in effects if one.checks and one.checks.form_refused and one.theme is None]
    cells = dict.fromkeys((one.probe, one.render, one.identity) for one in refused)
    detail = "the sides of the neutral pairs differ in token length otherwise than those of the harmful pairs"
    if np.isnan(table.length_differences).all():
        detail = "the scores hold no tokens, so neutral pairs cannot be seen to have the form of the harmful pairs"
    for probe, render, identity in cells:
        yield Refusal("control_form", detail, probe, render=render, identity=identity)
