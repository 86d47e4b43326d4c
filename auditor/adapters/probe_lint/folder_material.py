"""The lint material of a probe folder, read from its lexicon and sentences as they are written.

The folder is not expanded: its rows repeat each wording for every frame, form and identity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from auditor.adapters.probe_files.expansion import UnknownSlotError, fill
from auditor.adapters.probe_files.lexicon import Axis, Control, Identity, Lexicon
from auditor.adapters.probe_files.probe_folders import SENTENCES, ProbeFolder
from auditor.adapters.probe_files.sentences import Frame, Neutral, Predicate, Section
from auditor.adapters.probe_files.sentences import Wording as Slots
from auditor.adapters.probe_lint.lint_material import Material, Share, Who, Wording
from auditor.adapters.probe_lint.lint_text import last_word
from auditor.errors import UsageError


def folder_material(folder: ProbeFolder, axes: Sequence[str] = ()) -> Material:
    """The material of a folder with a lexicon.

    Args:
        axes: of its lexicon; all where none is named.

    Raises:
        UsageError: it has none of the axes, or a template names a slot that nobody fills.
    """
    assert folder.lexicon is not None
    assert folder.sentences is not None
    chosen = tuple(axis for axis in folder.lexicon.axes if not axes or axis.name in axes)
    if not chosen:
        raise UsageError(
            f"the probe {folder.card.name!r} has none of these axes",
            where=f"--axis {' --axis '.join(axes)}",
            fix=f"Its axes: {', '.join(folder.axes)}.",
        )
    read = _Folder(folder.lexicon.model_copy(update={"axes": chosen}), folder.sentences.sections)
    try:
        return Material(
            folder.card.language,
            tuple(one for section in read.sections for one in read.wordings(section)),
            read.names(),
            tuple(read.shares()),
            read.texts(),
        )
    except UnknownSlotError as error:
        where = str(folder.path / SENTENCES)
        raise UsageError(str(error), where=where, fix="Mend the slot, or give its words in the lexicon.") from error


class _Folder:
    """A lexicon on the chosen axes, and the sections that speak of one of them."""

    def __init__(self, lexicon: Lexicon, sections: Sequence[Section]) -> None:
        self.lexicon = lexicon
        self.sections = [section for section in sections if any(self._axes(section))]
        slots = {slot for one in self._everyone() for form in one.surfaces for slot in form}
        self.blanks = {slot: f"{{{slot}}}" for slot in [*slots, *(f"other.{slot}" for slot in slots), "name"]}

    def _everyone(self) -> Iterator[Identity | Control]:
        for axis in self.lexicon.axes:
            yield from axis.identities
        yield from self.lexicon.controls

    def _axes(self, section: Section) -> Iterator[Axis]:
        yield from (axis for axis in self.lexicon.axes if not section.axes or axis.name in section.axes)

    def _identities(self, section: Section, axis: Axis) -> Iterator[Identity]:
        for one in axis.identities:
            if (not section.references or one.meets in section.references) and (
                not section.identities or one.name in section.identities
            ):
                yield one

    def wordings(self, section: Section) -> Iterator[Wording]:
        """Those of a section's predicates and of their neutral twins."""
        for predicate in section.predicates:
            asked = frozenset(
                (axis.name, one.name)
                for axis in self._axes(section)
                for one in self._identities(section, axis)
                if one.role == "marked" and axis.name not in predicate.except_axes
            )
            theme = predicate.theme or section.theme
            for part in _parts(predicate):
                valence = section.valence if part is predicate else "neutral"
                for number, slots in enumerate(part.wordings, 1):
                    filled = self._filled(slots)
                    yield Wording(
                        theme=theme,
                        cluster=part.name,
                        number=str(number),
                        valence=valence,
                        design=section.design,
                        harmful=f" {fill(section.harmful, filled)}{section.ending}",
                        affirming=f" {fill(section.affirming, filled)}{section.ending}",
                        beside=" ".join(filled[slot] for slot in slots if slot not in ("harmful", "affirming")),
                        contexts=tuple(found for frame in section.frames for found in _contexts(frame, filled)),
                        asked=asked,
                    )

    def _filled(self, slots: Slots) -> Mapping[str, str]:
        """A wording's words for its slots, those of identities left open."""
        filled = dict(self.blanks)
        for slot, text in slots.items():
            filled[slot] = fill(text, filled)
        return filled

    def names(self) -> dict[Who, tuple[str, ...]]:
        """The words that name each marked identity."""
        return {
            (axis.name, one.name): (one.name, *(words for form in one.surfaces for words in form.values()))
            for axis in self.lexicon.axes
            for one in axis.identities
            if one.role == "marked"
        }

    def shares(self) -> Iterator[Share]:
        """How much is asked of every identity and control identity, before rows that would repeat a text are dropped.

        Whom a row is held against is left out: nobody is held against themselves, so that some meet one fewer.
        """
        rows: Counter[tuple[tuple[str, ...], str]] = Counter()
        forms: dict[tuple[tuple[str, ...], str], int] = {}
        for section in self.sections:
            for axis in self._axes(section):
                sizes = _sizes(section, axis)
                for name, role, surfaces in self._asked(section, axis):
                    for (theme, valence), count in sizes.items():
                        if role != "control" or valence != "neutral":
                            key: tuple[tuple[str, ...], str] = ((axis.name, theme, section.design, valence, role), name)
                            rows[key] += count * len(section.frames) * surfaces
                            forms[key] = surfaces
        for key, count in rows.items():
            yield Share(*key, rows=count, forms=forms[key], keys=count)

    def _asked(self, section: Section, axis: Axis) -> Iterator[tuple[str, str, int]]:
        """Name, role and number of different forms of everyone who takes part in a section on an axis."""
        for one in self._identities(section, axis):
            yield one.name, one.role, _different(one)
        groups = {one.meets for one in axis.identities}
        if section.controls and (groups & set(section.references) if section.references else axis.control_reference):
            for control in self.lexicon.controls:
                yield control.name, "control", _different(control)

    def texts(self) -> dict[str, str]:
        """Every name, every context with every name or own words of a wording in it, every candidate in its place."""
        found: dict[str, str] = {}
        for person in self._everyone():
            for text in (person.name, person.who, *(words for form in person.surfaces for words in form.values())):
                found.setdefault(text, person.name)
        for section in self.sections:
            for where, text in (*self._context_texts(section), *self._candidate_texts(section)):
                found.setdefault(text, where)
        return found

    def _context_texts(self, section: Section) -> Iterator[tuple[str, str]]:
        filled = self._filled(section.predicates[0].wordings[0])
        people: list[Identity | Control] = [
            one for axis in self._axes(section) for one in self._identities(section, axis)
        ]
        controls = self.lexicon.controls if section.controls else ()
        for frame in section.frames:
            for form in (form for person in [*people, *controls] for form in person.surfaces):
                for template in filter(None, _templates(frame)):
                    yield f"{section.name}, frame {frame.name}", fill(template, {**filled, **form})

    def _candidate_texts(self, section: Section) -> Iterator[tuple[str, str]]:
        for part in (part for predicate in section.predicates for part in _parts(predicate)):
            for number, slots in enumerate(part.wordings, 1):
                filled = self._filled(slots)
                where = f"{part.name}, wording {number}"
                yield where, filled.get("prefix", "")
                if slots.keys() - {"prefix", "harmful", "affirming"}:
                    # Its words for slots of the frames are read where they stand.
                    templates = (text for frame in section.frames for text in _templates(frame) if text)
                    yield from ((where, fill(template, filled)) for template in templates)
                # Prefixes that end alike meet a candidate alike.
                before = (text for frame in section.frames for _, text in _contexts(frame, filled))
                ends = dict.fromkeys(map(last_word, before))
                for side in (section.harmful, section.affirming):
                    text = f"{fill(side, filled)}{section.ending}"
                    yield from ((where, f"{end} {text}") for end in ends)


