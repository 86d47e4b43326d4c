"""``audit probes lint``: faults in the texts of probes, for people and for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from auditor.adapters.data_files import data_folder
from auditor.adapters.printable import on_one_line
from auditor.adapters.probe_files.probe_folders import CARD, DATASHEET, LEXICON, PAIRS_STEM, SENTENCES, read_folder
from auditor.adapters.probe_files.probes import Reading, shipped_probes
from auditor.adapters.probe_files.table_files import SUFFIXES
from auditor.adapters.probe_lint.lint_tokens import token_units
from auditor.adapters.probe_lint.probe_lint import Linted, lint_probe
from auditor.errors import UsageError

_FILES = {CARD, LEXICON, SENTENCES, DATASHEET, *(f"{PAIRS_STEM}{suffix}" for suffix in SUFFIXES)}


def lint_probes(
    arguments: Sequence[str], tokenizers: Sequence[str], axes: Sequence[str], reading: Reading, *, as_json: bool
) -> None:
    """Lint probes and print what was found.

    Args:
        arguments: probes, or files of probe folders; all shipped probes where there is none.

    Raises:
        UsageError: something was found, or a probe cannot be read.
        ModelLoadError: a tokenizer cannot be read.
    """
    units = token_units(tokenizers)
    linted = [lint_probe(subject, axes, units, reading) for subject in _subjects(arguments or _shipped(axes))]
    typer.echo(_json(linted) if as_json else "\n".join(_lines(linted)))
    faulty = [one for one in linted if one.findings]
    if faulty:
        count = sum(len(one.findings) for one in faulty)
        first = faulty[0].findings[0]
        raise UsageError(
            f"{count} finding{'s' if count > 1 else ''}; the first: {first.rule}: {first.where}: {first.what}",
            where=", ".join(one.probe for one in faulty),
            fix="Mend what is listed and lint again.",
        )


def _subjects(arguments: Sequence[str]) -> Iterator[str]:
    """Each probe once; a file of a probe folder, as a commit hook names it, stands for its folder."""
    folders = (_folder_of(argument) for argument in arguments)
    yield from dict.fromkeys(folders)


def _shipped(axes: Sequence[str]) -> list[str]:
    """Shipped probes on the axes that were asked for; all where none of them has one, which then says so."""
    on_axes = [name for name in shipped_probes() if set(axes) & set(read_folder(data_folder("probes") / name).axes)]
    return on_axes or list(shipped_probes())


def _folder_of(argument: str) -> str:
    path = Path(argument)
    inside = path.name in _FILES and path.is_file() and (path.parent / CARD).is_file()
    return str(path.parent) if inside else argument


def _lines(linted: Sequence[Linted]) -> Iterator[str]:
    for one in linted:
        count = len(one.findings)
        yield on_one_line(f"{one.probe}: {count or 'no'} finding{'' if count == 1 else 's'}")
        if not one.wordings:
            yield "  nothing was looked at: no row is a pair"
        if not one.english:
            language = f"of the language {one.language!r}" if one.language else "of a language that is not named"
            yield on_one_line(f"  checks of English were left out: the probe is {language}")
        for finding in one.findings:
            yield on_one_line(f"  {finding.rule}: {finding.where}: {finding.what}. {finding.fix}")


def _json(linted: Sequence[Linted]) -> str:
    return json.dumps({"probes": [asdict(one) for one in linted]}, indent=1)
