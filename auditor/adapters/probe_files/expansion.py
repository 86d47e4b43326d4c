"""From a probe folder's lexicon and sentences to items, in an order that nothing random decides.

A predicate is asked in *variants*: combinations of wording, frame, surface form and, where a section has them,
other forms to hold against. A tier takes the first so many of a fixed order in which wordings, frames and surface
forms take turns, so that a small tier is balanced too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm
from typing import NamedTuple

from auditor.adapters.probe_files.crossed_axes import AskedAxis, asked_axis
from auditor.adapters.probe_files.lexicon import Lexicon, Surface
from auditor.adapters.probe_files.sentences import Frame, Section, Sentences, Turn, Wording
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item, Message, Role, Valence

_SLOT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class Variant(NamedTuple):
    """Positions of one combination."""

    wording: int
    frame: int
    surface: int
    other: int


@dataclass(frozen=True, slots=True)
class _Person:
    """An identity as it takes part in a section; rows of one ``group`` share their match keys."""

    name: str
    role: Role
    group: str
    surfaces: tuple[Surface, ...]


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A predicate, or its neutral twin, at its place in the section."""

    name: str
    theme: str
    valence: Valence
    wordings: tuple[Wording, ...]
    place: int


class UnknownSlotError(ValueError):
    """A template asks for words that nobody has."""


def expand(
    lexicon: Lexicon, sentences: Sentences, axes: Sequence[str], variants: int | None, language: str = ""
) -> Iterator[Item]:
    """Every row of the chosen axes.

    Args:
        axes: of the lexicon, or two of them crossed, such as ``gender*religion``.
        variants: how many combinations a predicate is asked in; None for all.
        language: of every row.

    Raises:
        UnknownSlotError: a template names a slot that an identity of its section does not have.
        UncrossableError: two axes cannot be crossed.
    """
    asked = [asked_axis(lexicon, name) for name in axes]
    for section in sentences.sections:
        for axis in asked:
            if _stands_on(section, axis):
                yield from _Rows(section, axis, tuple(_people(section, axis)), language).expand(variants)


def _stands_on(section: Section, asked: AskedAxis) -> bool:
    """Whether a section is about an axis; one that names its identities names no pairs of them."""
    if len(asked.parts) > 1 and (section.references or section.identities or section.against):
        return False
    return not section.axes or set(asked.parts) <= set(section.axes)


def _people(section: Section, asked: AskedAxis) -> Iterator[_Person]:
    axis = asked.axis
    for one in axis.identities:
        if (not section.references or one.meets in section.references) and (
            not section.identities or one.name in section.identities
        ):
            yield _Person(one.name, one.role, one.meets, one.surfaces)
    groups = {one.meets for one in axis.identities}
    group = (
        next((one for one in section.references if one in groups), "") if section.references else axis.control_reference
    )
    if section.controls and group:
        for control in asked.controls:
            yield _Person(control.name, "control", group, control.surfaces)


