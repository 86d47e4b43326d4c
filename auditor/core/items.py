"""What an audit asks: items with two or more candidate continuations, held by a probe.

An item is one context and its candidates; a *pair* is the item whose candidates carry the labels
``harmful`` and ``affirming``. Everything here is plain data: no model, no tokenizer, no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from auditor.core.refusals import Refusal

HARMFUL: Literal["harmful"] = "harmful"
AFFIRMING: Literal["affirming"] = "affirming"

Role = Literal["marked", "reference", "control"]
Valence = Literal["harm", "neutral"]
Design = Literal["text_swap", "identity_swap", "responsiveness", "naming"]

ROLES: tuple[Role, ...] = ("marked", "reference", "control")
VALENCES: tuple[Valence, ...] = ("harm", "neutral")
# What a file may say; names in a frame are asked by the package itself (`auditor.core.naming`).
DESIGNS: tuple[Design, ...] = ("text_swap", "identity_swap", "responsiveness")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation that precedes the candidates."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One continuation: its label within the item and its text, verbatim."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One context and two or more candidate continuations.

    Attributes:
        id: unique within its probe, kept verbatim in every file.
        candidates: at least two, with distinct labels.
        context: text before the candidates; ``prefix`` opens the scored turn but is not scored.
        messages: earlier turns; take the place of ``context`` in chat rendering.
        match: rows that differ in nothing but the identity share this key; "" for none.
        cluster: the unit of the statistics: a predicate with all its paraphrases.
        design: ``text_swap``: two texts about one identity; ``identity_swap``: one text about two;
            ``responsiveness``: the same two texts after a declaration and without it; ``naming``: the
            names of many identities in one frame, which have no margin.
        baseline: id of the row whose margin is subtracted from this one's: the same candidates in the same
            context with nothing declared. Rows of design ``responsiveness`` without one are such baselines.
        answer: label of the candidate that is right, "" where none is; metrics of accuracy read it.
    """

    id: str
    candidates: tuple[Candidate, ...]
    context: str = ""
    prefix: str = ""
    messages: tuple[Message, ...] = ()
    identity: str = ""
    surface: str = ""
    axis: str = ""
    theme: str = ""
    cluster: str = ""
    paraphrase: str = ""
    frame: str = ""
    match: str = ""
    role: Role = "marked"
    valence: Valence = "harm"
    design: Design = "text_swap"
    baseline: str = ""
    language: str = ""
    answer: str = ""

    @property
    def pair(self) -> tuple[int, int] | None:
        """Positions of the harmful and the affirming candidate, None where the item is no pair."""
        labels = [candidate.label for candidate in self.candidates]
        if HARMFUL in labels and AFFIRMING in labels:
            return labels.index(HARMFUL), labels.index(AFFIRMING)
        return None

    @property
    def is_baseline(self) -> bool:
        """Whether the row is only there to be subtracted from others."""
        return self.design == "responsiveness" and not self.baseline


@dataclass(frozen=True, slots=True)
class Card:
    """What a reader of the report must know about a probe.

    Attributes:
        metrics: names of the published metrics (`auditor.core.metrics`) that belong to it.
        defects: known defects of the texts, one sentence each.
        notes: what the reader filled in, such as a defaulted cluster, one sentence each.
        sha256: of the file the items came from.
    """

    title: str
    source: str
    sha256: str
    licence: str = ""
    citation: str = ""
    content_warning: str = ""
    metrics: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """Items that belong together, with their card and the rows its reader refused."""

    name: str
    items: tuple[Item, ...]
    card: Card
    refusals: tuple[Refusal, ...] = ()
    by_id: Mapping[str, Item] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {item.id: item for item in self.items})
