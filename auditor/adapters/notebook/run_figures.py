"""The report's figures of a run, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from auditor.adapters.printable import printable
from auditor.adapters.report.plots.charts import on_page, plots_of
from auditor.adapters.report.plots.figure_tables import file_name
from auditor.adapters.report.plots.figures import Plot
from auditor.adapters.report.plots.svg import Drawn
from auditor.adapters.report.probe_findings import probes_of
from auditor.adapters.run.results_schema import Results
from auditor.errors import UsageError

FigureName = Literal["slope", "parts", "forest", "heat", "against", "curves"]
# What stands for a run at a glance.
_LEADING = ("forest", "slope")
_FRAME = "background:#ffffff;color:#1a1c1f;margin:0;padding:0.5em;max-width:60em;overflow-x:auto"


@dataclass(frozen=True, slots=True)
class RunFigure:
    """One figure of a run; a notebook shows it.

    Attributes:
        name: of `FigureName`; ``probe``: whose; ``checkpoint``: where training ends.
        svg: the ``<svg>`` element, its labels escaped.
        alternative: what is to be seen, in words.
        csv: the data drawn, in full precision, with units in its header.
    """

    name: str
    probe: str
    checkpoint: str
    svg: str
    alternative: str
    csv: str

    def _repr_html_(self) -> str:
        words = escape(printable(self.alternative))
        return f'<figure style="{_FRAME}">{self.svg}<figcaption>{words}</figcaption></figure>'


@dataclass(frozen=True, slots=True)
class _Place:
    """A figure before it is drawn."""

    name: str
    probe: str
    checkpoint: str
    plot: Plot

    def drawn(self, prefix: str) -> RunFigure:
        found: Drawn = on_page(self.plot, prefix, file_name(self.probe, self.checkpoint, self.name))
        return RunFigure(self.name, self.probe, self.checkpoint, found.svg, found.alternative, found.csv)


def find_figure(
    results: Results, manifest: Mapping[str, Any], name: str, probe: str | None, checkpoint: str | None
) -> RunFigure:
    """The first figure of a name, of a probe and at a checkpoint if these are given.

    Raises:
        UsageError: there is none; says which there are.
    """
    places = list(_places(results, manifest))
    for at, one in enumerate(places):
        if one.name == name and probe in (None, one.probe) and checkpoint in (None, one.checkpoint):
            return one.drawn(_prefix(manifest, f"figure{at}"))
    known = dict.fromkeys(f"{one.name} of {one.probe} at {one.checkpoint}" for one in places)
    raise UsageError(
        f"the run has no figure {name!r}"
        + (f" of {probe!r}" if probe else "")
        + (f" at {checkpoint!r}" if checkpoint else ""),
        fix=f"It has: {', '.join(known) or 'none, for want of levels with an interval'}.",
    )


def leading_figures(results: Results, manifest: Mapping[str, Any]) -> tuple[RunFigure, ...]:
    """The figures that stand for the run at a glance, of every probe and end of training."""
    chosen = [one for one in _places(results, manifest) if one.name in _LEADING]
    return tuple(one.drawn(_prefix(manifest, f"run{at}")) for at, one in enumerate(chosen))


def _prefix(manifest: Mapping[str, Any], name: str) -> str:
    """Of identifiers in a figure: a notebook may show several runs on one page."""
    run = f"{manifest.get('request_id')} {manifest.get('created')}"
    return f"{name}-{hashlib.sha256(run.encode(errors='replace')).hexdigest()[:8]}"


def _places(results: Results, manifest: Mapping[str, Any]) -> Iterator[_Place]:
    for probe in probes_of(results, manifest, {}):
        for leaf, plots in zip(probe.leaves, plots_of(probe), strict=True):
            for name, plot in plots.named():
                yield _Place(name, probe.name, leaf.branch.leaf, plot)
