"""``audit report``: a finished run as a page, as Markdown, CSV or JSON, and in a model card; without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.errors import UsageError

if TYPE_CHECKING:
    from auditor.adapters.summaries.summary_schema import RunSummary

FORMATS = ("html", "md", "csv", "json")

Appearance = Literal["auto", "light", "dark"]
# Writes one file to the path it is given.
Writer = Callable[[Path], Any]


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of an earlier audit.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT,...",
            help="What to write: html, md, csv, json, or several. Default: html; nothing with --card or --figures.",
        ),
    ] = None,
    appearance: Annotated[
        Appearance, typer.Option("--appearance", help="Colours of the page; auto follows the reader's system.")
    ] = "auto",
    show: Annotated[bool, typer.Option("--open", help="Open the page in the default browser.")] = False,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            metavar="README.md",
            help="Model card to write the audit into, or to make, outside RUN. Without --format, no report is written.",
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="NAME", help="Whom the card is about. Default: where training ends."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="DIR",
            help="Folder outside RUN for its figures as SVG, PDF, PNG and CSV. Without --format, no report is written.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Write the report of a run folder again, for people and for programs, without a model."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.printable import printable
        from auditor.adapters.run.run_folder import REPORT, replace_file

        formats = _formats(form, only_beside=not show and (card is not None or figures is not None))
        _refuse_idle(formats, card, checkpoint, show=show)
        _refuse_inside(run, "--card", card)
        _refuse_inside(run, "--figures", figures)
        # All is made before anything is written, so that what is wrong with one file changes none.
        files: dict[Path, Writer] = {run / REPORT: _page(run, appearance)} if "html" in formats else {}
        if card is not None or {*formats} - {"html"}:
            files |= _summaries(run, formats, card, checkpoint)
        if figures is not None:
            from auditor.cli.figure_files import save_figures

            save_figures(run, figures)
        _say_interrupted(run)
        for path, write in files.items():
            replace_file(path, write)
            typer.echo(printable(str(path)))
        if show:
            _open(run / REPORT)


def _formats(asked: str | None, *, only_beside: bool) -> tuple[str, ...]:
    """The formats that are asked for; without a word the page, or nothing where a card or figures are asked for."""
    if asked is None:
        return () if only_beside else ("html",)
    return formats_in(asked)


def formats_in(text: str) -> tuple[str, ...]:
    """The formats of a comma list, each once.

    Raises:
        UsageError: one is unknown, or there is none.
    """
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for one in named:
        if one not in FORMATS:
            raise UsageError(f"no such format: {one!r}", where="--format", fix=f"Give some of {', '.join(FORMATS)}.")
    return named


def _refuse_idle(formats: Sequence[str], card: Path | None, checkpoint: str | None, *, show: bool) -> None:
    if show and "html" not in formats:
        raise UsageError("there is no page to open", where="--open", fix="Add html to --format, or leave it out.")
    if checkpoint is not None and card is None:
        raise UsageError("only a card is about one checkpoint", where="--checkpoint", fix="Add --card README.md.")


def _refuse_inside(run: Path, option: str, path: Path | None) -> None:
    """A run folder holds its own files alone: with another one there, its audit could not be run again."""
    if path is not None and path.resolve().is_relative_to(run.resolve()):
        raise UsageError(
            "lies in the run folder, which holds the files of its run alone",
            where=f"{option} {path}",
            fix="Choose a place outside it.",
        )


def _say_interrupted(run: Path) -> None:
    from auditor.adapters.printable import on_one_line
    from auditor.adapters.run.run_folder import read_manifest
    from auditor.adapters.run.run_status import CONTINUE, INTERRUPTED, status_of

    if status_of(read_manifest(run)) != "complete":
        typer.echo(on_one_line(f"{run}: {INTERRUPTED} {CONTINUE}"), err=True)


def _page(run: Path, appearance: Appearance) -> Writer:
    from auditor.adapters.report.page import render_report

    return _bytes(render_report(run, appearance).encode())


def _summaries(run: Path, formats: Sequence[str], card: Path | None, checkpoint: str | None) -> dict[Path, Writer]:
    """What is made of results and manifest alone, by the path it goes to."""
    from auditor.adapters.run.results_schema import EffectRow
    from auditor.adapters.run.run_folder import (
        CELLS_CSV,
        EFFECTS_CSV,
        MARKDOWN,
        REPORT,
        SUMMARY,
        read_manifest,
        read_results,
    )
    from auditor.adapters.summaries.csv_tables import write_csv
    from auditor.adapters.summaries.markdown_summary import markdown_summary
    from auditor.adapters.summaries.run_summary import summary_json, summary_of
    from auditor.adapters.summaries.summary_schema import SummaryCell

    results, manifest = read_results(run), read_manifest(run)
    summary = summary_of(results, manifest)
    files: dict[Path, Writer] = {}
    if "md" in formats:
        with_page = "html" in formats or (run / REPORT).is_file()
        files[run / MARKDOWN] = _bytes(markdown_summary(summary, with_page=with_page).encode())
    if "csv" in formats:
        files[run / EFFECTS_CSV] = lambda partial: write_csv(partial, EffectRow, results.effects)
        files[run / CELLS_CSV] = lambda partial: write_csv(partial, SummaryCell, summary.cells)
    if "json" in formats:
        files[run / SUMMARY] = _bytes(summary_json(summary).encode())
    if card is not None:
        files[card] = _card(summary if checkpoint is None else summary_of(results, manifest, checkpoint), card)
    return files


def _card(summary: RunSummary, card: Path) -> Writer:
    """The card with the audit of the one checkpoint in it that a summary is about.

    Raises:
        UsageError: training has several ends and none is named, or the card cannot be written into.
    """
    from auditor.adapters.summaries.card_files import audited_card
    from auditor.adapters.summaries.model_card import SOURCE, card_name, card_results, card_section
    from auditor.cli.request import writable

    writable(card, "--card")
    if len(summary.leaves) > 1:
        raise UsageError(
            "training has several ends, and a card is about one model",
            where="--card",
            fix=f"Say which: --checkpoint {' or '.join(leaf.checkpoint for leaf in summary.leaves)}.",
        )
    return _bytes(audited_card(card, card_name(summary), card_results(summary), card_section(summary), SOURCE))


def _bytes(content: bytes) -> Writer:
    return lambda partial: partial.write_bytes(content)


def _open(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        typer.echo("No browser was found on this machine: open the page on another one.", err=True)
