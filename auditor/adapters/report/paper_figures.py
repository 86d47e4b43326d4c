"""A run's figures as files for papers: SVG, PDF and PNG that fit a page of two columns, with the data beside them.

Bytes depend on the run and on matplotlib alone: no dates, no random ids.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditor.adapters.report.attribution.attribution_charts import attribution_plots
from auditor.adapters.report.plots.charts import plots_of
from auditor.adapters.report.plots.figure_tables import file_name, numbered
from auditor.adapters.report.plots.figures import Plot
from auditor.adapters.report.plots.svg import COLUMN, SPREAD, Canvas, Medium, alone_svg, drawing, text_width
from auditor.adapters.report.report_data import ReportData, read_report
from auditor.adapters.run.run_folder import replace_file
from auditor.errors import StorageError, UsageError

DPI = 300


def write_figures(run: Path, folder: Path) -> tuple[Path, ...]:
    """Write every figure of a run's report as ``PROBE-LEAF-FIGURE`` in ``.svg``, ``.pdf``, ``.png`` and ``.csv``.

    Files of the same names are replaced, others are left alone.

    Returns:
        The files, in the order of the report.

    Raises:
        UsageError: ``run`` holds no finished run, or ``folder`` cannot be written.
        StorageError: the disk is full, or writing failed.
    """
    plots = list(_plots(read_report(run)))
    where, fix = f"--figures {folder}", "Choose a folder you may write to."
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        what = "is no folder" if isinstance(error, FileExistsError) else f"cannot be made: {error.strerror}"
        raise UsageError(what, where=where, fix=fix) from error
    written: list[Path] = []
    try:
        for name, (_, plot) in zip(numbered([name for name, _ in plots]), plots, strict=True):
            written += _write(plot, folder / name)
    except StorageError as error:
        if isinstance(error.__cause__, PermissionError) or getattr(error.__cause__, "errno", 0) == errno.EROFS:
            raise UsageError(error.what, where=where, fix=fix) from error
        raise
    return tuple(written)


def _plots(data: ReportData) -> Iterator[tuple[str, Plot]]:
    for probe in data.probes:
        for leaf, plots in zip(probe.leaves, plots_of(probe), strict=True):
            for kind, plot in (*plots.named(), *attribution_plots(probe.title, leaf.splits).named()):
                yield file_name(probe.name, leaf.branch.leaf, kind), plot


def medium_of(plot: Plot) -> Medium:
    """One column where the figure and its names fit into it, else two."""
    widest = max((text_width(name[:500], COLUMN.size) for name in plot.names), default=0.0)
    return COLUMN if plot.narrow and widest <= COLUMN.labels * COLUMN.width else SPREAD


def _write(plot: Plot, stem: Path) -> list[Path]:
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("svg", "pdf", "png", "csv")]
    with drawing(medium_of(plot)) as canvas:
        plot.draw(canvas)
        svg = alone_svg(canvas, title=plot.title, description=plot.alternative())
        canvas.reveal()
        replace_file(paths[0], lambda partial: partial.write_bytes(svg.encode()))
        replace_file(paths[1], lambda partial: _save(canvas, partial, "pdf", CreationDate=None, Creator="auditor"))
        replace_file(paths[2], lambda partial: _save(canvas, partial, "png", Software=None))
    replace_file(paths[3], lambda partial: partial.write_bytes(plot.table().csv().encode()))
    return paths


def _save(canvas: Canvas, path: Path, form: str, **metadata: Any) -> None:
    canvas.figure.savefig(path, format=form, dpi=DPI, metadata=metadata)
