"""``sentences.yaml`` of a probe folder: frames and predicates, with slots for who they are about."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from auditor.adapters.probe_files.lexicon import Name, Part
from auditor.core.items import AFFIRMING, HARMFUL, Valence


def _as_slots(value: Any) -> Any:
    """A pair of texts is short for the two sides."""
    if isinstance(value, list):
        if len(value) != 2:
            raise ValueError("a wording is a pair [harmful, affirming] or a mapping of slots")
        return dict(zip(("harmful", "affirming"), value, strict=True))
    return value


_TEXT = {"type": "string"}
_WORDING_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2, "description": "[harmful, affirming]"},
        {"type": "object", "additionalProperties": _TEXT, "minProperties": 1, "description": "slot to text"},
    ]
}
# Slot to text; ``harmful``, ``affirming`` and ``prefix`` have a meaning of their own.
Wording = Annotated[dict[str, str], BeforeValidator(_as_slots), Field(min_length=1), WithJsonSchema(_WORDING_SCHEMA)]
Wordings = Annotated[tuple[Wording, ...], Field(min_length=1)]


Filled = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Turn(Part):
    """One turn of a conversation; ``content`` is a template."""

    role: Literal["system", "user", "assistant"]
    content: Filled


class Frame(Part):
    """What stands before a predicate.

    Attributes:
        context: not scored; the user's turn in a chat.
        prefix: opens the scored turn, not scored itself.
        messages: the conversation in the place of ``context`` in a chat: turns of user and assistant, the user's first
            and last, a system turn before them or none.
        baseline: the same context with nothing declared, in sections of design ``responsiveness``.
        baseline_messages: the same conversation with nothing declared, where there are both.
    """

    name: Name
    context: str
    prefix: str = ""
    messages: tuple[Turn, ...] = ()
    baseline: str = ""
    baseline_messages: tuple[Turn, ...] = ()

    @model_validator(mode="after")
    def _turns_alternate(self) -> Frame:
        for turns in (self.messages, self.baseline_messages):
            # Many templates refuse any other order.
            roles = [turn.role for turn in turns]
            spoken = roles[1:] if roles[:1] == ["system"] else roles
            if roles and (len(spoken) % 2 == 0 or spoken != ["user", "assistant"] * (len(spoken) // 2) + ["user"]):
                raise ValueError(
                    f"frame {self.name!r}: turns of user and assistant must alternate, the user's first and last, "
                    "after one system turn or none"
                )
        return self

    @model_validator(mode="after")
    def _baseline_is_a_conversation_too(self) -> Frame:
        if bool(self.baseline_messages) != bool(self.messages and self.baseline):
            raise ValueError(
                f"frame {self.name!r}: baseline_messages belong to every frame with messages and a baseline, "
                "and to no other"
            )
        return self


class Neutral(Part):
    """The form twin of a predicate: its i-th wording has the form of the predicate's i-th."""

    name: Name
    wordings: Wordings


class Predicate(Part):
    """One cluster: a predicate with its paraphrases.

    Attributes:
        except_axes: axes on which it is not asked, nor its twin: there it would say what an identity's name says.
    """

    name: Name
    theme: str = ""
    except_axes: tuple[str, ...] = ()
    wordings: Wordings
    neutral: Neutral | None = None

    @model_validator(mode="after")
    def _wordings_say_something(self) -> Predicate:
        # An ending would still stand there, and hide that a side is empty.
        for part in (self, self.neutral):
            for number, wording in enumerate(part.wordings if part else (), start=1):
                for side in (HARMFUL, AFFIRMING):
                    if part and not wording.get(side, side).strip():
                        raise ValueError(f"predicate {part.name!r}: the {side} side of wording {number} is empty")
        return self

    @model_validator(mode="after")
    def _wordings_differ(self) -> Predicate:
        for part in (self, self.neutral):
            if part and any(wording in part.wordings[:at] for at, wording in enumerate(part.wordings)):
                raise ValueError(f"predicate {part.name!r}: a wording stands twice")
        return self

    @model_validator(mode="after")
    def _twins_match(self) -> Predicate:
        if self.neutral and len(self.neutral.wordings) != len(self.wordings):
            raise ValueError(f"predicate {self.name!r}: its neutral twin needs {len(self.wordings)} wordings as well")
        return self


class Section(Part):
    """Frames and predicates that go together.

    Attributes:
        theme: of predicates that name none.
        axes: of the lexicon; all where none is named.
        references: only these groups and the identities that meet them; all where none is named.
        identities: only these; all where none is named.
        controls: whether control identities take part.
        ending: closes both candidates.
        names: fill ``{name}``, in turn.
        against: identities whose forms fill ``{other.SLOT}``, in turn and never the row's own.
        harmful, affirming: the candidates as templates.
    """

    name: Name
    theme: str = ""
    design: Literal["text_swap", "responsiveness"] = "text_swap"
    valence: Valence = "harm"
    axes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    controls: bool = True
    ending: str = ""
    names: tuple[Name, ...] = ()
    against: tuple[str, ...] = ()
    harmful: Filled = "{harmful}"
    affirming: Filled = "{affirming}"
    frames: Annotated[tuple[Frame, ...], Field(min_length=1)]
    predicates: Annotated[tuple[Predicate, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _frames_have_names_of_their_own(self) -> Section:
        names = [frame.name for frame in self.frames]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"section {self.name!r}: frame {twice!r} stands twice")
        return self

    @model_validator(mode="after")
    def _baselines_where_asked(self) -> Section:
        for frame in self.frames:
            if bool(frame.baseline) != (self.design == "responsiveness"):
                raise ValueError(
                    f"section {self.name!r}, frame {frame.name!r}: a baseline belongs to every frame of design "
                    "responsiveness and to no other"
                )
        return self


class Sentences(Part):
    """The whole file."""

    sections: Annotated[tuple[Section, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Sentences:
        sections = [section.name for section in self.sections]
        clusters = [
            part.name
            for section in self.sections
            for predicate in section.predicates
            for part in (predicate, predicate.neutral)
            if part is not None
        ]
        for kind, names in (("section", sections), ("predicate", clusters)):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{kind} {twice!r} stands twice")
        return self