def variants_of(place: int, wordings: int, frames: int, surfaces: int, others: int) -> Iterator[Variant]:
    """All combinations, each once, for the predicate at ``place``.

    The first ``wordings`` of them show each wording once; which wording, frame and form come first moves with the
    place.
    """
    for turn in range(frames * surfaces * others):
        by_frame, step = divmod(turn, frames)
        by_surface, rest = by_frame % surfaces, by_frame // surfaces
        for wording in range(wordings):
            start = place + 2 * wording
            yield Variant(
                (place + wording) % wordings,
                (start + step) % frames,
                (place + place // lcm(frames, surfaces) + wording + step + by_surface) % surfaces,
                (start + step + rest) % others,
            )


@dataclass(frozen=True, slots=True)
class _Rows:
    """One section on one axis."""

    section: Section
    asked: AskedAxis
    people: tuple[_Person, ...]
    language: str

    def expand(self, variants: int | None) -> Iterator[Item]:
        # A form that stands in for one an identity does not have would ask the same row twice.
        seen: set[tuple[object, ...]] = set()
        surfaces = max((len(one.surfaces) for one in self.people), default=1)
        for cluster in self._clusters():
            order = variants_of(
                cluster.place,
                len(cluster.wordings),
                len(self.section.frames),
                surfaces,
                max(1, len(self.section.against)),
            )
            for number, variant in enumerate(order):
                if variants is not None and number >= variants:
                    break
                for person in self.people:
                    # Control identities are there for harm to be held against; nothing is asked of their neutral rows.
                    if person.role == "control" and cluster.valence == "neutral":
                        continue
                    rows = tuple(self._rows(cluster, variant, person))
                    # Reference rows of another form stay: others may have the form that they lack.
                    form = rows[0].match if person.role == "reference" else ""
                    first = rows[0]
                    text = (person.name, first.context, first.prefix, first.messages, first.candidates, form)
                    if text not in seen:
                        seen.add(text)
                        yield from rows

    def _clusters(self) -> Iterator[_Cluster]:
        for place, one in enumerate(self.section.predicates):
            if set(self.asked.parts) & set(one.except_axes):
                continue
            theme = one.theme or self.section.theme
            yield _Cluster(one.name, theme, self.section.valence, one.wordings, place)
            if one.neutral is not None:
                yield _Cluster(one.neutral.name, theme, "neutral", one.neutral.wordings, place)

    def _rows(self, cluster: _Cluster, variant: Variant, person: _Person) -> Iterator[Item]:
        frame, wording = self.section.frames[variant.frame], cluster.wordings[variant.wording]
        surface = person.surfaces[variant.surface % len(person.surfaces)]
        slots, other = self._slots(cluster, variant, person, surface, wording)
        declared = self._item(cluster, variant, person, slots, other)
        if not frame.baseline:
            yield declared
            return
        bare = f"{declared.id}/undeclared"
        yield replace(declared, baseline=bare)
        context, messages = fill(frame.baseline, slots), _filled(frame.baseline_messages, slots)
        yield replace(declared, id=bare, context=context, messages=messages, surface="")

    def _slots(
        self, cluster: _Cluster, variant: Variant, person: _Person, surface: Surface, wording: Wording
    ) -> tuple[Mapping[str, str], str]:
        """Words for every slot, and what tells rows apart that are held against different others.

        A wording's own texts may hold slots of the identity, the other and the name, and of the wording's texts before.
        """
        section, slots = self.section, dict(surface)
        if section.names:
            # Not by whom the row is held against: a name must not tell reference rows from marked ones.
            turn = cluster.place + variant.wording * len(section.frames) + variant.frame + variant.surface
            slots["name"] = section.names[turn % len(section.names)]
        other = ""
        if section.against:
            choices = [name for name in section.against if name != person.name]
            other = choices[variant.other % len(choices)]
            forms = next(one.surfaces[0] for one in self.asked.axis.identities if one.name == other)
            slots |= {f"other.{slot}": words for slot, words in forms.items()}
        for slot, text in wording.items():
            slots[slot] = fill(text, slots)
        return slots, other and f"/{other}"

    def _item(self, cluster: _Cluster, variant: Variant, person: _Person, slots: Mapping[str, str], other: str) -> Item:
        section, frame, paraphrase = self.section, self.section.frames[variant.frame], str(variant.wording + 1)
        key = f"{self.asked.axis.name}/{cluster.name}/{paraphrase}/{frame.name}/{variant.surface + 1}"
        sides = {HARMFUL: section.harmful, AFFIRMING: section.affirming}
        prefix = " ".join(filter(None, (fill(frame.prefix, slots), slots.get("prefix", ""))))
        return Item(
            id=f"{key}/{person.name}{other}",
            candidates=tuple(Candidate(side, f" {fill(text, slots)}{section.ending}") for side, text in sides.items()),
            context=fill(frame.context, slots),
            prefix=f" {prefix}" if prefix else "",
            messages=_filled(frame.messages, slots),
            identity=person.name,
            surface=_named(frame, slots, person),
            axis=self.asked.axis.name,
            theme=cluster.theme,
            cluster=cluster.name,
            paraphrase=paraphrase,
            frame=frame.name,
            match=f"{key}/{person.group}",
            role=person.role,
            valence=cluster.valence,
            design=section.design,
            language=self.language,
        )


def _named(frame: Frame, slots: Mapping[str, str], person: _Person) -> str:
    """The identity's words as they stand in the context, or else in the conversation: the first slot of its own."""
    for template in (frame.context, *(turn.content for turn in frame.messages)):
        for found in _SLOT.finditer(template):
            slot = found[1]
            if slot and slot.lower() in person.surfaces[0]:
                return fill(found[0], slots)
    return ""


def _filled(turns: Sequence[Turn], slots: Mapping[str, str]) -> tuple[Message, ...]:
    return tuple(Message(turn.role, fill(turn.content, slots)) for turn in turns)


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Put words into slots; ``{Slot}`` capitalises them, ``{{`` is a brace.

    Raises:
        UnknownSlotError: there are no words for a slot.
    """

    def words(found: re.Match[str]) -> str:
        slot = found[1]
        if slot is None:
            return found[0][0]
        if slot in slots:
            return slots[slot]
        lower = slot[:1].lower() + slot[1:]
        if lower in slots:
            return slots[lower][:1].upper() + slots[lower][1:]
        raise UnknownSlotError(f"{template!r} asks for {{{slot}}}; there is: {', '.join(sorted(slots))}")

    return _SLOT.sub(words, template)
