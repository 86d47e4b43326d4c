"""Which cells the report's figures draw, for each probe and leaf."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from auditor.adapters.report.cells import Cell, Stage
from auditor.adapters.report.plots.against_plot import AgainstPlot, AgainstRow
from auditor.adapters.report.plots.curve_plot import CurvePlot, CurvePoint, CurveRow
from auditor.adapters.report.plots.figure_tables import Table, file_name
from auditor.adapters.report.plots.figures import Mark, Plot
from auditor.adapters.report.plots.forest_plot import ForestPlot, ForestRow
from auditor.adapters.report.plots.heat_map import HeatCell, HeatMap, HeatRow
from auditor.adapters.report.plots.parts_plot import Part, PartsPlot, PartsRow
from auditor.adapters.report.plots.slope_chart import SlopeChart, SlopeLine
from auditor.adapters.report.plots.svg import PAGE, Drawn, drawing, inline_svg
from auditor.adapters.report.probe_findings import LeafFindings, ProbeFindings
from auditor.adapters.report.probe_titles import title_of_all
from auditor.adapters.run.results_schema import EffectRow


@dataclass(frozen=True, slots=True)
class LeafPlots:
    """A probe's figures at one leaf before they are drawn; None where there is nothing to draw.

    Attributes:
        slope: levels over the path with intervals.
        parts: what each stage added: marked part against reference part.
        forest: identities with adjusted intervals, and the band of the control identities.
        heat: identity by theme.
        against: raw reading against excess reading, implicit reward beside.
        curves: specification curves.
    """

    slope: SlopeChart | None = None
    parts: PartsPlot | None = None
    forest: ForestPlot | None = None
    heat: HeatMap | None = None
    against: AgainstPlot | None = None
    curves: CurvePlot | None = None

    def named(self) -> Iterator[tuple[str, Plot]]:
        """Those that are there, by name."""
        for field in fields(self):
            plot = getattr(self, field.name)
            if plot is not None:
                yield field.name, plot


@dataclass(frozen=True, slots=True)
class LeafFigures:
    """The same, drawn for the page."""

    slope: Drawn | None = None
    parts: Drawn | None = None
    forest: Drawn | None = None
    heat: Drawn | None = None
    against: Drawn | None = None
    curves: Drawn | None = None


def figures_of(probe: ProbeFindings, prefix: str) -> tuple[LeafFigures, ...]:
    """The figures at every leaf, drawn for the page.

    Args:
        prefix: of ids, so that they are unique on the page.
    """
    found = []
    # Where the title tells a design apart, the files do too.
    told = [probe.name] if probe.title == title_of_all(probe.title) else [probe.name, probe.design]
    for at, (leaf, plots) in enumerate(zip(probe.leaves, plots_of(probe), strict=True)):
        drawn = {
            kind: on_page(plot, f"{prefix}l{at}{kind[0]}", file_name(*told, leaf.branch.leaf, kind))
            for kind, plot in plots.named()
        }
        found.append(LeafFigures(**drawn))
    return tuple(found)


def on_page(plot: Plot, prefix: str, name: str, table: Table | None = None) -> Drawn:
    """A figure drawn for a page.

    Args:
        prefix: of ids, so that they are unique there.
        name: of its data as a download, without an ending.
        table: that data; None for all of the figure's.
    """
    words = plot.alternative()
    with drawing(PAGE) as canvas:
        plot.draw(canvas)
        svg = inline_svg(canvas, prefix=prefix, title=plot.title, description=words)
    return Drawn(svg, words, (table or plot.table()).csv(), f"{name}.csv")


def plots_of(probe: ProbeFindings) -> tuple[LeafPlots, ...]:
    """What is to be drawn at every leaf; figures of one kind share an axis, so that branches can be compared.

    Rewards have a unit at each leaf, so there no axis is shared.
    """
    plots = [_at_leaf(probe, leaf) if leaf.judged else LeafPlots() for leaf in probe.leaves]
    policies = [at for at, leaf in enumerate(probe.leaves) if not leaf.unit.of_rewards]
    if len(policies) > 1:
        for at, one in zip(policies, _on_one_axis([plots[at] for at in policies]), strict=True):
            plots[at] = one
    return tuple(plots)


def _on_one_axis(alone: Sequence[LeafPlots]) -> tuple[LeafPlots, ...]:
    rows = tuple(row.mark for one in alone if one.forest for row in one.forest.rows)
    levels = tuple(mark for one in alone if one.slope for line in one.slope.lines for mark in line.marks if mark)
    moves = tuple(mark for one in alone if one.parts for mark in one.parts.marks())
    return tuple(
        replace(
            one,
            forest=one.forest and replace(one.forest, beside=rows),
            slope=one.slope and replace(one.slope, beside=levels),
            parts=one.parts and replace(one.parts, beside=moves),
        )
        for one in alone
    )


def _at_leaf(probe: ProbeFindings, leaf: LeafFindings) -> LeafPlots:
    bound, unit = leaf.unit.bound, leaf.unit.word
    path, cells, reading = leaf.branch.path, leaf.judged, leaf.readings[0][0]
    intervals = "95%" if all(cell.last.verdict is None for cell in cells) else "adjusted"
    forest = ForestPlot(
        tuple(map(_row, cells)),
        bound,
        f"{probe.title}: identities at {path[-1]}, with {intervals} intervals",
        f"{reading} at {path[-1]}",
        unit,
    )
    slope = SlopeChart(
        tuple(_line(cell, path) for cell in _one_order(probe, leaf)),
        path,
        bound,
        f"{probe.title}: identities from {path[0]} to {path[-1]}",
        unit,
    )
    return LeafPlots(
        slope=slope if len(path) > 1 else None,
        parts=_parts(probe, leaf, bound, unit),
        forest=forest,
        heat=_heat(probe, leaf, bound, unit),
        against=_against(probe, leaf, bound, unit),
        curves=_curves(probe, leaf, bound, unit),
    )


def _one_order(probe: ProbeFindings, leaf: LeafFindings) -> list[Cell]:
    """The cells of one chart; their order also sets each line's place, so what branches share looks the same."""
    order = {(cell.identity, cell.axis): at for at, cell in enumerate(probe.judged)}
    return sorted(leaf.judged, key=lambda cell: order[cell.identity, cell.axis])


