"""``audit requests`` and ``audit analyse``: scores that other programs make."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.cli.external_options import AnalyseOptions, RequestsOptions
from auditor.cli.options import CHECKPOINTS, command

_FILES = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]FILE...", help="Scores in training order: CSV, JSONL or Parquet, a file or several."
    ),
]


def _requests(checkpoints: list[str], options: RequestsOptions) -> None:
    with errors_as_exit_codes(debug=options.debug):
        from auditor.cli.requests import run_requests

        run_requests(checkpoints, options)


def _analyse(files: list[str], options: AnalyseOptions) -> None:
    with errors_as_exit_codes(debug=options.debug):
        from auditor.cli.analyse import run_analyse

        run_analyse(files, options)


requests = command(
    inspect.Parameter("checkpoints", inspect.Parameter.KEYWORD_ONLY, annotation=CHECKPOINTS),
    _requests,
    "requests",
    "Write the token ids that another engine is to score; needs tokenizers, no weights.",
    RequestsOptions,
)
analyse = command(
    inspect.Parameter("files", inspect.Parameter.KEYWORD_ONLY, annotation=_FILES),
    _analyse,
    "analyse",
    "Analyse scores made elsewhere: what audit requests asked for, or bare log-probabilities and rewards.",
    AnalyseOptions,
)
