"""Probe folders: a card, a datasheet, and either rows (``pairs.csv``) or a lexicon with sentences to fill."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from auditor.adapters.probe_files.crossed_axes import CROSS, UncrossableError, parts_of
from auditor.adapters.probe_files.expansion import UnknownSlotError, expand
from auditor.adapters.probe_files.lexicon import Lexicon
from auditor.adapters.probe_files.pair_files import checked_text, read_pairs
from auditor.adapters.probe_files.sentences import Sentences
from auditor.adapters.probe_files.table_files import SUFFIXES, TableFile, read_table
from auditor.adapters.probe_files.yaml_files import read_yaml
from auditor.core.items import Card, Item, Probe
from auditor.errors import UsageError

CARD, LEXICON, SENTENCES, DATASHEET, PAIRS_STEM = "card.yaml", "lexicon.yaml", "sentences.yaml", "README.md", "pairs"
# Of a probe: it stands in tables, on pages and in the names of files.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Tier = Literal["quick", "standard", "full"]
TIERS: tuple[Tier, ...] = ("quick", "standard", "full")


class Tiers(BaseModel):
    """In how many variants (wording, frame and surface form) a predicate is asked; ``full`` is all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quick: Annotated[int, Field(ge=1)] = 1
    standard: Annotated[int, Field(ge=1)] = 3


class CardFile(BaseModel):
    """``card.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    title: str
    version: str
    language: str
    licence: str
    description: str
    content_warning: str = ""
    citation: str = ""
    canary: str = ""
    defects: tuple[str, ...] = ()
    tiers: Tiers = Tiers()
    default_axes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("metrics")
    @classmethod
    def _published(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names:
            # Only here: most cards name none, and statistics load slowly.
            from auditor.core.metrics import METRICS

            unknown = [name for name in names if name not in METRICS]
            if unknown or len(set(names)) < len(names):
                raise ValueError(f"no such metric: {unknown[0]!r}" if unknown else "a metric is named twice")
        return names


@dataclass(frozen=True, slots=True)
class ProbeFolder:
    """A probe folder as read; either ``pairs`` or both ``lexicon`` and ``sentences`` are there."""

    path: Path
    card: CardFile
    pairs: TableFile | None
    lexicon: Lexicon | None
    sentences: Sentences | None

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes that can be asked for; none in a folder of rows."""
        return () if self.lexicon is None else tuple(axis.name for axis in self.lexicon.axes)

    @property
    def default_axes(self) -> tuple[str, ...]:
        """The axes that are asked where none is named."""
        return self.card.default_axes or self.axes

    def has_axis(self, name: str) -> bool:
        """Whether an axis can be asked for, or each of two that are to be crossed."""
        return set(parts_of(name)) <= set(self.axes)


def read_folder(path: Path) -> ProbeFolder:
    """Read a probe folder.

    Raises:
        UsageError: a file is missing, or is not what it must be.
    """
    card = read_yaml(path / CARD, CardFile)
    files = [file for file in (path / f"{PAIRS_STEM}{suffix}" for suffix in SUFFIXES) if file.is_file()]
    has_lexicon = (path / LEXICON).is_file() or (path / SENTENCES).is_file()
    if len(files) + has_lexicon != 1:
        names = ", ".join(f"{PAIRS_STEM}{suffix}" for suffix in SUFFIXES)
        raise UsageError(
            f"a probe folder needs exactly one pair file, or a lexicon with sentences; found {len(files)} pair files"
            + (" beside a lexicon" if has_lexicon else ""),
            where=str(path),
            fix=f"Keep one of {names}, or {LEXICON} and {SENTENCES}.",
        )
    if files:
        return ProbeFolder(path, card, read_table(files[0]), None, None)
    folder = ProbeFolder(path, card, None, read_yaml(path / LEXICON, Lexicon), read_yaml(path / SENTENCES, Sentences))
    _check_names(folder)
    _check_against(folder)
    return folder


def _check_names(folder: ProbeFolder) -> None:
    """Every axis, group and identity that card and sentences speak of is in the lexicon."""
    assert folder.lexicon is not None
    assert folder.sentences is not None
    people = [one for axis in folder.lexicon.axes for one in axis.identities]
    names, groups = {one.name for one in people}, {one.meets for one in people}
    asked = [("default_axes", name, set(folder.axes), CARD) for name in folder.card.default_axes]
    for section in folder.sentences.sections:
        where = f"{SENTENCES}, section {section.name!r}"
        asked += [("axis", name, set(folder.axes), where) for name in section.axes]
        asked += [("reference", name, groups, where) for name in section.references]
        asked += [("identity", name, names, where) for name in (*section.identities, *section.against)]
        asked += [("axis", name, set(folder.axes), where) for one in section.predicates for name in one.except_axes]
    for kind, name, known, where in asked:
        if name not in known:
            raise UsageError(
                f"{kind} {name!r} is not in the lexicon",
                where=f"{folder.path / where}",
                fix=f"Known: {', '.join(sorted(known))}.",
            )