def _row(cell: Cell) -> ForestRow:
    checks, band = cell.last.control_checks, None
    if checks and checks.band_low is not None and checks.band_high is not None:
        band = (checks.band_low, checks.band_high)
    return ForestRow(cell.identity, cell.last.verdict or "", _adjusted(cell.last), cell.last.clusters, band)


def _adjusted(effect: EffectRow) -> Mark:
    # Without a verdict there is no family to adjust for.
    if effect.verdict is None:
        return _plain(effect)
    return _mark(effect, effect.low_adjusted, effect.high_adjusted)


def _plain(effect: EffectRow) -> Mark:
    return _mark(effect, effect.low, effect.high)


def _mark(effect: EffectRow, low: float | None, high: float | None) -> Mark:
    # Of what was judged there is an interval: without ends it reaches everywhere, and a bare mark would look exact.
    judged = effect.verdict not in (None, "refused")
    return Mark(effect.estimate, low, high, unbounded=judged and low is None and high is None)


def _line(cell: Cell, path: tuple[str, ...]) -> SlopeLine:
    levels = {one.checkpoint: _plain(one) for one in cell.levels}
    return SlopeLine(cell.identity, cell.last.verdict or "", tuple(levels.get(name) for name in path))


def _parts(probe: ProbeFindings, leaf: LeafFindings, bound: float, unit: str) -> PartsPlot | None:
    path = leaf.branch.path
    stages = tuple(itertools.pairwise(path))
    rows = []
    for cell in leaf.judged:
        of = {(one.shift.measure_from, one.shift.checkpoint): one for one in cell.stages}
        rows.append(PartsRow(cell.identity, tuple(_part(of.get(stage)) for stage in stages)))
    if not any(part for row in rows for part in row.parts):
        return None
    return PartsPlot(tuple(rows), stages, bound, f"{probe.title}: what each stage added, up to {path[-1]}", unit)


