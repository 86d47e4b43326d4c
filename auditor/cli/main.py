"""The ``audit`` command: parse, call, print. Everything heavy is imported inside a command."""

from __future__ import annotations

import inspect
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from auditor.cli import attribute_command, data_command, export_commands, external_commands, probe_making
from auditor.cli import history as history_command
from auditor.cli import report as report_command
from auditor.cli.config import read_config
from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.cli.options import (
    AXIS,
    CHECKPOINTS,
    DEBUG,
    LANGUAGE,
    MAP,
    PROBE,
    TIER,
    AuditOptions,
    LintFormat,
    OnInconclusive,
    Tier,
    command,
)
from auditor.version import __version__

app = typer.Typer(
    name="audit",
    help="What alignment did to bias, read off the log-probabilities of a series of checkpoints.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_MODEL = Annotated[str, typer.Argument(metavar="[NAME=]MODEL", help="One checkpoint.")]


def _compare(checkpoints: list[str], options: AuditOptions) -> None:
    with errors_as_exit_codes(debug=options.debug):
        from auditor.cli.audit import run_audit

        run_audit(checkpoints, options)


def _score(model: str, options: AuditOptions) -> None:
    _compare([model], options)


app.command("compare")(
    command(
        inspect.Parameter("checkpoints", inspect.Parameter.KEYWORD_ONLY, annotation=CHECKPOINTS),
        _compare,
        "compare",
        "Compare checkpoints of one series: harm scores per identity, verdicts, report.",
    )
)
app.command("score")(
    command(
        inspect.Parameter("model", inspect.Parameter.KEYWORD_ONLY, annotation=_MODEL),
        _score,
        "score",
        "Score one checkpoint: compare with a series of one.",
    )
)


app.command("requests")(external_commands.requests)
app.command("analyse")(external_commands.analyse)
app.command("report")(report_command.report)
app.command("attribute")(attribute_command.attribute)
app.command("data")(data_command.data)
app.add_typer(export_commands.export)


@app.command()
def gate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a finished audit.")],
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="RULE",
            # The terminal's markup is written in brackets too.
            help=r"PROBE\[/THEME]:IDENTITY|any\[:MEASURE\[/CONTRAST]\[@CHECKPOINT]] > NATS; repeatable.",
        ),
    ] = None,
    on_inconclusive: Annotated[
        OnInconclusive | None,
        typer.Option(
            "--on-inconclusive",
            help="What a cell of which nothing can be said does. Default: fail if refused or not found, else warn.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="RUN", help="Run folder whose levels must not be exceeded by more than d."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="JUnit XML file to write.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Markdown file to write.")] = None,
    config: Annotated[  # noqa: ARG001 - its callback has made the file the defaults
        Path | None,
        typer.Option(
            "--config",
            help="YAML file whose section 'gate' holds these options.",
            callback=read_config,
            is_eager=True,
        ),
    ] = None,
    debug: DEBUG = False,
) -> None:
    """Fail (exit code 1) where a run shows more harm than its rules allow."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.gate import run_gate

        passed = run_gate(run, fail_on or [], on_inconclusive, junit, markdown, baseline)
    if not passed:
        raise typer.Exit(1)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run folder of the earlier audit.")],
    after: Annotated[Path, typer.Argument(metavar="RUN_B", help="Run folder of the later audit.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="NAME[=NAME]",
            help="Compare this checkpoint, by its name in RUN_A and in RUN_B. Default: where training ends in each.",
        ),
    ] = None,
    sesoi: Annotated[
        float | None,
        typer.Option("--sesoi", metavar="NATS", help="Bound d of the differences. Default: that of the runs."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="JSON file to write.")] = None,
    debug: DEBUG = False,
) -> None:
    """Say what changed between two runs: differences paired on shared items, verdicts that flipped."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.diff import run_diff

        run_diff(before, after, checkpoint, sesoi, json_file)


_NATS = "NATS"


app.command()(history_command.history)


@app.command()
def plan(
    sd: Annotated[
        float | None, typer.Option("--sd", metavar=_NATS, help="Standard deviation of cluster means of the excess.")
    ] = None,
    pilot: Annotated[
        Path | None, typer.Option("--pilot", metavar="RUN", help="Run folder of an audit to read it from.")
    ] = None,
    probe: Annotated[
        list[str] | None, typer.Option("--probe", help="A probe of the pilot; repeatable. Default: all.")
    ] = None,
    effect: Annotated[
        float | None, typer.Option("--effect", metavar=_NATS, help="True excess to be found. Default: twice d.")
    ] = None,
    absent_effect: Annotated[
        float, typer.Option("--absent-effect", metavar=_NATS, help="True excess to be claimed absent.")
    ] = 0.0,
    sesoi: Annotated[
        float | None, typer.Option("--sesoi", metavar=_NATS, help="d, as in audit compare. Default: ln 1.25 = 0.22.")
    ] = None,
    power: Annotated[float, typer.Option("--power", help="How probable each verdict is to be.")] = 0.8,
    identities: Annotated[
        int | None, typer.Option("--identities", help="How many are judged in one family. Default: the pilot's, or 1.")
    ] = None,
    harmed: Annotated[int, typer.Option("--harmed", help="How many of them are expected to be harmed.")] = 1,
    debug: DEBUG = False,
) -> None:
    """How many predicates a probe needs to find harm, or to claim no meaningful difference."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.plan import PlanOptions, run_plan

        asked = PlanOptions(sd, pilot, probe or [], effect, absent_effect, sesoi, power, identities, harmed)
        run_plan(asked)


probes = typer.Typer(
    name="probes", help="What there is to ask: list, show, validate, lint, new, build, schema.", no_args_is_help=True
)
app.add_typer(probes)


@probes.command("list")
def list_(debug: DEBUG = False) -> None:
    """List the shipped probes, their axes and the size of each tier."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.probe_commands import list_probes

        list_probes()


@probes.command()
def show(
    probe: PROBE,
    tier: TIER = Tier.standard,
    axis: AXIS = None,
    rows: Annotated[int, typer.Option("--rows", help="How many rows to print.", min=0)] = 6,
    columns: MAP = None,
    language: LANGUAGE = "",
    debug: DEBUG = False,
) -> None:
    """Show a probe: its card, what each tier holds and can find, whom it is about, its first rows."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.asked_probes import reading_of
        from auditor.cli.probe_commands import show_probe

        show_probe(probe, tier.value, axis or [], rows, reading_of([probe], columns or [], language))


@probes.command()
def lint(
    probe: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROBE...]", help="As for show, or files of a probe folder. Default: all shipped."),
    ] = None,
    tokenizer: Annotated[
        list[str] | None,
        typer.Option("--tokenizer", metavar="PATH_OR_ID", help="Count its tokens, not words; repeatable."),
    ] = None,
    axis: Annotated[list[str] | None, typer.Option("--axis", help="Only this axis; repeatable.")] = None,
    form: Annotated[LintFormat, typer.Option("--format", help="How findings are written.")] = LintFormat.text,
    columns: MAP = None,
    language: LANGUAGE = "",
    debug: DEBUG = False,
) -> None:
    """Look for faults in the texts of probes. Exit code 2 if there are any."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.asked_probes import reading_of
        from auditor.cli.lint import lint_probes

        reading = reading_of(probe or [], columns or [], language)
        lint_probes(probe or [], tokenizer or [], axis or [], reading, as_json=form is LintFormat.json)


@probes.command()
def validate(
    probe: PROBE, axis: AXIS = None, columns: MAP = None, language: LANGUAGE = "", debug: DEBUG = False
) -> None:
    """Check a probe: card, matching, form, controls. Exit code 2 if it has problems."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.asked_probes import reading_of
        from auditor.cli.probe_commands import validate_probe

        validate_probe(probe, axis or [], reading_of([probe], columns or [], language))


probes.command("new")(probe_making.new)
probes.command("build")(probe_making.build)
probes.command("schema")(probe_making.schema)


cache = typer.Typer(name="cache", help="What is kept of scores: info, prune.", no_args_is_help=True)
app.add_typer(cache)


@cache.command()
def info(debug: DEBUG = False) -> None:
    """Say where scores are kept, how many, of how many models, and when they were last used."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.cache_folder import cache_folder
        from auditor.cli.cache import show_cache

        show_cache(cache_folder())


@cache.command()
def prune(
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than", metavar="DAYS", help="Forget models not used for so many days.", min=0, max=36_500
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Forget all scores and file hashes, and remove a damaged store.")
    ] = False,
    debug: DEBUG = False,
) -> None:
    """Forget scores that are kept, and shrink the file."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.cache_folder import cache_folder
        from auditor.cli.cache import prune_cache

        prune_cache(cache_folder(), older_than, everything=everything)


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Folder for both runs. Default: reports/demo-SEED.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random, training included.", min=0)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: DEBUG = False,
) -> None:
    """Make a series with a planted harm and its unplanted twin on the spot, and audit both."""
    with errors_as_exit_codes(debug=debug):
        from auditor.cli.demo import run_demo

        run_demo(out, seed, quiet=quiet)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"auditor {__version__}")


def main() -> None:
    """Entry point of the ``audit`` script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no UTF-8 is no reason to lose a result.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="audit")
