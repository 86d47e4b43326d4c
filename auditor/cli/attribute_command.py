"""The options of ``audit attribute``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.errors import UsageError

METHODS = "tokens, ig, ablation, shapley, path"


_NODES = Annotated[
    int, typer.Option("--nodes", help="Of the path between two checkpoints' weights; more where these are few.", min=1)
]
_PERMUTATIONS = Annotated[int, typer.Option("--permutations", help="Drawn for Shapley values of words.", min=2)]
_NEUTRAL = Annotated[str, typer.Option("--neutral", help="Words in place of an identity that has no reference row.")]


def attribute(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a finished audit.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", metavar="METHOD,...", help=f"Some of {METHODS}; repeatable. Default: tokens."),
    ] = None,
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
    nodes: _NODES = 8,
    permutations: _PERMUTATIONS = 25,
    neutral: _NEUTRAL = "people",
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="ITEM",
            help="Attribute nothing: print what one item is made of, by its id or as PROBE:ITEM. Needs no model.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what it would cost, --quiet or not; load no model.")
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the score cache.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Attribute what a run found to words, tokens and parts of the model, and write its report again."""
    with errors_as_exit_codes(debug=debug):
        if explain is not None:
            _explain(run, explain, tuple(checkpoint or ()), attributes=bool(identity or dry_run or method))
            return
        from auditor.adapters.printable import printable
        from auditor.cli.attribute import methods_in, run_attribute
        from auditor.cli.attribute_options import AttributeOptions

        chosen = methods_in(",".join(method or ["tokens"])), tuple(identity or ()), tuple(checkpoint or ()), top, sample
        options = AttributeOptions(*chosen, nodes, permutations, neutral)
        report = run_attribute(run, options, no_cache=no_cache, quiet=quiet, dry_run=dry_run)
        if report is not None and not quiet:
            typer.echo(printable(str(report)))


def _explain(run: Path, item: str, checkpoints: tuple[str, ...], *, attributes: bool) -> None:
    from auditor.cli.explain import print_item

    if attributes or len(checkpoints) > 1:
        raise UsageError(
            "one item is explained at one checkpoint, and nothing is attributed",
            where="--explain",
            fix="Leave out --method, --identity, --dry-run and all but one --checkpoint.",
        )
    print_item(run, item, *checkpoints)
