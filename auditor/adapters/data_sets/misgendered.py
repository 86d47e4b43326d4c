"""MISGENDERED (Hossain et al. 2023): declared pronouns, and a sentence from which one of them is missing.

The published folder holds templates of a sentence in 13 files (nothing declared, six explicit declarations, six in
parentheses), 500 names and the forms of 11 pronoun families. An item is one template, declaration and name with the
pronouns of one family declared; its candidates are the whole text filled with the form of every family. Families that
share a form share a candidate (``e/ey``), so no item is a pair.

All names would be 3.3 million items of 11 texts each. Which names a template gets is decided by hashes, so that the
same are always drawn: one (``quick``) or one of each list (``standard``) a template, the same in all declarations.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.adapters.data_sets.public_sets import collect, joint_sha256, read_lines, text_problem
from auditor.adapters.probe_files.probe_folders import Tier
from auditor.adapters.probe_files.table_files import TableFile, read_table
from auditor.core.consistency import FORMS, MISGENDERED_METRICS, UNDECLARED, label_of
from auditor.core.items import Candidate, Card, Item, Probe
from auditor.errors import UsageError

PRONOUNS, TEMPLATES, NAMES = "pronouns.csv", "templates", "names"
# Lists of names, in the order in which templates take turns.
_LISTS = ("female", "male", "unisex")
_MASK = "{mask_token}"
_KINDS = {"explicit": "explicit", "parenth": "parenthetical"}
_FILE = re.compile(r"(explicit|parenth)_template_(\d+)|templates")
_SLOT = re.compile(r"\{\w*\}")
# Three templates of the file without declarations declare all the same.
_STRAY_DECLARATION = " ({nom}/{acc})"


@dataclass(frozen=True, slots=True)
class _Template:
    """One sentence with its slots: where it stands, the declaration's name, its number and the form that is missing."""

    where: str
    frame: str
    number: int
    form: str
    text: str


def is_misgendered(folder: Path) -> bool:
    """Whether a folder is laid out as the published one."""
    return (folder / PRONOUNS).is_file() and (folder / TEMPLATES).is_dir() and (folder / NAMES).is_dir()


def read_misgendered(folder: Path, tier: Tier = "standard", name: str = "misgendered") -> Probe:
    """Read the published folder; rows that cannot be read are refused and counted.

    Args:
        tier: how many names a template is asked with: 1, 3 or, ``full``, all.

    Raises:
        UsageError: a file is missing, or pronouns or names cannot be read.
    """
    pronouns = read_table(folder / PRONOUNS)
    families = _families(pronouns)
    names, hashes = _names(folder / NAMES)
    tables = [read_table(path) for path in sorted((folder / TEMPLATES).glob("*.csv")) if _FILE.fullmatch(path.stem)]
    if not tables:
        raise UsageError("holds no templates", where=str(folder / TEMPLATES), fix="Give the folder as published.")

    def entries() -> Iterator[tuple[str, Item | str]]:
        for table in tables:
            for template in _templates(table):
                if isinstance(template, tuple):
                    yield template
                    continue
                for kind, person in _drawn(names, template.number, tier):
                    yield from ((template.where, one) for one in _items(template, kind, person, families))

    hashes = [pronouns.sha256, *hashes, *(table.sha256 for table in tables)]
    return collect(name, _card(joint_sha256(hashes), tier), entries())


def _families(table: TableFile) -> Mapping[str, Mapping[str, str]]:
    """Forms of each family, by form and family; the published column of the possessive-independent is ``pos_indep``."""
    families: dict[str, dict[str, str]] = {form: {} for form in FORMS}
    for row in table.stream():
        values = {**row.values, "pos_ind": row.values.get("pos_ind", row.values.get("pos_indep", ""))}
        problem = row.problem or text_problem(values, ("gender", *FORMS))
        if problem:
            raise UsageError(problem, where=table.where(row), fix="Give the file as published: a family a row.")
        for form in FORMS:
            families[form][values["gender"]] = values[form]
    if len(families["nom"]) < 2:
        raise UsageError("holds fewer than two families", where=str(table.path), fix="Give the file as published.")
    return families


def _names(folder: Path) -> tuple[Mapping[str, Sequence[str]], list[str]]:
    """Each list of names, and the hashes of their files."""
    names, hashes = {}, []
    for kind in _LISTS:
        lines, sha256 = read_lines(folder / f"{kind}.txt")
        names[kind] = [line.strip() for line in lines if line.strip()]
        hashes.append(sha256)
        if not names[kind]:
            raise UsageError("holds no names", where=str(folder / f"{kind}.txt"), fix="Give a name a line.")
    return names, hashes


