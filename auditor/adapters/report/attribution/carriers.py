"""Which part carries most of an identity's number, and whether it is shared with its reference rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.adapters.report.attribution.attribution_charts import telling
from auditor.adapters.report.attribution.attribution_splits import Split, Splits
from auditor.adapters.run.results_schema import AttributionRow
from auditor.core.attributions import BASELINE_UNIT

# Sentences of so many identities.
MAX_SAID = 4
ROLE_WORDS = {
    "identity": "the words that name the identity",
    "predicate": "the words of the predicate",
    "pronoun": "pronouns",
    "frame": "the words that both texts share",
    "punctuation": "punctuation",
    "end": "the end of the turn",
    BASELINE_UNIT: "what is left without any of the words",
}


@dataclass(frozen=True, slots=True)
class Carrier:
    """The largest part of one identity's number.

    Attributes:
        words: the unit, as a sentence names it.
        part: with its interval; ``total``: of what.
        telling: whether it is told apart from 0.
        shared: the same unit's part in the reference rows, None where nothing is subtracted.
        controls: smallest and largest part of a control identity, None where there are not two.
    """

    identity: str
    words: str
    part: AttributionRow
    telling: bool
    shared: float | None
    controls: tuple[float, float] | None

    @property
    def opposed(self) -> bool:
        """Whether it has the other sign than the whole."""
        return (self.part.estimate or 0.0) * (self.part.total or 0.0) < 0

    @property
    def specific(self) -> bool:
        """Whether more of the unit's movement is the identity's own than is shared with its reference rows."""
        return abs(self.part.estimate or 0.0) > abs(self.shared or 0.0)

    @property
    def against(self) -> bool:
        """Whether the reference rows lean the other way there."""
        return (self.shared or 0.0) * (self.part.estimate or 0.0) < 0


def carriers_of(splits: Splits, marked: Sequence[Split] | None = None) -> Iterator[Carrier]:
    """What carries most for the identities that show harm, or for those given."""
    for one in (splits.harmed if marked is None else marked)[:MAX_SAID]:
        part = one.largest
        shared = one.shared.get(part.unit)
        yield Carrier(
            one.identity,
            ROLE_WORDS.get(part.unit, part.unit) if splits.level == "role" else part.unit.replace(" mlp", " MLP"),
            part,
            telling(part),
            None if shared is None else shared.estimate,
            splits.control_range(part.unit),
        )