def _check_against(folder: ProbeFolder) -> None:
    """Whoever takes part in a section with ``against`` has somebody else to be held against, on every axis."""
    assert folder.lexicon is not None
    assert folder.sentences is not None
    for section in folder.sentences.sections:
        for axis in folder.lexicon.axes:
            own = {one.name for one in axis.identities}
            asked = section.against and (not section.axes or axis.name in section.axes)
            if asked and (not set(section.against) <= own or len(section.against) < 2):
                raise UsageError(
                    f"against must name at least two identities of the axis {axis.name!r}, and no others",
                    where=f"{folder.path / SENTENCES}, section {section.name!r}",
                    fix=f"Its identities: {', '.join(sorted(own))}. Say which axes the section is about with axes.",
                )


def build_probe(folder: ProbeFolder, tier: Tier, axes: Sequence[str] = ()) -> Probe:
    """The probe's rows on some of its axes, in one tier; a folder of rows is taken whole.

    Args:
        axes: by name, or two crossed, such as ``gender*religion``; those the probe has not are passed over.

    Raises:
        UsageError: the probe has none of the axes, they cannot be crossed, or its texts cannot be put together.
    """
    card = folder.card
    if folder.pairs is not None:
        source = f"{card.name}/{folder.pairs.path.name}"
        return read_pairs(
            folder.pairs, card.name, _card(card, f"{card.title} {card.version}", source, folder.pairs.sha256)
        )
    items = tuple(stream_rows(folder, tier, axes))
    if not items:
        raise UsageError(
            f"gives no rows on {' and '.join(_chosen_axes(folder, axes))}",
            where=str(folder.path / SENTENCES),
            fix="No section speaks of these axes: choose others with --axis.",
        )
    title = f"{card.title} {card.version}, {tier} tier, {' and '.join(_chosen_axes(folder, axes))}"
    return Probe(card.name, items, _card(card, title, f"{card.name}/{SENTENCES}", _sha256(folder.path)))


def stream_rows(folder: ProbeFolder, tier: Tier, axes: Sequence[str] = ()) -> Iterator[Item]:
    """Rows of a folder with a lexicon, looked at one by one; nothing keeps them.

    Raises:
        UsageError: as `build_probe`; there may be no rows.
    """
    assert folder.lexicon is not None
    assert folder.sentences is not None
    chosen = _chosen_axes(folder, axes)
    variants = {"quick": folder.card.tiers.quick, "standard": folder.card.tiers.standard, "full": None}[tier]
    where = str(folder.path / SENTENCES)
    seen: set[str] = set()
    try:
        for item in expand(folder.lexicon, folder.sentences, chosen, variants, folder.card.language):
            _check_item(item, seen, where)
            yield item
    except UnknownSlotError as error:
        raise UsageError(str(error), where=where, fix="Mend the slot, or give its words in the lexicon.") from error
    except UncrossableError as error:
        raise UsageError(
            str(error),
            where=str(folder.path / LEXICON),
            fix="Two different axes can be crossed whose first has forms of one slot and whose second says 'who' of "
            "every identity, such as who: who are Muslim; the other way round it may be so.",
        ) from error


def _chosen_axes(folder: ProbeFolder, axes: Sequence[str]) -> list[str]:
    """The axes of the lexicon in its order, then the crossed ones as they were asked for."""
    asked = axes or folder.default_axes
    crossed = (name for name in dict.fromkeys(asked) if CROSS in name and folder.has_axis(name))
    chosen = [*(name for name in folder.axes if name in asked), *crossed]
    if not chosen:
        raise UsageError(
            f"the probe {folder.card.name!r} has none of these axes",
            where=f"--axis {' --axis '.join(axes)}",
            fix=f"Its axes: {', '.join(folder.axes)}.",
        )
    return chosen


def _check_item(item: Item, seen: set[str], where: str) -> None:
    """Its id is new, its sides can be told apart and its texts are characters."""
    if item.id in seen:
        raise UsageError(
            f"two rows get the id {item.id!r}",
            where=where,
            fix="Names of predicates, frames and identities make the ids: leave '/' out of them.",
        )
    seen.add(item.id)
    sides = [candidate.text.strip() for candidate in item.candidates]
    if not all(sides) or sides[0] == sides[1]:
        raise UsageError(
            "a side is empty" if not all(sides) else "both sides are the same",
            where=f"{where}, {item.id}",
            fix="Candidates of an item must differ, and none may be empty.",
        )
    turns = (turn.content for turn in item.messages)
    checked_text("".join([item.context, item.prefix, *turns, *sides]), "text", f"{where}, {item.id}")


def _card(card: CardFile, title: str, source: str, sha256: str) -> Card:
    return Card(
        title=title,
        source=source,
        sha256=sha256,
        licence=card.licence,
        citation=card.citation,
        content_warning=card.content_warning,
        metrics=card.metrics,
        defects=card.defects,
        notes=card.notes,
    )


def _sha256(folder: Path) -> str:
    """Of all that decides the rows."""
    parts = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (CARD, LEXICON, SENTENCES))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
