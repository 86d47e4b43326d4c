"""Tokenizers to count with, read without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.adapters.hf.loading.specs import Source, parse_specs
from auditor.adapters.probe_lint.lint_sides import TOKEN_BOUNDS, Unit
from auditor.errors import ModelLoadError

_FILE = "tokenizer.json"


def token_units(arguments: Sequence[str]) -> tuple[Unit, ...]:
    """A unit of length for each tokenizer: a folder, its ``tokenizer.json``, or a hub id, optionally ``NAME=``.

    Raises:
        UsageError: an argument is no place, or two have one name.
        ModelLoadError: there is no ``tokenizer.json``, or it cannot be read.
    """
    return tuple(_unit(spec.name, _file(spec.model)) for spec in parse_specs(arguments))


def _file(source: Source) -> Path:
    if source.path is not None:
        return source.path / _FILE if source.path.is_dir() else source.path
    if source.looks_like_path:
        raise ModelLoadError("there is no such file or folder", where=f"--tokenizer {source}", fix="Check the path.")
    from auditor.adapters.hf.loading.hub import fetch

    return fetch(source.location, source.revision, weights=False).folder / _FILE


def _unit(name: str, file: Path) -> Unit:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises a bare Exception for everything
        raise ModelLoadError(
            f"no tokenizer can be read: {' '.join(str(error).split())}",
            where=str(file),
            fix="Give a folder or hub id that holds tokenizer.json (transformers' save_pretrained writes it).",
        ) from error

    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(one.ids) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    return Unit(f"tokens ({name})", lengths, *TOKEN_BOUNDS)
