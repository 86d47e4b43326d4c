"""Whom a preference set is searched for: the identities of probe folders' lexicons and what these call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.adapters.probe_files.lexicon import Lexicon
from auditor.adapters.probe_files.probes import check_axes, find_folder
from auditor.core.mentions import Finder, Named
from auditor.errors import UsageError


@dataclass(frozen=True, slots=True)
class Searched:
    """Whom to look for.

    Attributes:
        lexicon: name of the probe it comes from, with its version.
    """

    lexicon: str
    people: tuple[Named, ...]
    finder: Finder


def searched_people(argument: str, axes: Sequence[str]) -> Searched:
    """Read a probe folder's lexicon.

    Args:
        argument: a folder, or the name of a shipped probe.
        axes: of the lexicon; all of them where none is named.

    Raises:
        UsageError: there is no such probe, it has no lexicon, or none has an axis that is asked.
    """
    folder = find_folder(argument)
    if folder is None or folder.lexicon is None:
        raise UsageError(
            "it has no lexicon, so nobody can be looked for",
            where=f"--lexicon {argument}",
            fix="Give a probe folder with a lexicon.yaml, or a shipped probe such as stigma.",
        )
    check_axes(axes, [folder])
    crossed = [name for name in axes if name not in folder.axes]
    if crossed:
        raise UsageError(
            f"{crossed[0]!r} is two axes crossed, and texts are searched for one identity at a time",
            where="--axis",
            fix=f"Name one of {', '.join(folder.axes)}; repeat the option for several.",
        )
    people, beside = _people(folder.lexicon, axes)
    english = folder.card.language.split("-")[0].lower() == "en"
    others = [
        words for control in folder.lexicon.controls for surface in control.surfaces for words in surface.values()
    ]
    finder = Finder(people, english=english, others=others, beside=beside)
    return Searched(f"{folder.card.name} {folder.card.version}", people, finder)


def _people(lexicon: Lexicon, axes: Sequence[str]) -> tuple[tuple[Named, ...], tuple[Named, ...]]:
    """Each identity once, under the first axis that names it; and those of axes that are not asked."""
    names: dict[str, dict[str, None]] = {}
    for axis in lexicon.axes:
        for one in axis.identities:
            own = dict.fromkeys(words for surface in one.surfaces for words in surface.values())
            names[one.name] = names.get(one.name, {}) | own
    asked: dict[str, Named] = {}
    beside: dict[str, Named] = {}
    for axis in lexicon.axes:
        found = asked if not axes or axis.name in axes else beside
        for one in axis.identities:
            found.setdefault(one.name, Named(one.name, axis.name, one.role, tuple(names[one.name])))
    return tuple(asked.values()), tuple(one for name, one in beside.items() if name not in asked)