def _parts(predicate: Predicate) -> Iterator[Predicate | Neutral]:
    yield predicate
    if predicate.neutral is not None:
        yield predicate.neutral


def _templates(frame: Frame) -> Iterator[str]:
    yield from (frame.context, frame.baseline, frame.prefix)
    yield from (turn.content for turn in (*frame.messages, *frame.baseline_messages))


def _sizes(section: Section, axis: Axis) -> Counter[tuple[str, str]]:
    """How many wordings are asked on an axis, by theme and valence."""
    sizes: Counter[tuple[str, str]] = Counter()
    for predicate in (one for one in section.predicates if axis.name not in one.except_axes):
        for part in _parts(predicate):
            valence = section.valence if part is predicate else "neutral"
            sizes[predicate.theme or section.theme, valence] += len(part.wordings)
    return sizes


def _contexts(frame: Frame, filled: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What stands before a candidate, prefixes included, in plain text and where there is one in a conversation."""
    prefixes = (fill(frame.prefix, filled), filled.get("prefix", ""))
    turns = " ".join(turn.content for turn in frame.messages)
    for name, template in ((frame.name, frame.context), (f"{frame.name} in a chat", turns)):
        if template or name == frame.name:
            yield name, " ".join(filter(None, (fill(template, filled), *prefixes)))


def _different(person: Identity | Control) -> int:
    """How many forms of a name differ; one that stands in for another asks nothing new."""
    return len({tuple(sorted(form.items())) for form in person.surfaces})
