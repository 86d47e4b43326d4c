"""The options of ``audit attribute``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.exit_codes import errors_as_exit_codes

METHODS = "tokens, ig, ablation, shapley, path"


def attribute(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a finished audit.")],
    method: Annotated[
        str, typer.Option("--method", metavar="METHOD,...", help=f"Some of {METHODS}, or several.")
    ] = "tokens",
    identity: Annotated[
        list[str] | None, typer.Option("--identity", help="A marked identity to look at; repeatable. Default: all.")
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", help="Whose margin and shift; repeatable. Default: where training ends."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", help="Items picked for the size of their excess, as evidence.", min=0)
    ] = 50,
    sample: Annotated[
        int, typer.Option("--sample", help="Clusters drawn on each axis, which the averages stand on.", min=0)
    ] = 12,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the score cache.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Attribute what a run found to words, tokens and parts of the model, and write its report again."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.printable import printable
        from auditor.cli.attribute import AttributeOptions, methods_in, run_attribute

        named = methods_in(method), tuple(identity or ()), tuple(checkpoint or ())
        report = run_attribute(run, AttributeOptions(*named, top, sample, no_cache=no_cache, quiet=quiet))
        if not quiet:
            typer.echo(printable(str(report)))
