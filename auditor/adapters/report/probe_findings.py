"""What is found of each probe where training ends, from results alone. No statistic is made here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from auditor.adapters.report.answers import Answer, answers_of
from auditor.adapters.report.attribution.attribution_splits import LeafSplits, splits_of
from auditor.adapters.report.cells import Cell, Reading, by_verdict, cells_of
from auditor.adapters.report.controls import Controls, controls_of
from auditor.adapters.report.level_units import LevelUnit, level_units
from auditor.adapters.report.multiverse import Multiverse, multiverse_of
from auditor.adapters.report.probe_titles import design_title, probe_titles
from auditor.adapters.report.reference_names import ReferenceNames
from auditor.adapters.report.stage_tables import StageTables, stage_tables
from auditor.adapters.report.theme_cells import themes_of
from auditor.adapters.report.wordings import Wordings, wordings_of
from auditor.adapters.run.branches import Branch, branches_of
from auditor.adapters.run.results_schema import EffectRow, NoiseFloorRow, Results
from auditor.adapters.run.run_status import records
from auditor.core.scores import Render

MEASURES = ("level", "shift", "difference", "implicit_reward")


@dataclass(frozen=True, slots=True)
class LeafFindings:
    """One probe at one leaf, its cells by reading; the first reading leads.

    Attributes:
        unit: of its levels.
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
    unit: LevelUnit
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
    def parts(self) -> tuple[ProbeFindings, ...]:
        """The same by what the leaves give, policies and reward models apart; they differ in no number."""
        units = dict.fromkeys(leaf.unit for leaf in self.leaves)
        if len(units) < 2:
            return (self,)
        return tuple(
            replace(
                self,
                leaves=tuple(leaf for leaf in self.leaves if leaf.unit == unit),
                differences=() if unit.of_rewards else self.differences,
            )
            for unit in units
        )

    @property
    def staged(self) -> bool:
        """Whether some checkpoint on the way to its leaves was trained from another."""
        return any(len(leaf.branch.path) > 1 for leaf in self.leaves)

    @property
    def unit(self) -> LevelUnit:
        """Of the levels at its leaves; that of the first where they differ."""
        return self.leaves[0].unit

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Names of those on the way to its leaves, in order."""
        return tuple(dict.fromkeys(name for leaf in self.leaves for name in leaf.branch.path))

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
    units = level_units(results)
    measured: dict[tuple[str, str], list[EffectRow]] = {}
    for one in results.effects:
        if one.theme is None and one.measure in MEASURES:
            measured.setdefault((one.probe, one.design), []).append(one)
    titles, found = probe_titles(records(manifest, "probes"), dict.fromkeys(name for name, _ in measured)), []
    for (name, design), effects in measured.items():
        leaves = tuple(
            _at_leaf(results, effects, branch, units[branch.quantity], render, references) for branch in branches
        )
        title = design_title(titles[name], design, [other for one, other in measured if one == name])
        axes = tuple(dict.fromkeys(one.axis for one in effects if one.role == "marked" and one.axis))
        policies = [leaf for leaf in leaves if not leaf.unit.of_rewards]
        differences = tuple(_differences(effects, policies[0].judged if policies else ()))
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
    unit: LevelUnit,
    render: str,
    names: ReferenceNames,
) -> LeafFindings:
    """One probe at one leaf; ``effects`` are its linear ones over all themes, at least one."""
    harmful = [one for one in effects if one.valence == "harm"]
    alike = [one.name for one in results.series if one.quantity == branch.quantity]
    readings = cells_of(harmful, branch.leaf, alike, render)
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
        unit=unit,
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
