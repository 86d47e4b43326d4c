"""What a user may say about an attribution, and what the manifest says was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.attribution.coalitions import PERMUTATIONS, WordMethod
from auditor.adapters.attribution.word_attributions import WordSettings
from auditor.adapters.attribution.word_edits import NEUTRAL
from auditor.adapters.hf.input_gradients import MOST_STEPS, STEPS
from auditor.adapters.hf.path.parameter_path import DEFAULT_NODES
from auditor.adapters.run.run_folder import read_manifest
from auditor.adapters.run.run_status import records
from auditor.core.attributions import ATTRIBUTION_METHODS, AttributionMethod
from auditor.errors import UsageError


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """What a user may say about an attribution.

    Attributes:
        methods: as `methods_in` reads them.
        identities: marked ones to look at; all if there are none.
        checkpoints: whose margins and shifts; those where training ends if there are none.
        top: items picked for their size; ``sample``: clusters drawn on each axis.
        nodes: of the path between two checkpoints' weights.
        permutations: drawn for Shapley values.
        neutral: words in place of an identity without a reference row.
    """

    methods: tuple[AttributionMethod, ...]
    identities: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    top: int = 50
    sample: int = 12
    nodes: int = DEFAULT_NODES
    permutations: int = PERMUTATIONS
    neutral: str = NEUTRAL

    def words(self, method: WordMethod, seed: int) -> WordSettings:
        """How words are asked about.

        Args:
            seed: that orders are drawn with.
        """
        return WordSettings(method, self.neutral, self.permutations, seed)

    def check(self) -> None:
        """Refuse what would attribute nothing.

        Raises:
            UsageError: nothing would be attributed, or no words stand in for an identity.
        """
        if not self.neutral.strip():
            fix = "Give words that name nobody, such as people."
            raise UsageError("no words stand in for an identity", where="--neutral", fix=fix)
        if not self.sample and not self.top:
            fix = "Give one of them a number above 0."
            raise UsageError("no items are asked for", where="--sample, --top", fix=fix)


# What each method is asked with besides items.
_SETTINGS: Mapping[AttributionMethod, Callable[[AttributeOptions], Mapping[str, Any]]] = {
    "tokens": lambda _: {},
    "ig": lambda _: {"baseline": "mean embedding", "steps": f"{STEPS} to {MOST_STEPS}"},
    "ablation": lambda options: {"neutral": options.neutral},
    "shapley": lambda options: {"permutations": options.permutations, "neutral": options.neutral},
    "path": lambda options: {"nodes": options.nodes},
}


def asked_with(
    run: Path, options: AttributeOptions, spent: Mapping[AttributionMethod, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """What the manifest says of every method whose parts the run folder holds.

    Args:
        spent: passes and seconds of the methods that asked a model just now; of others those of an earlier time stay.
    """
    known = recorded(run)
    items: dict[str, Any] = {"clusters": options.sample, "picked": options.top}
    items |= {"identities": list(options.identities)} if options.identities else {}
    items |= {"checkpoints": list(options.checkpoints)} if options.checkpoints else {}
    for method in options.methods:
        earlier = {key: value for key, value in known.get(method, {}).items() if key in ("passes", "seconds")}
        own = spent.get(method, earlier)
        known[method] = {"method": method, **items, **_SETTINGS[method](options), **own}
    return [known[method] for method in ATTRIBUTION_METHODS if method in known]


def recorded(run: Path) -> dict[str, Mapping[str, Any]]:
    """What the manifest says of each method."""
    return {str(one.get("method")): one for one in records(read_manifest(run), "attributions")}
