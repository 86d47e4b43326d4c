"""``audit export``: probes and scores in the forms that other people's programs read."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.cli.export_options import TrlOptions
from auditor.cli.options import AXIS, DEBUG, LANGUAGE, MAP, PROBE, TIER, Tier, command

if TYPE_CHECKING:
    from auditor.core.items import Probe

export = typer.Typer(name="export", help="For other programs: lm-eval, dataset, trl.", no_args_is_help=True)

_FOLDER = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write: new, or empty.")]
_CHECKPOINT = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="The model that training begins from.")]


@export.command("lm-eval")
def lm_eval(
    probe: PROBE,
    out: _FOLDER,
    tier: TIER = Tier.standard,
    axis: AXIS = None,
    columns: MAP = None,
    language: LANGUAGE = "",
    debug: DEBUG = False,
) -> None:
    """Write a probe as a task of lm-evaluation-harness whose metrics are the levels of an audit."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.exports.harness_task import harness_task, write_harness_task
        from auditor.adapters.exports.new_folder import check_new
        from auditor.adapters.printable import on_one_line
        from auditor.adapters.probe_files.probes import find_folder

        check_new(out)
        opened, folder = _opened(probe, tier, axis, columns, language), find_folder(probe)
        task = harness_task(opened, "" if folder is None else folder.card.canary)
        write_harness_task(task, out)
        typer.echo(on_one_line(f"{out}: task {task.name}, {len(task.items):,} pairs, {len(task.sums):,} metrics"))
        for reason, count in task.left_out.items():
            typer.echo(on_one_line(f"left out: {count:,} {reason}"))


@export.command()
def dataset(
    probe: PROBE,
    out: _FOLDER,
    tier: TIER = Tier.standard,
    axis: AXIS = None,
    columns: MAP = None,
    language: LANGUAGE = "",
    debug: DEBUG = False,
) -> None:
    """Write a probe as a data set folder with a card, for the Hugging Face hub; --probe reads it back."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.exports.dataset_folder import card_of, write_dataset
        from auditor.adapters.exports.harness_task import UNREADABLE
        from auditor.adapters.exports.new_folder import check_new
        from auditor.adapters.printable import on_one_line
        from auditor.adapters.probe_files.probes import find_folder

        check_new(out)
        opened, folder = _opened(probe, tier, axis, columns, language), find_folder(probe)
        write_dataset(opened, card_of(opened, None if folder is None else folder.card), out)
        typer.echo(on_one_line(f"{out}: {len(opened.items):,} rows with a card"))
        unreadable = sum(one.count for one in opened.refusals)
        if unreadable:
            typer.echo(f"left out: {unreadable:,} {UNREADABLE}")


def _trl(checkpoint: str, options: TrlOptions) -> None:
    with errors_as_exit_codes(debug=options.debug):
        from auditor.cli.reference_logprobs import run_trl_export

        run_trl_export(checkpoint, options)


export.command("trl")(
    command(
        inspect.Parameter("checkpoint", inspect.Parameter.KEYWORD_ONLY, annotation=_CHECKPOINT),
        _trl,
        "trl",
        "Score a preference set with a reference model and write its log-probabilities as TRL's DPOTrainer reads them.",
        TrlOptions,
    )
)


def _opened(probe: str, tier: Tier, axis: list[str] | None, columns: list[str] | None, language: str) -> Probe:
    """The probe that is asked for.

    Raises:
        UsageError: it cannot be opened, or has none of the axes.
    """
    from auditor.adapters.probe_files.probes import check_axes, find_folder, open_probe
    from auditor.cli.asked_probes import reading_of

    folder = find_folder(probe)
    check_axes(axis or [], [] if folder is None else [folder])
    return open_probe(probe, tier.value, axis or [], reading_of([probe], columns or [], language))
