"""Two axes at once: ``gender*religion`` holds every pair of an identity of one axis with one of the other.

A pair is named by the first identity's words, followed by what the lexicon says the second one is (``who``):
"transgender people who are Muslim", "people who are transgender and who are Muslim". All pairs are compared with the
reference identities of both axes at once ("cisgender people who are Christian"), so a disparity is that of the whole
pair, not of one part given the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated

from pydantic import Field

from auditor.adapters.probe_files.lexicon import Axis, Control, Identity, Lexicon, Surface

CROSS = "*"


class _Pairs(Axis):
    """An axis that no lexicon can declare: its name is made of two."""

    name: Annotated[str, Field(pattern=r"^[^*]+\*[^*]+$")]


@dataclass(frozen=True, slots=True)
class AskedAxis:
    """An axis as it is asked about.

    Attributes:
        parts: names of the axes it is made of, one or two.
        controls: people not known to be stigmatised, in words of this axis.
    """

    axis: Axis
    parts: tuple[str, ...]
    controls: tuple[Control, ...]


class UncrossableError(ValueError):
    """Two axes of which no pairs can be made."""


def parts_of(name: str) -> tuple[str, ...]:
    """The axes that a name such as ``gender*religion`` crosses; of any other name, the name itself."""
    return tuple(name.split(CROSS))


def asked_axis(lexicon: Lexicon, name: str) -> AskedAxis:
    """An axis of a lexicon, or two of them crossed.

    Args:
        name: each of its parts is an axis of the lexicon.

    Raises:
        UncrossableError: the axes cannot be crossed.
    """
    parts = parts_of(name)
    axes = [next(axis for axis in lexicon.axes if axis.name == part) for part in parts]
    if len(axes) == 1:
        return AskedAxis(axes[0], parts, lexicon.controls)
    if len(axes) > 2:
        raise UncrossableError(f"{name} crosses {len(axes)} axes")
    first, second = axes
    pairs = cross(first, second, lexicon.conjunction)
    return AskedAxis(pairs, parts, tuple(_controls(first, second, lexicon.controls, lexicon.conjunction)))


def cross(first: Axis, second: Axis, conjunction: str) -> Axis:
    """Every identity of one axis with every one of another; a pair of reference identities is a reference.

    Args:
        conjunction: of the lexicon.

    Raises:
        UncrossableError: the axes are the same, the forms of the first have several slots, or an identity of the
            second has no ``who``.
    """
    name = f"{first.name}{CROSS}{second.name}"
    slots = sorted(first.identities[0].surfaces[0])
    silent = next((one.name for one in second.identities if not one.who), None)
    if first.name == second.name:
        raise UncrossableError(f"{name} crosses an axis with itself")
    if len(slots) > 1:
        raise UncrossableError(f"{name}: forms of {first.name!r} have several slots ({', '.join(slots)})")
    if silent is not None:
        raise UncrossableError(f"{name}: {silent!r} has no 'who', the words that would follow the other identity's")
    both = bool(first.control_reference and second.control_reference)
    return _Pairs(
        name=name,
        title=f"{first.title} and {second.title}",
        control_reference=_group(first.control_reference, second.control_reference) if both else "",
        identities=tuple(_pair(one, other, conjunction) for one, other in product(first.identities, second.identities)),
    )


def _pair(one: Identity, other: Identity, conjunction: str) -> Identity:
    group = _group(one.meets, other.meets)
    reference = one.role == other.role == "reference"
    return Identity(
        name=_followed(one.name, other.who, conjunction),
        role="reference" if reference else "marked",
        reference="" if reference else group,
        group=group if reference else "",
        surfaces=_all_followed(one.surfaces, other.who, conjunction),
    )


def _controls(first: Axis, second: Axis, controls: Sequence[Control], conjunction: str) -> Iterator[Control]:
    """Each control identity beside the second axis' reference, and, if it has a ``who``, beside the first's.

    "Teachers who are Christian", "cisgender people who are teachers": they differ from the pair that all are compared
    with in one part, as the marked pairs do, and that part is not known to be stigmatised.
    """
    one, other = _control_reference(first), _control_reference(second)
    if one is None or other is None:
        return
    pairs: list[tuple[Identity | Control, str]] = [(control, other.who) for control in controls]
    pairs += [(one, control.who) for control in controls if control.who]
    for person, who in pairs:
        yield Control(
            name=_followed(person.name, who, conjunction), surfaces=_all_followed(person.surfaces, who, conjunction)
        )


def _control_reference(axis: Axis) -> Identity | None:
    """The first identity of the group that control identities meet."""
    references = (one for one in axis.identities if one.role == "reference")
    return next((one for one in references if one.meets == axis.control_reference), None)


def _group(one: str, other: str) -> str:
    return f"{one}{CROSS}{other}"


def _all_followed(surfaces: Sequence[Surface], who: str, conjunction: str) -> tuple[Surface, ...]:
    return tuple({slot: _followed(words, who, conjunction) for slot, words in surface.items()} for surface in surfaces)


def _followed(words: str, who: str, conjunction: str) -> str:
    """Words and the clause after them, joined by the conjunction where the words hold such a clause already."""
    clause = who.lstrip(",").lstrip()
    # The word that opens the clause tells: "people who are deaf" before "who are old".
    if f" {clause.split()[0]} " in words:
        return f"{words} {conjunction} {clause}"
    return f"{words}{who}" if who.startswith(",") else f"{words} {who}"
