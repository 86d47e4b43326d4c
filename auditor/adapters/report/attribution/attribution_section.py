"""The page's section on attribution: what is drawn and said of each probe at each leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from auditor.adapters.report.attribution.attribution_charts import (
    AttributionPlots,
    attribution_plots,
    mapped,
    number_words,
    role_name,
)
from auditor.adapters.report.attribution.attribution_splits import LeafSplits, Split, Splits
from auditor.adapters.report.attribution.carriers import MAX_SAID, Carrier, carriers_of
from auditor.adapters.report.attribution.role_plot import MAX_PARTED, RolePlot
from auditor.adapters.report.items.contributors import Contributor
from auditor.adapters.report.plots.charts import on_page
from auditor.adapters.report.plots.figure_tables import file_name
from auditor.adapters.report.plots.svg import Drawn
from auditor.adapters.report.probe_findings import LeafFindings, ProbeFindings
from auditor.adapters.report.report_data import ReportData
from auditor.adapters.run.results_schema import AttributionRow
from auditor.core.items import HARMFUL

MAX_HEADS = 8


@dataclass(frozen=True, slots=True)
class RoleView:
    """One number by role: its figure and a sentence for each identity that shows harm.

    Attributes:
        others: how many more such identities there are.
    """

    splits: Splits
    drawn: Drawn
    carriers: tuple[Carrier, ...]
    others: int


@dataclass(frozen=True, slots=True)
class MapView:
    """One identity's shift by layer and module.

    Attributes:
        carrier: the largest module.
        heads: the largest ones, by size.
    """

    split: Split
    drawn: Drawn
    carrier: Carrier
    heads: tuple[AttributionRow, ...]


@dataclass(frozen=True, slots=True)
class LeafView:
    """One probe at one leaf.

    Attributes:
        at: place of the leaf among the branches.
        roles: of each method.
        maps: of identities, with ``modules`` all there are.
        tables: numbers by role and whose: all identities of those in figures, of others the first that show harm.
        contributors: pairs that contribute most.
    """

    at: int
    roles: tuple[RoleView, ...]
    modules: Splits | None
    maps: tuple[MapView, ...]
    tables: tuple[tuple[Splits, tuple[Split, ...]], ...]
    contributors: tuple[Contributor, ...]


@dataclass(frozen=True, slots=True)
class ProbeView:
    """One probe, at the leaves where something of it was attributed."""

    title: str
    design: str
    leaves: tuple[LeafView, ...]


def probe_views(data: ReportData) -> tuple[ProbeView, ...]:
    """What the section shows; empty where nothing was attributed."""
    views = (
        ProbeView(probe.title, probe.design, tuple(_leaves(data, probe, f"a{at}")))
        for at, probe in enumerate(data.probes)
    )
    return tuple(one for one in views if one.leaves)


def _leaves(data: ReportData, probe: ProbeFindings, prefix: str) -> Iterator[LeafView]:
    for at, leaf in enumerate(probe.leaves):
        if not leaf.splits.any:
            continue
        plots = attribution_plots(probe.title, leaf.splits)
        drawn = _drawn(plots, probe, leaf, f"{prefix}l{at}")
        count = len(plots.roles)
        modules = leaf.splits.modules[0] if leaf.splits.modules else None
        # Rows of another design of the probe are other items.
        whose = {(cell.identity, cell.last.design) for cell in leaf.headline}
        contributors = tuple(
            one
            for one in data.attributed.contributors
            if (one.probe, one.path) == (probe.name, leaf.branch.path) and (one.identity, one.design) in whose
        )
        yield LeafView(
            at,
            tuple(_role_view(one, figure) for (one, _), figure in zip(plots.roles, drawn[:count], strict=True)),
            modules,
            tuple(_map_views(leaf.splits, drawn[count:])),
            tuple(_tables(leaf.splits)),
            contributors,
        )


def _tables(splits: LeafSplits) -> Iterator[tuple[Splits, tuple[Split, ...]]]:
    leading = splits.leading
    for one in splits.roles:
        marked = one.marked if any(one is other for other in leading) else one.harmed[:MAX_SAID]
        if marked:
            yield one, marked


def _drawn(plots: AttributionPlots, probe: ProbeFindings, leaf: LeafFindings, prefix: str) -> list[Drawn]:
    told = [probe.name, probe.design, leaf.branch.leaf]
    return [
        # The data of those who are not drawn stand in files alone.
        on_page(
            plot,
            f"{prefix}n{at}",
            file_name(*told, kind),
            plot.table(MAX_PARTED) if isinstance(plot, RolePlot) else None,
        )
        for at, (kind, plot) in enumerate(plots.named())
    ]


def _role_view(splits: Splits, drawn: Drawn) -> RoleView:
    return RoleView(splits, drawn, tuple(carriers_of(splits)), max(len(splits.harmed) - MAX_SAID, 0))


def _map_views(splits: LeafSplits, drawn: Sequence[Drawn]) -> Iterator[MapView]:
    if not splits.modules:
        return
    modules = splits.modules[0]
    heads = next((one for one in splits.heads if one.checkpoint == modules.checkpoint), None)
    by_who = {(one.identity, one.axis): one for one in heads.marked} if heads else {}
    chosen = mapped(modules)
    for one, figure, carrier in zip(chosen, drawn, carriers_of(modules, chosen), strict=True):
        own = by_who.get((one.identity, one.axis))
        yield MapView(one, figure, carrier, _largest_heads(own) if own else ())


def _largest_heads(split: Split) -> tuple[AttributionRow, ...]:
    """Attention heads alone: what has none stands in the map."""
    heads = [one for unit, one in split.parts.items() if " head " in unit]
    return tuple(sorted(heads, key=lambda one: -abs(one.estimate or 0.0))[:MAX_HEADS])


def adjusted_p(p: float | None) -> str:
    """A p; a dash where there is none."""
    if p is None:
        return "\u2013"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def error(value: float | None) -> str:
    """The size of an error, with two digits whatever its power; a dash where there is none."""
    if value is None:
        return "\u2013"
    size = abs(value)
    return f"{size:.1e}".replace("-", "\u2212") if 0 < size < 0.01 else f"{size:.2f}"


def counted(count: int, what: str) -> str:
    """So many of something, in words."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def side_words(side: str, design: str) -> str:
    """A side of a pair: where one sentence is about two groups, neither side is harmful or affirming."""
    if design != "identity_swap":
        return f"{side} text"
    return f"sentence about the {'marked' if side == HARMFUL else 'other'} group"


# How templates write what this section shows.
FILTERS: dict[str, Callable[..., str]] = {
    "adjusted_p": adjusted_p,
    "counted": counted,
    "error": error,
    "number_words": number_words,
    "role_name": role_name,
    "side_words": side_words,
}
