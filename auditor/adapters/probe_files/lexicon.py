"""``lexicon.yaml`` of a probe folder: who its sentences are about, and whom each is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Slot to words, such as {"people": "trans people"}.
Surface = dict[str, Annotated[str, Field(min_length=1, pattern=r"\S")]]
Name = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
Surfaces = Annotated[tuple[Surface, ...], Field(min_length=1)]
# What can follow the words of somebody else, such as "who are Muslim" or ", die blind sind"; "" for nothing.
Clause = Annotated[str, Field(pattern=r"^((, ?)?[^\s,](.*\S)?)?$")]


class Part(BaseModel):
    """A part of a probe's files: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(Part):
    """One identity.

    Attributes:
        reference: of a marked identity: the group it is compared with.
        group: of a reference identity: the name by which it is referred to; its own where none is given.
        who: what an identity of another axis becomes when it is this one too, where two axes are crossed.
        surfaces: forms of its name; the k-th of a marked identity meets the k-th of its reference.
    """

    name: Name
    role: Literal["marked", "reference"]
    reference: str = ""
    group: str = ""
    who: Clause = ""
    surfaces: Surfaces

    @model_validator(mode="after")
    def _is_compared(self) -> Identity:
        if (self.role == "marked") == (not self.reference):
            raise ValueError(f"identity {self.name!r}: a marked identity, and no other, needs a reference")
        return self

    @property
    def meets(self) -> str:
        """The group whose rows it shares its match keys with."""
        return self.reference or self.group or self.name


class Axis(Part):
    """Identities of one kind.

    Attributes:
        control_reference: the group that control identities meet on this axis; without one they take part in none
            of its sections that name no references.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    control_reference: str = ""
    identities: Annotated[tuple[Identity, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _groups_exist(self) -> Axis:
        groups = {one.meets for one in self.identities if one.role == "reference"}
        for name in [self.control_reference, *(one.reference for one in self.identities)]:
            if name and name not in groups:
                raise ValueError(f"axis {self.name!r}: no reference identity or group is called {name!r}")
        forms = {one.meets: len(one.surfaces) for one in self.identities if one.role == "reference"}
        for one in self.identities:
            if len(one.surfaces) != forms[one.meets]:
                raise ValueError(
                    f"axis {self.name!r}: {one.name!r} has {len(one.surfaces)} surfaces and {one.meets!r} has "
                    f"{forms[one.meets]}, but the k-th meets the k-th"
                )
        slots = {frozenset(surface) for one in self.identities for surface in one.surfaces}
        if len(slots) > 1:
            raise ValueError(f"axis {self.name!r}: its identities have different slots")
        return self

    @model_validator(mode="after")
    def _clauses_differ(self) -> Axis:
        _refuse_twice(f"axis {self.name!r}: who", (one.who for one in self.identities if one.who))
        return self


class Control(Part):
    """People not known to be stigmatised, asked about on every axis; ``who`` as of an identity."""

    name: Name
    who: Clause = ""
    surfaces: Surfaces


class Lexicon(Part):
    """The whole file.

    Attributes:
        conjunction: joins a ``who`` to words that end in such a clause already: "people who are deaf and who are old".
    """

    conjunction: Name = "and"
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    controls: tuple[Control, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Lexicon:
        _refuse_twice("axis", (axis.name for axis in self.axes))
        for axis in self.axes:
            people = [one.name for one in axis.identities] + [one.name for one in self.controls]
            _refuse_twice(f"axis {axis.name!r}: identity", people)
        _refuse_twice("controls: who", (one.who for one in self.controls if one.who))
        return self


def _refuse_twice(kind: str, names: Iterator[str] | list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name!r} stands twice")
        seen.add(name)
