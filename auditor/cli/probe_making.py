"""``audit probes new``, ``build`` and ``schema``: begin a probe, write its rows out, describe its format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.exit_codes import errors_as_exit_codes
from auditor.cli.options import AXIS, DEBUG, LANGUAGE, MAP, TIER, Tier


class FormatFile(StrEnum):
    """A file of the probe format."""

    card = "card"
    lexicon = "lexicon"
    sentences = "sentences"
    pairs = "pairs"


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the probe, such as age-de.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write. Default: NAME, here.")] = None,
    language: Annotated[str, typer.Option("--language", help="Language of its sentences, a BCP 47 tag.")] = "en",
    debug: DEBUG = False,
) -> None:
    """Write a small, valid probe folder whose comments say what to change."""
    with errors_as_exit_codes(debug=debug):
        from uuid import uuid4

        from auditor.adapters.printable import printable
        from auditor.adapters.probe_files.new_probe import FILES, write_new_probe

        folder = Path(name) if out is None else out
        write_new_probe(folder, name, language, f"auditor-{name}-probe canary {uuid4()}")
        for file in FILES:
            typer.echo(printable(str(folder / file)))
        typer.echo(printable(f"Edit them, then: audit probes validate {folder}"))


def build(
    probe: Annotated[str, typer.Argument(metavar="PROBE", help="Folder or name of a shipped probe, or a file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Pair file to write: .csv, .jsonl or .parquet.")],
    tier: TIER = Tier.standard,
    axis: AXIS = None,
    columns: MAP = None,
    language: LANGUAGE = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
    debug: DEBUG = False,
) -> None:
    """Write a probe's rows as a pair file that --probe reads back; the same version gives the same bytes."""
    with errors_as_exit_codes(debug=debug):
        from auditor.adapters.printable import printable
        from auditor.adapters.probe_files.pair_writing import check_suffix, write_pairs
        from auditor.adapters.probe_files.probes import check_axes, find_folder, open_probe
        from auditor.cli.asked_probes import reading_of
        from auditor.cli.request import writable
        from auditor.errors import UsageError

        check_suffix(out)
        writable(out, "--out")
        if out.exists() and not force:
            raise UsageError(
                f"{out} is there already", where="--out", fix="Give another file, or --force to replace it."
            )
        folder = find_folder(probe)
        check_axes(axis or [], [] if folder is None else [folder])
        items = open_probe(probe, tier.value, axis or [], reading_of([probe], columns or [], language)).items
        write_pairs(items, out)
        typer.echo(printable(f"{out}: {len(items):,} rows; what the card says of them stays behind"))


def schema(
    file: Annotated[FormatFile, typer.Argument(help="Which file of a probe; pairs: a line of pairs.jsonl.")],
    debug: DEBUG = False,
) -> None:
    """Print the JSON Schema of a probe's file."""
    with errors_as_exit_codes(debug=debug):
        import json

        from auditor.adapters.probe_files.format_schemas import format_schema

        typer.echo(json.dumps(format_schema(file.value), indent=1))
