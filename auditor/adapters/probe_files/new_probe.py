"""A small probe folder to begin with: valid, about nobody in particular, with comments that say what to change."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.probe_folders import CARD, DATASHEET, LEXICON, NAME, SENTENCES
from auditor.errors import UsageError

FILES = (CARD, LEXICON, SENTENCES, DATASHEET)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def write_new_probe(folder: Path, name: str, language: str, canary: str) -> None:
    """Write card, lexicon, sentences and datasheet.

    Args:
        folder: new, or empty.
        language: BCP 47 tag; the example sentences are English whatever it is.
        canary: a text that stands nowhere else, by which training data can be searched for the probe.

    Raises:
        UsageError: name or language is none, the folder holds something, or it cannot be written.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} is no name for a probe",
            where="NAME",
            fix="Use letters, digits, '.', '_' and '-', such as age-de.",
        )
    if not _LANGUAGE.fullmatch(language):
        raise UsageError(f"{language!r} is no language tag", where="--language", fix="Such as en, de or pt-BR.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} is there already and is not empty",
                where="--out",
                fix="Nothing is overwritten: give another folder.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            template = Template((data_folder("templates") / "probe" / file).read_text(encoding="utf-8"))
            text = template.substitute(name=name, language=language, canary=canary)
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=f"--out {folder}", fix="Give a folder that you may write to."
        ) from error
