"""From score tables to effects: every cell a probe supports, under every measure and contrast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.contrasts import Contrast, Mask, Matching, match_items
from auditor.core.control_checks import Rows, check_controls
from auditor.core.effects import MIN_THEME_CLUSTERS, Effect, interval_refused
from auditor.core.items import Design, Item, Role, Valence
from auditor.core.measures import Measure
from auditor.core.metrics import METRICS
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import FloatArray, Render
from auditor.core.statistics import Estimate, cluster_means, mean_over_clusters, mean_over_items
from auditor.core.tables import ScoreTable


@dataclass(frozen=True, slots=True)
class _Cell:
    """Rows that answer one question: who, about what, in which role."""

    identity: str
    axis: str
    theme: str | None
    role: Role
    valence: Valence
    design: Design
    rows: Mask

    @property
    def judged(self) -> bool:
        """Whether its effects are to be judged, rather than to judge others by."""
        return self.role == "marked" and self.valence == "harm"


def estimate_effects(table: ScoreTable, measures: Sequence[Measure]) -> tuple[tuple[Effect, ...], tuple[Refusal, ...]]:
    """Every effect one score table supports, and what it had to refuse."""
    pairs = np.array([item.pair is not None for item in table.items], dtype=bool)
    matching = match_items(table)
    refusals = [*table.refusals, *matching.refusals, *_refuse_no_pairs(table, pairs)]
    usable = {measure.checkpoint: table.same_tokens(measure) for measure in measures if measure.same_tokens}
    refusals += _refuse_other_tokens(table, usable)
    effects: list[Effect] = []
    cells = tuple(_cells(table.items, pairs))
    for cell in cells:
        others = _others(len(table.items), cell, cells) if cell.judged else None
        for measure in measures:
            values = table.values(measure)
            allowed = usable[measure.checkpoint] if measure.same_tokens else np.ones(len(values), dtype=bool)
            effects += [
                _effect(table, matching, cell, others, measure, contrast, values, allowed)
                for contrast in _contrasts(cell)
            ]
    effects += _metric_effects(table, matching, pairs)
    refusals += [*_refuse_no_interval(effects), *_refuse_form(effects)]
    return tuple(effects), tuple(refusals)


def _cells(items: Sequence[Item], pairs: Mask) -> Iterator[_Cell]:
    """Each identity over all themes, then by theme where it has more than one."""
    groups: dict[tuple[str, str, Role, Valence, Design], dict[str, list[int]]] = {}
    for position, item in enumerate(items):
        if pairs[position]:
            who = (item.identity, item.axis, item.role, item.valence, item.design)
            groups.setdefault(who, {}).setdefault(item.theme, []).append(position)
    for (identity, axis, role, valence, design), themes in groups.items():
        everything = [position for positions in themes.values() for position in positions]
        yield _Cell(identity, axis, None, role, valence, design, _mask(len(items), everything))
        if len(themes) > 1:
            for theme, positions in themes.items():
                yield _Cell(identity, axis, theme, role, valence, design, _mask(len(items), positions))


def _mask(size: int, positions: Sequence[int]) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[positions] = True
    return mask


def _contrasts(cell: _Cell) -> tuple[Contrast, ...]:
    if cell.role == "reference" or cell.design == "identity_swap":
        return ("raw",)
    return ("raw", "excess", "reference")


@dataclass(frozen=True, slots=True)
class _Others:
    """Rows that a cell is held against, masks of shape (n,)."""

    neutral: Mask
    controls: Mapping[str, Mask]


def _others(size: int, cell: _Cell, cells: Sequence[_Cell]) -> _Others:
    """Neutral pairs about the cell's identity, and the control identities of its axis and design."""
    kind = (cell.axis, cell.design)
    neutral = np.zeros(size, dtype=bool)
    controls: dict[str, Mask] = {}
    for other in cells:
        if other.theme is None and (other.axis, other.design) == kind:
            if (other.identity, other.role, other.valence) == (cell.identity, cell.role, "neutral"):
                neutral = neutral | other.rows
            elif (other.role, other.valence) == ("control", "harm"):
                controls[other.identity] = other.rows
    return _Others(neutral, controls)