def _part(stage: Stage | None) -> Part | None:
    if stage is None or stage.marked is None or stage.reference is None:
        return None
    shift = stage.shift
    return Part(stage.marked, stage.reference, _adjusted(shift), shift.verdict or "", bool(shift.levelled_down))


def _heat(probe: ProbeFindings, leaf: LeafFindings, bound: float, unit: str) -> HeatMap | None:
    themes = tuple(dict.fromkeys(one.theme for one in leaf.themes if one.theme is not None))
    if not themes:
        return None
    index = {(one.identity, one.axis, one.theme): one for one in leaf.themes}
    rows = []
    for cell in leaf.judged:
        found = [index.get((cell.identity, cell.axis, theme)) for theme in themes]
        own = tuple(_heat_cell(one) if one else None for one in found)
        rows.append(HeatRow(cell.identity, _heat_cell(cell.last), own))
    title = f"{probe.title}: identities by theme at {leaf.branch.leaf}"
    return HeatMap(tuple(rows), themes, bound, title, unit)


def _heat_cell(effect: EffectRow) -> HeatCell:
    refused = effect.verdict == "refused"
    return HeatCell(Mark(None) if refused else _adjusted(effect), effect.verdict or "", effect.clusters)


def _against(probe: ProbeFindings, leaf: LeafFindings, bound: float, unit: str) -> AgainstPlot | None:
    raw = {(cell.identity, cell.axis): cell.last for reading, own in leaf.readings[1:] for cell in own}
    rows, rewards = [], [cell.reward for cell in leaf.judged if cell.reward and cell.reward.estimate is not None]
    for cell in leaf.judged:
        beside = raw.get((cell.identity, cell.axis))
        reward = cell.reward
        rows.append(
            AgainstRow(
                cell.identity,
                cell.last.verdict or "",
                _adjusted(cell.last),
                _adjusted(beside) if beside else None,
                _adjusted(reward) if reward else None,
                reward.verdict or "" if reward else "",
            )
        )
    if not rewards and not any(row.raw for row in rows):
        return None
    both = any(row.raw for row in rows)
    what = "two readings of each identity" if both else "levels and implicit rewards"
    return AgainstPlot(
        tuple(rows),
        bound,
        f"{probe.title}: {what} at {leaf.branch.leaf}",
        "excess" if both else leaf.readings[0][0],
        unit,
        reward_bound=next((one.sesoi for one in rewards if one.sesoi is not None), 0.0),
        reward_unit=next((_reward_unit(one) for one in rewards), unit),
    )


def _reward_unit(effect: EffectRow) -> str:
    return effect.unit if effect.beta is None else f"\u03b2 = {effect.beta:g}"


def _curves(probe: ProbeFindings, leaf: LeafFindings, bound: float, unit: str) -> CurvePlot | None:
    if leaf.multiverse is None:
        return None
    rows = tuple(
        CurveRow(
            curve.cell.identity,
            curve.cell.last.verdict or "",
            curve.cell.last.estimate,
            tuple(
                CurvePoint(one.estimate, one.verdict or "", one.dimension, one.choice)
                for one in curve.points
                if one.estimate is not None
            ),
        )
        for curve in leaf.multiverse.curves
    )
    reading = f"{leaf.readings[0][0]} at {leaf.branch.leaf}"
    return CurvePlot(rows, bound, f"{probe.title}: levels in other specifications", reading, unit)
