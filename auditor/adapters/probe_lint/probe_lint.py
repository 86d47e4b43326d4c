"""A probe's texts, held against every rule: what `audit probes lint` looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.adapters.probe_files.probe_folders import build_probe
from auditor.adapters.probe_files.probes import AS_IT_IS, Reading, find_folder, open_probe
from auditor.adapters.probe_lint.folder_material import folder_material
from auditor.adapters.probe_lint.lint_context import context_findings
from auditor.adapters.probe_lint.lint_duplicates import duplicate_findings
from auditor.adapters.probe_lint.lint_grammar import grammar_findings
from auditor.adapters.probe_lint.lint_material import Finding, Material
from auditor.adapters.probe_lint.lint_people import balance_findings, flagged_terms, term_findings
from auditor.adapters.probe_lint.lint_sides import CHARACTERS, WORDS, Unit, side_findings
from auditor.adapters.probe_lint.lint_words import word_findings
from auditor.adapters.probe_lint.row_material import row_material


@dataclass(frozen=True, slots=True)
class Linted:
    """A probe and what was found in it.

    Attributes:
        english: the checks of English were applied; the others hold in every language.
        wordings: how many there were to hold against each other; rows that are no pairs have none.
    """

    probe: str
    language: str
    english: bool
    wordings: int
    findings: tuple[Finding, ...]


def lint_probe(
    argument: str, axes: Sequence[str] = (), tokenizers: Sequence[Unit] = (), reading: Reading = AS_IT_IS
) -> Linted:
    """Lint a probe folder, a pair file or a shipped probe.

    Args:
        axes: only these; all where none is named.
        tokenizers: count sides in their tokens, in place of words and characters.
        reading: of a table; folders are read as they are.

    Raises:
        UsageError: there is nothing of that name, it cannot be read, or it has none of the axes.
    """
    folder = find_folder(argument)
    if folder is None:
        name, material = argument, row_material(open_probe(argument, reading=reading), axes=axes)
    elif folder.pairs is not None:
        name = folder.card.name
        material = row_material(build_probe(folder, "full"), folder.card.language, axes)
    else:
        name, material = folder.card.name, folder_material(folder, axes)
    return Linted(name, material.language, material.english, len(material.wordings), lint(material, tokenizers))


def lint(material: Material, tokenizers: Sequence[Unit] = ()) -> tuple[Finding, ...]:
    """Everything that is found in a probe's material, each finding once."""
    duplicates, repeated = duplicate_findings(material)
    found = [
        *side_findings(material, tokenizers or (WORDS, CHARACTERS)),
        *duplicates,
        *word_findings(material, repeated),
        *context_findings(material),
        *grammar_findings(material),
        *term_findings(material, flagged_terms()),
        *balance_findings(material),
    ]
    return tuple(dict.fromkeys(found))
