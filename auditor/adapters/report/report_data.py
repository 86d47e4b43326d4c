"""What the report shows, selected and sorted from a run folder. No statistic is made here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.report.answers import Answer, answers_of
from auditor.adapters.report.attributed_run import AttributedRun, attributed_run
from auditor.adapters.report.attribution_splits import LeafSplits, splits_of
from auditor.adapters.report.cells import Cell, Reading, by_verdict, cells_of
from auditor.adapters.report.comparability import Check, checks_of
from auditor.adapters.report.controls import Controls, controls_of
from auditor.adapters.report.evidence import read_evidence
from auditor.adapters.report.explorer import Explorer, Told, Who
from auditor.adapters.report.metric_rows import MetricRow, metric_rows
from auditor.adapters.report.multiverse import Multiverse, multiverse_of
from auditor.adapters.report.probe_titles import design_title, probe_titles, title_of_all
from auditor.adapters.report.reference_names import ReferenceNames, reference_names
from auditor.adapters.report.remarks import Caution, RefusalGroup, group_cautions, group_refusals
from auditor.adapters.report.stage_tables import StageTables, stage_tables
from auditor.adapters.report.strong_items import StrongItem
from auditor.adapters.report.theme_cells import themes_of
from auditor.adapters.report.wordings import Wordings, wordings_of
from auditor.adapters.run.branches import Branch, branches_of
from auditor.adapters.run.lost_items import OF_ITEMS, lost_items
from auditor.adapters.run.results_schema import CheckpointRow, EffectRow, NoiseFloorRow, Results
from auditor.adapters.run.run_folder import ITEMS_FILE, RESULTS, is_private, read_manifest, read_results, records
from auditor.core.cohens_d import PAIRED, POOLED
from auditor.core.scores import Render
from auditor.core.verdicts import DEFAULT_SESOI
from auditor.errors import UsageError

COHENS = (POOLED, PAIRED)
MEASURES = ("level", "shift", "difference", "implicit_reward")


@dataclass(frozen=True, slots=True)
class LeafFindings:
    """One probe at one leaf, its cells by reading; the first reading leads.

    Attributes:
        references: raw levels of reference and control identities; they carry no verdict.
        controls: None where the probe brings none.
        stages: what each stage of the branch contributed.
        multiverse: the leading verdicts in other specifications.
        wordings: whether other wordings order the identities alike.
        themes: levels of the leading cells on single themes.
        answers: what stands behind each cell of the leading reading, in its order.
        noise: what rounding does at each checkpoint of the branch, empty where it was not measured.
        splits: the same levels and shifts in parts.
    """

    branch: Branch
    readings: tuple[tuple[Reading, tuple[Cell, ...]], ...]
    references: tuple[EffectRow, ...]
    controls: Controls | None
    stages: StageTables
    multiverse: Multiverse | None
    wordings: Wordings | None
    answers: tuple[Answer, ...]
    noise: tuple[NoiseFloorRow, ...]
    splits: LeafSplits
    themes: tuple[EffectRow, ...] = ()

    @property
    def headline(self) -> tuple[Cell, ...]:
        """The cells the answer counts: disparity where it can be read, else preference."""
        return self.readings[0][1] if self.readings else ()

    @property
    def judged(self) -> tuple[Cell, ...]:
        """Headline cells that have an interval."""
        return tuple(cell for cell in self.headline if cell.last.verdict != "refused")

    @property
    def examined(self) -> bool:
        """Whether anything was asked of how robust the verdicts are."""
        return bool(self.controls or self.multiverse or self.wordings or self.noise)


@dataclass(frozen=True, slots=True)
class ProbeFindings:
    """One probe at every leaf, in the order of the branches; once for each design of its rows.

    Attributes:
        title: the probe's own, and what tells it from others on the page.
        differences: of each identity's leading reading between every two leaves, a row an identity.
        axes: that its marked identities stand on.
        renders: in which anything of it was read.
    """

    name: str
    title: str
    design: str
    leaves: tuple[LeafFindings, ...]
    differences: tuple[tuple[EffectRow, ...], ...]
    axes: tuple[str, ...] = ()
    renders: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """What no other probe of the page has in common with it."""
        return self.name, self.design

    @property
    def judged(self) -> tuple[Cell, ...]:
        """Each identity that some leaf judged, once, in the cell of its gravest verdict."""
        cells: dict[tuple[str, str], Cell] = {}
        for cell in sorted((cell for leaf in self.leaves for cell in leaf.judged), key=by_verdict):
            cells.setdefault((cell.identity, cell.axis), cell)
        return tuple(cells.values())


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page.

    Attributes:
        tokens: of which items the run kept the tokens: all, sample or none.
        sesoi: the bound d, None where no verdict was asked or none could be given.
        unit: of levels: nats, or units of the reward.
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
    sesoi: float | None
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
    unit: str = "nats"

    @property
    def staged(self) -> bool:
        """Whether some checkpoint was trained from another."""
        return any(one.reference is not None for one in self.series)

    @property
    def examined(self) -> bool:
        """Whether anything was asked of how robust the verdicts are."""
        return any(leaf.examined for probe in self.probes for leaf in probe.leaves)

    @property
    def of_rewards(self) -> bool:
        """Whether scores are a reward model's output, in its own unit."""
        return self.unit != "nats"

    @property
    def unjudged(self) -> bool:
        """Whether no verdict was given because no bound is stated in the unit of the reward."""
        return self.of_rewards and self.sesoi is None

    @property
    def bound(self) -> float:
        """d as figures draw it: the convention where no verdict was asked, 0 where none could be given."""
        return (0.0 if self.unjudged else DEFAULT_SESOI) if self.sesoi is None else self.sesoi

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Names in the order given, a reference before what was trained from it."""
        return tuple(one.name for one in self.series)

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
    of_rewards = any(one.measure == "level" and one.unit == "reward" for one in results.effects)
    told = Told(_titles(probes), _verdicts(probes), "units of the reward" if of_rewards else "nats")
    evidence = read_evidence(run, render=render, branches=branches, private=private, told=told)
    return ReportData(
        results=results,
        series=results.series,
        branches=branches,
        render=render,
        sesoi=next((one.sesoi for one in results.effects if one.measure == "level" and one.sesoi is not None), None),
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
        unit=told.unit,
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


def headline_render(effects: Sequence[EffectRow]) -> Render:
    """The rendering that the answer is read in: plain where it was asked, or where nothing was measured."""
    renders = list(dict.fromkeys(one.render for one in effects))
    return "plain" if "plain" in renders or not renders else renders[0]


def probes_of(results: Results, manifest: Mapping[str, Any], references: ReferenceNames) -> tuple[ProbeFindings, ...]:
    """What is found of every probe at every leaf, in the headline rendering.

    Args:
        references: whom each identity is compared with, as far as that is to be said.
    """
    branches, render = branches_of(results.series), headline_render(results.effects)
    measured: dict[tuple[str, str], list[EffectRow]] = {}
    for one in results.effects:
        if one.theme is None and one.measure in MEASURES:
            measured.setdefault((one.probe, one.design), []).append(one)
    titles, found = probe_titles(records(manifest, "probes"), dict.fromkeys(name for name, _ in measured)), []
    for (name, design), effects in measured.items():
        leaves = tuple(_at_leaf(results, effects, branch, render, references) for branch in branches)
        title = design_title(titles[name], design, [other for one, other in measured if one == name])
        axes = tuple(dict.fromkeys(one.axis for one in effects if one.role == "marked" and one.axis))
        differences = tuple(_differences(effects, leaves[0].judged))
        renders = tuple(dict.fromkeys(one.render for one in effects))
        found.append(ProbeFindings(name, title, design, leaves, differences, axes, renders))
    return tuple(found)


def _differences(effects: Iterable[EffectRow], cells: Iterable[Cell]) -> Iterator[tuple[EffectRow, ...]]:
    """What two leaves differ by, for each of the cells of any one leaf that has it."""
    found: dict[tuple[str | None, str, str, str], list[EffectRow]] = {}
    for one in effects:
        if (one.measure, one.role, one.valence) == ("difference", "marked", "harm"):
            found.setdefault((one.identity, one.axis, one.contrast, one.render), []).append(one)
    for cell in cells:
        own = found.get((cell.identity, cell.axis, cell.last.contrast, cell.last.render))
        if own:
            yield tuple(own)


def _at_leaf(
    results: Results,
    effects: Sequence[EffectRow],
    branch: Branch,
    render: str,
    names: ReferenceNames,
) -> LeafFindings:
    """One probe at one leaf; ``effects`` are its linear ones over all themes, at least one."""
    harmful = [one for one in effects if one.valence == "harm"]
    readings = cells_of(harmful, branch.leaf, [one.name for one in results.series], render)
    references = [
        one
        for one in harmful
        if one.role != "marked"
        and (one.measure, one.contrast, one.render, one.checkpoint) == ("level", "raw", render, branch.leaf)
    ]
    leading = readings[0][1] if readings else ()
    themes = themes_of(results, effects[0].probe, leading, branch.leaf, render)
    return LeafFindings(
        branch=branch,
        readings=readings,
        references=tuple(sorted(references, key=lambda one: (one.role != "reference", one.identity or ""))),
        controls=controls_of(effects, leading, branch.leaf, render),
        stages=stage_tables(results, effects[0].probe, leading, branch, render),
        multiverse=multiverse_of(results, effects[0].probe, leading),
        wordings=wordings_of(results, effects[0].probe, effects[0].design, render, branch.leaf),
        themes=themes,
        answers=answers_of(leading, branch, themes, names),
        splits=splits_of(results, effects[0].probe, effects[0].design, leading, branch, render),
        noise=tuple(
            one
            for one in results.noise_floors
            if (one.probe, one.render) == (effects[0].probe, render) and one.checkpoint in branch.path
        ),
    )


def _families(effects: Iterable[EffectRow]) -> tuple[tuple[str, int], ...]:
    sizes: dict[str, int] = {}
    for one in effects:
        if one.family is not None and one.measure != "implicit_reward":
            sizes[one.family] = sizes.get(one.family, 0) + 1
    return tuple(sizes.items())