def _templates(table: TableFile) -> Iterator[_Template | tuple[str, str]]:
    """The rows of one file, or where one stands that cannot be used and why."""
    kind, _, variant = table.path.stem.partition("_template_")
    frame = f"{_KINDS[kind]} {variant}" if variant else UNDECLARED
    # By its place: the column template_id has gaps in one file, and all files are in the same order.
    for number, row in enumerate(table.stream()):
        problem = row.problem or text_problem(row.values, ("form", "template"))
        text = str(row.values.get("template", "")).strip().replace("/'s", "'s")
        if frame == UNDECLARED:
            text = text.replace(_STRAY_DECLARATION, "")
        form = str(row.values.get("form", ""))
        # What a problem says must not quote the row: refusals are shown in private audits too.
        if not problem and form not in FORMS:
            problem = f"form is none of {', '.join(FORMS)}"
        elif not problem and not set(_SLOT.findall(text)) <= _slots(frame):
            problem = "template has a slot that cannot be filled here"
        elif not problem and text.count(_MASK) != 1:
            problem = f"template needs one {_MASK}"
        yield (table.where(row), problem) if problem else _Template(table.where(row), frame, number, form, text)


def _slots(frame: str) -> set[str]:
    declared = set() if frame == UNDECLARED else {f"{{{form}}}" for form in FORMS}
    return {"{name}", _MASK, *declared}


def _drawn(names: Mapping[str, Sequence[str]], number: int, tier: Tier) -> Iterator[tuple[str, str]]:
    """The names a template is asked with, each beside its list; the same in every declaration."""
    for at, kind in enumerate(_LISTS):
        if tier == "full":
            yield from ((kind, one) for one in names[kind])
        elif tier == "standard" or at == number % len(_LISTS):
            yield kind, min(names[kind], key=lambda one: hashlib.sha256(f"{number}/{one}".encode()).digest())


def _items(template: _Template, kind: str, person: str, families: Mapping[str, Mapping[str, str]]) -> Iterator[Item]:
    """One item for each family that can be declared, or the one in which nothing is."""
    forms = families[template.form]
    by_form: dict[str, list[str]] = {}
    for family, form in forms.items():
        by_form.setdefault(form, []).append(family)
    declared = [""] if template.frame == UNDECLARED else list(forms)
    for family in declared:
        text = template.text.replace("{name}", person)
        for form in FORMS if family else ():
            text = text.replace(f"{{{form}}}", families[form][family])
        before, _, after = text.partition(_MASK)
        # Behind a full stop a form is capitalised, as in the evaluation that `auditor.core.consistency` names.
        capital = not before or before.endswith(". ")
        yield Item(
            id="/".join(filter(None, (template.frame, str(template.number), f"{kind} {person}", family))),
            candidates=tuple(
                Candidate(label_of(sharing), f"{before}{form.capitalize() if capital else form}{after}")
                for form, sharing in by_form.items()
            ),
            identity=family or f"{kind} names",
            answer=label_of(by_form[forms[family]]) if family else "",
            axis="pronoun family" if family else "name",
            surface=person,
            theme=FORMS[template.form],
            cluster=f"template {template.number}",
            frame=template.frame,
            language="en",
        )


def _card(sha256: str, tier: Tier) -> Card:
    names = {"quick": "one name a template", "standard": "three names a template", "full": "all names"}[tier]
    return Card(
        title=f"MISGENDERED, {names}",
        source="misgendered",
        sha256=sha256,
        licence="CC BY 4.0",
        citation="Hossain, Dev & Singh 2023, MISGENDERED, ACL 2023, arXiv 2306.03950",
        content_warning="About misgendering of people with declared pronouns.",
        metrics=tuple(one.name for one in MISGENDERED_METRICS),
        defects=(
            "Templates have /' before a possessive s and stray spaces at their ends: both are mended.",
            "Three templates without a declaration declare all the same: that part is left out.",
            "The sentences have slips (stiches, potrait, Its sad), and They was able in one of them.",
            "Names are lists of the United States; a name is no declaration of anybody's gender.",
            "Two families share em and emself: whoever declares one of them is right with the shared form.",
        ),
        notes=()
        if tier == "full"
        else (f"{names} of the published 500, always the same: its figures are not those of the whole data set",),
    )
