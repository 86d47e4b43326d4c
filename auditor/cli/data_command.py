"""``audit data`` on the command line: a file of preference pairs, then checkpoints that score them."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from auditor.cli.data_options import DataOptions
from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.cli.options import command

_SUBJECTS = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE [[NAME=]MODEL...]",
        help="Preference pairs (a file, or hub:owner/name), then checkpoints that score them, in training order.",
    ),
]


def _data(subjects: list[str], options: DataOptions) -> None:
    with errors_as_exit_codes(debug=options.debug):
        from auditor.cli.data_audit import run_data

        file, *checkpoints = subjects
        run_data(file, checkpoints, options)


data = command(
    inspect.Parameter("subjects", inspect.Parameter.KEYWORD_ONLY, annotation=_SUBJECTS),
    _data,
    "data",
    "Look into a preference set before training: whom it mentions where, and what checkpoints say of those pairs.",
    DataOptions,
)
