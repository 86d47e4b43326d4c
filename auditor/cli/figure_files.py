"""``audit report --figures``: the figures of a run as files for papers."""

from __future__ import annotations

from pathlib import Path

import typer


def save_figures(run: Path, folder: Path) -> None:
    """Write them and say where; see `auditor.adapters.report.paper_figures.write_figures` for the errors."""
    from auditor.adapters.printable import printable
    from auditor.adapters.report.paper_figures import write_figures

    files = write_figures(run, folder)
    typer.echo(printable(f"{folder}: {len(files)} files"))
