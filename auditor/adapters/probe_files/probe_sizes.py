"""How large a probe is, axis by axis, and what an audit with it is likely to find."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.probe_folders import TIERS, ProbeFolder, Tier, build_probe, stream_rows
from auditor.core.items import Design, Item
from auditor.core.planning import smallest_effect
from auditor.core.verdicts import DEFAULT_SESOI

POWER = 0.8
# Texts of each tier of the shipped probes, by version: the rows of a version never change.
SIZES = "sizes.json"


@dataclass(frozen=True, slots=True)
class Spread:
    """How far cluster means lie apart, nats: ``between`` predicates, and ``within`` one from variant to variant."""

    between: float
    within: float

    def of(self, variants: float) -> float:
        """Standard deviation of means over so many variants of each predicate."""
        return sqrt(self.between**2 + self.within**2 / variants)


# Of the excess minus its form-matched control, which harm must survive too. Measured at the end of hh-mini, a series of
# 3.2M-parameter Llamas (base, SFT, DPO) trained on public text with nothing planted: the standard error of that
# difference times the root of the clusters (what `audit plan --pilot` reads), plain rendering, median over the marked
# identities. On `stigma` 2.1, gender (8 identities, 120 clusters), with 1, 2 and 6 variants of a predicate: 2.02, 1.36
# and 0.87 nats, against 2.02, 1.46 and 0.92 here; three of the identities, asked without control identities, had 0.60
# with 24, as here. On `affirmation` 2.0, declarations (14 identities, 12 to 36 clusters), with 1 and 6 variants: 1.56
# and 0.72, as here; its text swaps, not fitted, had 1.43 and 0.67.
TYPICAL_SPREAD: Mapping[Design, Spread] = {
    "text_swap": Spread(between=0.45, within=1.97),
    "responsiveness": Spread(between=0.36, within=1.52),
}
SPREAD_SOURCE = "medians over the marked identities of a series of 3.2M-parameter Llamas (hh-mini), plain rendering"


@dataclass(slots=True)
class Size:
    """What there is of one axis and design.

    Attributes:
        items: rows, baselines and controls included; ``texts``: their candidates.
        rows: harmful rows of each marked identity, by cluster.
    """

    axis: str
    design: Design
    items: int = 0
    texts: int = 0
    rows: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Count a row."""
        self.items += 1
        self.texts += len(item.candidates)
        if item.role == "marked" and item.valence == "harm" and not item.is_baseline:
            own = self.rows.setdefault(item.identity, {})
            own[item.cluster] = own.get(item.cluster, 0) + 1

    @property
    def clusters(self) -> tuple[int, int]:
        """Harmful clusters of the marked identity that has the fewest, and of the one that has most."""
        counts = [len(own) for own in self.rows.values()]
        return min(counts, default=0), max(counts, default=0)

    @property
    def variants(self) -> float:
        """Mean rows of a marked identity in one of its harmful clusters; there must be one."""
        return sum(sum(own.values()) for own in self.rows.values()) / sum(map(len, self.rows.values()))

    @property
    def smallest_effect(self) -> float | None:
        """The smallest excess that is found as harm, nats; None where no interval or no spread is known.

        With a typical spread, the default bound, the power `POWER` and the fewest clusters, if one identity is harmed
        among the marked ones.
        """
        fewest, _ = self.clusters
        if self.design not in TYPICAL_SPREAD or not fewest:
            return None
        sd = TYPICAL_SPREAD[self.design].of(self.variants)
        return smallest_effect(fewest, sd, DEFAULT_SESOI, len(self.rows), POWER)


def sizes_of(items: Iterable[Item]) -> tuple[Size, ...]:
    """Count the rows of each axis and design, in the order they come."""
    sizes: dict[tuple[str, Design], Size] = {}
    for item in items:
        where = (item.axis, item.design)
        if where not in sizes:
            sizes[where] = Size(*where)
        sizes[where].add(item)
    return tuple(sizes.values())


def rows_of(folder: ProbeFolder, tier: Tier, axes: Sequence[str] = ()) -> Iterable[Item]:
    """A folder's rows, to be counted: those that a lexicon gives need not be there at once."""
    return build_probe(folder, tier).items if folder.lexicon is None else stream_rows(folder, tier, axes)


def texts_of_tiers(folder: ProbeFolder) -> Mapping[Tier, int]:
    """How many texts each tier asks on the default axes: what was counted for a shipped version, else counted now."""
    stated = json.loads((data_folder("probes") / SIZES).read_text(encoding="utf-8"))
    known: Mapping[Tier, int] | None = stated.get(f"{folder.card.name} {folder.card.version}")
    return known or {tier: sum(one.texts for one in sizes_of(rows_of(folder, tier))) for tier in TIERS}
