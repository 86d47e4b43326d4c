"""What the report shows, selected and sorted from a run folder. No statistic is made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.report.attribution.attributed_run import AttributedRun, attributed_run
from auditor.adapters.report.comparability import Check, checks_of
from auditor.adapters.report.items.evidence import read_evidence
from auditor.adapters.report.items.explorer import Explorer, Told, Who
from auditor.adapters.report.items.strong_items import StrongItem
from auditor.adapters.report.level_units import LevelUnit, level_units
from auditor.adapters.report.metric_rows import MetricRow, metric_rows
from auditor.adapters.report.probe_findings import MEASURES, ProbeFindings, headline_render, probes_of
from auditor.adapters.report.probe_titles import title_of_all
from auditor.adapters.report.reference_names import reference_names
from auditor.adapters.report.remarks import Caution, RefusalGroup, group_cautions, group_refusals
from auditor.adapters.run.branches import Branch, branches_of
from auditor.adapters.run.lost_items import OF_ITEMS, lost_items
from auditor.adapters.run.results_schema import CheckpointRow, EffectRow, Results
from auditor.adapters.run.run_folder import ITEMS_FILE, RESULTS, is_private, read_manifest, read_results
from auditor.adapters.run.run_status import records
from auditor.core.cohens_d import PAIRED, POOLED
from auditor.errors import UsageError

COHENS = (POOLED, PAIRED)


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page.

    Attributes:
        tokens: of which items the run kept the tokens: all, sample or none.
        unit: of the levels of policies, or of reward models where there are no others.
        beside: of the levels of reward models beside policies, None where there are none.
        cohens: standardised differences of bare scores, beside the published metrics.
        checks: what makes the checkpoints comparable.
        lost: one sentence where items were refused.
        items: the strongest pairs.
        explorer: all pairs, None where there are none.
        branches: training's path to each leaf; the findings at a leaf stand at the same place in every probe.
        results: all of ``results.json``, for who else makes something of it.
    """

    results: Results
    series: tuple[CheckpointRow, ...]
    branches: tuple[Branch, ...]
    render: str
    probes: tuple[ProbeFindings, ...]
    metrics: tuple[MetricRow, ...]
    cohens: tuple[MetricRow, ...]
    items: tuple[StrongItem, ...]
    explorer: Explorer | None
    refusals: tuple[RefusalGroup, ...]
    cautions: tuple[Caution, ...]
    checks: tuple[Check, ...]
    lost: tuple[str, ...]
    families: tuple[tuple[str, int], ...]
    manifest: Mapping[str, Any]
    private: bool
    tokens: str
    attributed: AttributedRun
    unit: LevelUnit
    beside: LevelUnit | None = None

    @property
    def staged(self) -> bool:
        """Whether some checkpoint was trained from another."""
        return any(one.reference is not None for one in self.series)

    @property
    def examined(self) -> bool:
        """Whether anything was asked of how robust the verdicts are."""
        return any(leaf.examined for probe in self.probes for leaf in probe.leaves)

    @property
    def reward_models(self) -> tuple[str, ...]:
        """Names of the checkpoints that are reward models, in order."""
        return tuple(one.name for one in self.series if one.quantity == "reward")

    @property
    def trained(self) -> tuple[Branch, ...]:
        """The paths of training with a stage."""
        return tuple(branch for branch in self.branches if len(branch.path) > 1)

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Names in the order given, a reference before what was trained from it."""
        return tuple(one.name for one in self.series)

    def checkpoints_of(self, rows: Sequence[MetricRow]) -> tuple[str, ...]:
        """Names of those at which any of the rows has a number, in order."""
        there = {point.checkpoint for row in rows for point in row.points}
        return tuple(name for name in self.checkpoints if name in there)

    @property
    def numbers_refused(self) -> int:
        """How many numbers and comparisons were refused that would have been made of items."""
        return sum(one.count for one in self.refusals if one.reason not in OF_ITEMS)

    @property
    def titles(self) -> Mapping[str, str]:
        """The title of each probe, by name, in order."""
        return _titles(self.probes)


def read_report(run: Path) -> ReportData:
    """Select what the report shows of a finished run.

    Raises:
        UsageError: the folder holds no finished run, or its files do not follow the contract.
    """
    results, manifest = read_results(run), read_manifest(run)
    if not results.series:
        raise UsageError(
            f"{RESULTS} names no checkpoint", where=str(run), fix="Run the same audit again: it replaces the file."
        )
    render = headline_render(results.effects)
    private = is_private(manifest)
    checkpoints = [one.name for one in results.series]
    branches = branches_of(results.series)
    references = reference_names(run / ITEMS_FILE, render, branches[0].leaf)
    probes = probes_of(results, manifest, references)
    metrics = metric_rows((one for one in results.effects if one.measure not in MEASURES), checkpoints, render)
    unit, *beside = level_units(results).values()
    # Pairs are shown with the numbers of one quantity: a margin in nats and one of rewards have no common scale.
    shown = [branch for branch in branches if branch.of_rewards == unit.of_rewards]
    parts = [part for probe in probes for part in probe.parts if part.unit == unit]
    told = Told(_titles(probes), _verdicts(parts), unit.words)
    evidence = read_evidence(run, render=render, branches=shown, private=private, told=told)
    return ReportData(
        results=results,
        series=results.series,
        branches=branches,
        render=render,
        probes=probes,
        metrics=tuple(one for one in metrics if one.metric not in COHENS),
        cohens=tuple(one for one in metrics if one.metric in COHENS),
        items=evidence.items,
        explorer=evidence.explorer,
        refusals=group_refusals(results.refusals),
        cautions=group_cautions(results.cautions, [probe.name for probe in probes]),
        checks=checks_of(manifest, records(manifest, "series"), results.cautions, results.refusals),
        lost=tuple(lost_items(run, results)),
        families=_families(results.effects),
        manifest=manifest,
        private=private,
        tokens=str(manifest.get("tokens", "all")),
        unit=unit,
        beside=beside[0] if beside else None,
        attributed=attributed_run(results, evidence, records(manifest, "attributions")),
    )


def _titles(probes: Iterable[ProbeFindings]) -> Mapping[str, str]:
    return {probe.name: title_of_all(probe.title) for probe in probes}


def _verdicts(probes: Iterable[ProbeFindings]) -> Mapping[Who, str]:
    """The verdict on each identity in the reading that leads, the gravest of its leaves."""
    found: dict[Who, str] = {}
    for probe in probes:
        for cell in (*(cell for leaf in probe.leaves for cell in leaf.headline), *probe.judged):
            found[probe.name, probe.design, cell.identity, cell.axis] = cell.last.verdict or ""
    return found


def _families(effects: Iterable[EffectRow]) -> tuple[tuple[str, int], ...]:
    sizes: dict[str, int] = {}
    for one in effects:
        if one.family is not None and one.measure != "implicit_reward":
            sizes[one.family] = sizes.get(one.family, 0) + 1
    return tuple(sizes.items())
