"""``audit history``: all runs of a project in one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from auditor.adapters.printable import on_one_line, printable
from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.cli.options import HistoryFormat
from auditor.cli.request import bound, writable

if TYPE_CHECKING:
    from auditor.adapters.history.history_data import History


def history(
    below: Annotated[Path, typer.Argument(metavar="DIR", help="Folder below which the runs of a project lie.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write. Default: history.html in DIR.")
    ] = None,
    form: Annotated[
        HistoryFormat, typer.Option("--format", help="html: a page for people; json: for programs.")
    ] = HistoryFormat.html,
    sesoi: Annotated[
        float | None,
        typer.Option("--sesoi", metavar="NATS", help="Bound d of the changes. Default: that of each later run."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Show all finished runs below a folder in one page: levels from run to run, significant changes marked."""
    with errors_as_exit_codes(debug=debug):
        run_history(below, out, form, sesoi)


def run_history(below: Path, out: Path | None, form: HistoryFormat, sesoi: float | None) -> None:
    """Read all runs below a folder, write what became of them, and print where it lies.

    Args:
        out: None for ``history.html`` or ``history.json`` in the folder, beside it where it is a run itself.

    Raises:
        UsageError: no folder, no finished run in it, or a place that cannot be written to.
    """
    from auditor.adapters.history.history_data import read_history
    from auditor.adapters.history.history_json import history_json
    from auditor.adapters.history.history_page import render_history
    from auditor.adapters.run.run_folder import MANIFEST, replace_file
    from auditor.cli.console import RichProgress
    from auditor.core.verdicts import DEFAULT_SESOI

    place = below.resolve().parent if (below / MANIFEST).is_file() else below
    target = out or place / f"history.{form.value}"
    if below.is_dir():
        writable(target, "--out")
    console = Console(stderr=True)
    asked = None if sesoi is None else bound(sesoi, DEFAULT_SESOI)
    found = read_history(below, asked, RichProgress(console, quiet=not console.is_terminal))
    as_json = form is HistoryFormat.json
    content = history_json(found) if as_json else render_history(found, target.parent).encode()
    replace_file(target, lambda partial: partial.write_bytes(content))
    _say(console, found)
    Console().print(Text(printable(str(target))), soft_wrap=True)


def _say(console: Console, found: History) -> None:
    from auditor.adapters.history.history_page import headline
    from auditor.adapters.history.history_rows import change_rows

    said = f"{len(found.runs)} {'run' if len(found.runs) == 1 else 'runs'}"
    if found.left_out:
        said += f"; left out: {', '.join(f'{count} {reason}' for reason, count in found.reasons.items())}"
    console.print(Text(f"{said}."), soft_wrap=True)
    console.print(Text(on_one_line(f"{headline(found, change_rows(found))}.")), soft_wrap=True)
