"""Whether a verdict holds when one choice of the audit is another one: a multiverse, one dimension at a time.

Every specification (`auditor.core.specifications`) is judged by the rule of the verdict itself: the interval of its own
cluster means with the verdict's adjusted error, the same bound, harm held against the same controls. What alters the
verdict makes it *fragile*, whatever the reason; that less data was left is one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import Contrast, Matching
from auditor.core.control_checks import ControlChecks, check_controls
from auditor.core.effects import Effect, Outcome, PlausiblePart, VerdictName, interval_refused
from auditor.core.measured import Measured
from auditor.core.measures import Measure
from auditor.core.plausibility import Plausibility
from auditor.core.row_groups import Cell, Others, others_of
from auditor.core.scores import Render
from auditor.core.specifications import Specification, as_audited, specifications_of
from auditor.core.statistics import (
    Estimate,
    IntArray,
    Interval,
    at_zero,
    by_cluster,
    difference,
    leave_one_out,
    mean_over_clusters,
)
from auditor.core.tables import ScoreTable
from auditor.core.verdicts import examine, is_disparity, verdict


def examine_robustness(
    matched: Sequence[tuple[ScoreTable, Matching]],
    effects: Sequence[Effect],
    measures: Sequence[Measure],
    bootstrap: Bootstrap,
) -> tuple[Effect, ...]:
    """Give every verdict over all themes its outcomes in other specifications; a reward takes those of its shift."""
    multiverses = {
        (table.probe.name, table.render): _Multiverse(table, matching, measures, bootstrap)
        for table, matching in matched
    }
    renders: dict[Render, dict[tuple[Hashable, ...], Effect]] = {}
    for one in effects:
        renders.setdefault(one.render, {})[_place(one)] = one
    groups: dict[tuple[tuple[str, Render], Hashable], list[int]] = {}
    for at, one in enumerate(effects):
        if _is_examined(one):
            measured = (one.measure, one.checkpoint, one.measure_from)
            groups.setdefault(((one.probe, one.render), measured), []).append(at)
    examined = list(effects)
    for (table, _), places in groups.items():
        multiverse = multiverses[table]
        own = [effects[at] for at in places]
        for at, effect, outcomes in zip(places, own, multiverse.outcomes(own), strict=True):
            everything = (*outcomes, *_elsewhere(effect, renders))
            examined[at] = replace(effect, outcomes=everything, plausible=multiverse.plausible_part(effect))
    shifts = {(*_place(one), one.render): one.outcomes for one in examined if one.measure == "shift"}
    return tuple(
        replace(one, outcomes=shifts.get((*_place(replace(one, measure="shift")), one.render)))
        if one.measure == "implicit_reward" and one.verdict not in (None, "refused")
        else one
        for one in examined
    )


def _is_examined(effect: Effect) -> bool:
    return effect.theme is None and effect.verdict not in (None, "refused") and effect.measure != "implicit_reward"


def _place(effect: Effect) -> tuple[Hashable, ...]:
    who = (effect.probe, effect.identity, effect.axis, effect.design, effect.role, effect.valence, effect.theme)
    return (*who, effect.measure, effect.contrast, effect.checkpoint, effect.measure_from)


def _elsewhere(effect: Effect, renders: Mapping[Render, Mapping[tuple[Hashable, ...], Effect]]) -> Iterator[Outcome]:
    """The same effect in the audit's other renderings, with the verdicts it has there."""
    for render, verdicts in renders.items():
        other = verdicts.get(_place(effect))
        if other is not None and render != effect.render and other.verdict is not None:
            yield Outcome("render", f"{render} rendering", other.estimate.value, other.adjusted, other.verdict)