def _effect(
    table: ScoreTable,
    matching: Matching,
    cell: _Cell,
    others: _Others | None,
    measure: Measure,
    contrast: Contrast,
    raw: FloatArray,
    allowed: Mask,
) -> Effect:
    rows, values, usable = cell.rows & allowed, raw, allowed
    if contrast != "raw":
        # A reference row with other tokens between checkpoints would otherwise lend a NaN-free but
        # unlike margin to a reward: its key is only as good as its worst row.
        reference = matching.reference_mean(np.where(allowed, raw, np.nan))
        usable = allowed & matching.matched & np.isfinite(reference)
        rows = rows & usable
        values = reference if contrast == "reference" else raw - reference
    chosen = values[rows]
    means = cluster_means(chosen, matching.key[rows], matching.cluster[rows])
    estimate = mean_over_clusters(means) if len(means) else Estimate(float("nan"), float("nan"), 0)
    checks = None
    # A preference is the wording's own: which side of a neutral pair counts as harmful would decide its control.
    is_disparity = contrast == "excess" or cell.design == "identity_swap"
    if others is not None and is_disparity and _may_be_judged(cell, estimate):
        held = Rows(
            own=rows,
            neutral=others.neutral & usable,
            reference=matching.is_reference & allowed & np.isin(matching.key, matching.key[rows]),
            controls=tuple(_in_clusters(mask & allowed, rows, matching) for mask in others.controls.values()),
        )
        names = table.names[:, table.checkpoints.index(measure.checkpoint)]
        checks = check_controls(table, matching, held, contrast, estimate, raw=raw, values=values, names=names)
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
        reference=measure.measure_from,
        unit=measure.unit,
        beta=measure.beta,
        estimate=estimate,
        interval=estimate.interval(0.05),
        share_positive=float(np.mean(chosen > 0)) if len(chosen) else float("nan"),
        ties=int(np.sum(chosen == 0)),
        items=len(chosen),
        complete=table.complete,
        per_token=measure.per_token,
        checks=checks,
    )


def _in_clusters(mask: Mask, rows: Mask, matching: Matching) -> Mask:
    """The rows of a mask in the clusters of others; none where it lacks one of these, so that means stay alike."""
    clusters = np.unique(matching.cluster[rows])
    found: Mask = mask & np.isin(matching.cluster, clusters)
    return found if len(np.unique(matching.cluster[found])) == len(clusters) else np.zeros_like(mask)


def _may_be_judged(cell: _Cell, estimate: Estimate) -> bool:
    return estimate.clusters >= (2 if cell.theme is None else MIN_THEME_CLUSTERS)


def _metric_effects(table: ScoreTable, matching: Matching, pairs: Mask) -> Iterator[Effect]:
    """The probe's published metrics: percent of rows, over all of them and by identity."""
    for name in table.probe.card.metrics:
        metric = METRICS[name]
        for checkpoint in table.checkpoints:
            scored = table.scored[checkpoint]
            differences = np.array(
                [metric.difference(one) if pair else np.nan for one, pair in zip(scored, pairs, strict=True)]
            )
            for identity, axis, rows in _identities(table.items, pairs):
                chosen = differences[rows]
                estimate = mean_over_items(np.where(chosen > 0, 100.0, 0.0), matching.cluster[rows])
                yield Effect(
                    probe=table.probe.name,
                    identity=identity,
                    axis=axis,
                    theme=None,
                    render=table.render,
                    role="marked",
                    valence="harm",
                    design=table.items[int(np.argmax(rows))].design,
                    measure=name,
                    contrast="raw",
                    checkpoint=checkpoint,
                    measure_from=None,
                    reference=None,
                    unit="%",
                    beta=None,
                    estimate=estimate,
                    interval=estimate.interval(0.05),
                    share_positive=float(np.mean(chosen > 0)),
                    ties=int(np.sum(chosen == 0)),
                    items=len(chosen),
                    complete=table.complete,
                )


def _identities(items: Sequence[Item], pairs: Mask) -> Iterator[tuple[str | None, str, Mask]]:
    """All rows together, then each identity on its axis."""
    if pairs.any():
        yield None, "", pairs
    for who in dict.fromkeys((item.identity, item.axis) for item in items):
        rows = pairs & np.array([(item.identity, item.axis) == who for item in items], dtype=bool)
        if rows.any():
            yield *who, rows


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
        "no_spread": "all cluster means are equal and not 0: no spread to take an interval from",
    }
    counts: dict[tuple[Reason, str, Render, str | None], int] = {}
    for effect in effects:
        reason = interval_refused(effect.estimate)
        if reason and effect.theme is None and effect.items:
            key = (reason, effect.probe, effect.render, effect.identity)
            counts[key] = counts.get(key, 0) + 1
    for (reason, probe, render, identity), count in counts.items():
        yield Refusal(reason, details[reason], probe, render=render, identity=identity, count=count)


def _refuse_form(effects: Sequence[Effect]) -> Iterator[Refusal]:
    """One Refusal for each identity whose neutral pairs were refused as controls."""
    refused = [one for one in effects if one.checks and one.checks.form_refused and one.theme is None]
    cells = dict.fromkeys((one.probe, one.render, one.identity) for one in refused)
    for probe, render, identity in cells:
        detail = "the sides of the neutral pairs differ in token length otherwise than those of the harmful pairs"
        yield Refusal("control_form", detail, probe, render=render, identity=identity)
