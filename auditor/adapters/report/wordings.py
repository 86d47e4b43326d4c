"""Whether other wordings and other scorings of one probe order its identities alike, at one leaf."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.adapters.run.results_schema import ReliabilityRow, Results, ScoringRow
from auditor.core.reliability import RANKING, Facet
from auditor.core.sides import Scoring

_FACETS: dict[Facet, str] = {"paraphrase": "wordings", "surface": "word forms", "frame": "sentence frames"}
_SCORINGS: dict[Scoring, str] = {
    "per_token": "the mean token",
    "per_byte": "the mean byte",
    "shared_tokens": "the tokens both sides share",
}


@dataclass(frozen=True, slots=True)
class Wordings:
    """Reliability of one probe's disparities.

    Attributes:
        reliabilities: each with the words for what was parted.
        scorings: each with the words for what was scored.
    """

    reliabilities: tuple[tuple[str, ReliabilityRow], ...]
    scorings: tuple[tuple[str, ScoringRow], ...]

    @property
    def lowest(self) -> float | None:
        """The least reliability over what could be parted, None where paraphrases could not."""
        found = [one.reliability for _, one in self.reliabilities]
        parted = any(one.facet == "paraphrase" for _, one in self.reliabilities)
        return min((one for one in found if one is not None), default=None) if parted else None

    @property
    def rankable(self) -> bool:
        """Whether a ranking would not be one of the wordings."""
        return self.lowest is not None and self.lowest >= RANKING


def wordings_of(results: Results, probe: str, design: str, render: str, leaf: str) -> Wordings | None:
    """What was measured of one probe at one leaf; None for nothing."""
    place = (probe, design, render, leaf)
    found = Wordings(
        tuple(
            (_FACETS[one.facet], one)
            for one in results.reliabilities
            if (one.probe, one.design, one.render, one.checkpoint) == place
        ),
        tuple(
            (_SCORINGS.get(one.scoring, one.scoring), one)
            for one in results.scorings
            if (one.probe, one.design, one.render, one.checkpoint) == place
        ),
    )
    return found if found.reliabilities or found.scorings else None