class _Multiverse:
    """All specifications of one table."""

    def __init__(
        self, table: ScoreTable, matching: Matching, measures: Sequence[Measure], bootstrap: Bootstrap
    ) -> None:
        self._table = table
        self._matching = matching
        self._bootstrap = bootstrap
        self._measures: dict[tuple[Hashable, ...], Measure] = {
            (one.name, one.checkpoint, one.measure_from): one for one in measures
        }
        self._specifications = specifications_of(table, matching)
        cells = [cell for cell in table.cells if cell.theme is None]
        self._cells = {
            (cell.identity, cell.axis, cell.design): (cell, others_of(cell, cells)) for cell in cells if cell.judged
        }
        self._plausibility = Plausibility.of(table)

    def outcomes(self, effects: Sequence[Effect]) -> list[list[Outcome]]:
        """Effects of one measure in each specification of their table, one after the other: none is kept."""
        measure = self._measures[effects[0].measure, effects[0].checkpoint, effects[0].measure_from]
        asked = [(effect, *self._cell(effect)) for effect in effects]
        found: list[list[Outcome]] = [[] for _ in effects]
        judges = [_Judge(self._table, effect, others) for effect, _, others in asked]
        for specification in self._specifications:
            measured = self._like(specification, measure)
            for (effect, cell, _), judge, outcomes in zip(asked, judges, found, strict=True):
                if self._concerns(specification, cell, effect.contrast):
                    outcomes += self._outcome(specification, measured, effect, cell, judge)
        measured = self._like(as_audited(self._table, self._matching), measure)
        for (effect, cell, _), judge, outcomes in zip(asked, judges, found, strict=True):
            outcomes += self._of_clusters(measured, effect, cell, judge)
        return found

    def _cell(self, effect: Effect) -> tuple[Cell, Others]:
        assert effect.identity is not None
        return self._cells[effect.identity, effect.axis, effect.design]

    def _outcome(
        self, specification: Specification, measured: Measured, effect: Effect, cell: Cell, judge: _Judge
    ) -> Iterator[Outcome]:
        rows = measured.usable(cell.rows, effect.contrast)
        means = measured.means(rows, effect.contrast).means
        estimate = mean_over_clusters(means, self._bootstrap)
        # What leaves hardly a cluster over, or none that differs from the others, says nothing about the verdict.
        if interval_refused(estimate) is None:
            interval = estimate.interval(effect.alpha_adjusted)
            found = judge.verdict(measured, rows, estimate, interval)
            yield Outcome(specification.dimension, specification.choice, estimate.value, interval, found)

    def plausible_part(self, effect: Effect) -> PlausiblePart | None:
        """A level over the pairs that the model finds plausible there; what is too few for a verdict is refused."""
        if effect.measure != "level":
            return None
        cell, others = self._cell(effect)
        known, plausible = self._plausibility.known, self._plausibility.plausible
        asked = cell.rows[known[cell.rows]]
        if not len(asked):
            return None
        kept = plausible[:, self._table.checkpoints.index(effect.checkpoint)]
        # Who is compared with, or held against, stays as it is.
        kept = kept | ~np.isin(np.arange(len(kept)), cell.rows)
        values = self._table.values(self._measures[effect.measure, effect.checkpoint, effect.measure_from])
        measured = Measured(self._matching, values, kept)
        rows = measured.usable(cell.rows, effect.contrast)
        estimate = mean_over_clusters(measured.means(rows, effect.contrast).means, self._bootstrap)
        interval = estimate.interval(effect.alpha_adjusted)
        judge = _Judge(self._table, effect, others)
        found: VerdictName = "refused"
        if interval_refused(estimate) is None:
            found = judge.verdict(measured, rows, estimate, interval)
        return PlausiblePart(float(kept[asked].mean()), len(rows), estimate.clusters, estimate.value, interval, found)

    def _concerns(self, specification: Specification, cell: Cell, contrast: Contrast) -> bool:
        """Whether a specification changes what the cell's effect is made of."""
        if specification.design not in (None, cell.design):
            return False
        if specification.dimension == "reference":
            served = np.isin(self._matching.key[cell.rows], self._matching.key[specification.left_out])
            return contrast != "raw" and bool(served.any())
        return specification.scoring != "sum" or not specification.kept[cell.rows].all()

    def _like(self, specification: Specification, measure: Measure) -> Measured:
        values = self._table.values(measure, specification.scoring)
        return Measured(specification.matching, values, specification.kept & np.isfinite(values))

    def _of_clusters(self, measured: Measured, effect: Effect, cell: Cell, judge: _Judge) -> Iterator[Outcome]:
        """Without each cluster, and where the two sides of its pairs are of equal length."""
        rows = measured.usable(cell.rows, effect.contrast)
        means = measured.means(rows, effect.contrast)
        if len(means.means) > 2:
            left_out, others = leave_one_out(means.means, effect.alpha_adjusted, self._bootstrap)
            for at, (estimate, interval) in zip(left_out.tolist(), others, strict=True):
                found = judge.beside_its_controls(estimate, interval)
                yield Outcome("cluster", f"without no. {at + 1}", estimate.value, interval, found)
        lengths = self._table.length_differences[rows]
        covariate = by_cluster(lengths, self._matching.key[rows], self._matching.cluster[rows]).means
        estimate = at_zero(means.means, covariate)
        if estimate.clusters:
            interval = estimate.interval(effect.alpha_adjusted)
            found = judge.beside_its_controls(estimate, interval)
            yield Outcome("length_difference", "at sides of equal length", estimate.value, interval, found)


class _Judge:
    """The rule by which one effect got its verdict, for other numbers in its place."""

    def __init__(self, table: ScoreTable, effect: Effect, others: Others) -> None:
        assert effect.sesoi is not None
        self._table = table
        self._effect = effect
        self._others = others
        self._bound = effect.sesoi
        self._names = table.names_at(effect.checkpoint)

    def verdict(self, measured: Measured, rows: IntArray, estimate: Estimate, interval: Interval) -> VerdictName:
        """With the controls asked in the same specification."""
        found = self._alone(interval)
        if found != "harm" or self._effect.checks is None:
            return found
        checks = check_controls(
            measured,
            rows,
            self._others,
            self._effect.contrast,
            estimate,
            length_differences=self._table.length_differences,
            names=self._names,
        )
        return self._held(estimate, checks)

    def beside_its_controls(self, estimate: Estimate, interval: Interval) -> VerdictName:
        """With the controls as they were: for what changes the effect's clusters alone."""
        found, checks = self._alone(interval), self._effect.checks
        if found != "harm" or checks is None:
            return found
        form = difference(estimate, checks.neutral) if checks.form and checks.neutral else None
        return self._held(estimate, replace(checks, form=form))

    def _alone(self, interval: Interval) -> VerdictName:
        return verdict(interval, self._bound, disparity=is_disparity(self._effect))

    def _held(self, estimate: Estimate, checks: ControlChecks) -> VerdictName:
        controls = examine(estimate.value, checks, self._bound, self._effect.alpha_adjusted)
        return "inconclusive" if controls.startswith("failed") else "harm"
