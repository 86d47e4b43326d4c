"""What a run says of its attributions besides their means: how much the parts explain, and which pairs stand out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.adapters.report.items.contributors import Contributor
from auditor.adapters.report.items.evidence import Evidence
from auditor.adapters.run.results_schema import AttributionRow, Results
from auditor.core.attributions import ATTRIBUTION_METHODS, AttributionMethod

# The same items at every level: one of them is counted, the first that is there.
_LEVELS = ("token", "word", "tensor", "head", "module", "layer", "role")
_SAME = ["probe", "item", "render", "checkpoint", "reference"]
# What tells one mean from another; it is parted at several levels.
_CELL = ("probe", "identity", "axis", "theme", "render", "role", "design", "contrast", "checkpoint", "reference")
# Keys of a record that are no setting.
_ELSEWHERE = ("method", "passes", "seconds")


@dataclass(frozen=True, slots=True)
class MethodNote:
    """One method in one run.

    Attributes:
        clusters: that the means stand on, of the cell with the most; ``cells``: how many numbers are means in parts.
        mean_error: largest difference between the sum of a mean's parts and the mean, nats; None without means.
        drawn: items that were drawn to stand for all; ``picked``: others, picked for their size. None where the run
            keeps none one by one.
        item_error: largest difference of one item's parts from its number, nats; None without items.
        unexplained: summed size of these differences over the summed size of the numbers, None likewise.
        passes: texts that went through a model for it, ``seconds``: in so many; None where the manifest tells of none.
        settings: what it was asked with, as the run's manifest records it.
    """

    method: AttributionMethod
    clusters: int
    cells: int
    mean_error: float | None
    drawn: int | None
    picked: int | None
    item_error: float | None
    unexplained: float | None
    passes: float | None
    seconds: float | None
    settings: tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class AttributedRun:
    """Attributions of a run beside those of its cells; both empty where there are none.

    Attributes:
        contributors: pairs that contribute most.
    """

    contributors: tuple[Contributor, ...]
    methods: tuple[MethodNote, ...]


def attributed_run(results: Results, evidence: Evidence, records: Sequence[Mapping[str, Any]]) -> AttributedRun:
    """What stands beside a run's means.

    Args:
        records: what its manifest says of methods, each with the key ``method``.
    """
    notes = method_notes(results.attributions, evidence.attributions, records)
    return AttributedRun(evidence.contributors, tuple(notes))


def method_notes(
    rows: Sequence[AttributionRow], table: pa.Table | None, records: Sequence[Mapping[str, Any]]
) -> Iterator[MethodNote]:
    """What is to be said of each method.

    Args:
        rows: the run's means.
        table: its attributions item by item, None where it has none.
        records: as in `attributed_run`.
    """
    for method in ATTRIBUTION_METHODS:
        own = [one for one in rows if one.method == method]
        items = None if table is None else _items(table.filter(pc.field("method") == method))
        if not own and items is None:
            continue
        errors = [abs(one.completeness_error) for one in own if one.completeness_error is not None]
        settings = next((one for one in records if one.get("method") == method), {})
        drawn, picked, item_error, unexplained = (None, None, None, None) if items is None else items
        yield MethodNote(
            method,
            max((one.clusters for one in own), default=0),
            len({tuple(getattr(one, name) for name in _CELL) for one in own}),
            max(errors, default=None),
            drawn,
            picked,
            item_error,
            unexplained,
            _number(settings.get("passes")),
            _number(settings.get("seconds")),
            tuple((str(key).replace("_", " "), value) for key, value in settings.items() if key not in _ELSEWHERE),
        )


def _number(value: object) -> float | None:
    """A finite number, None for anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _items(table: pa.Table) -> tuple[int, int, float | None, float | None] | None:
    """Drawn and picked items, largest error of one, and the share that is not explained; None for no items."""
    there = set(table["level"].unique().to_pylist())
    level = next((one for one in _LEVELS if one in there), None)
    if level is None:
        return None
    kept = ("total", "completeness_error", "sampled")
    wholes = table.filter(pc.field("level") == level).group_by(_SAME).aggregate([(one, "min") for one in kept])
    totals, errors, drawn = (wholes[f"{one}_min"].to_numpy() for one in kept)
    names = np.array([f"{one['probe']}\0{one['item']}" for one in wholes.select(_SAME[:2]).to_pylist()])
    whole = float(np.abs(totals).sum())
    count = len(np.unique(names[drawn]))
    return (
        count,
        len(np.unique(names)) - count,
        _number(float(np.abs(errors).max())),
        _number(float(np.abs(errors).sum()) / whole) if whole else None,
    )
