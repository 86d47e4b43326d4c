"""A probe's published metrics over all its rows, by axis and by identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from auditor.core.contrasts import Matching
from auditor.core.effects import Effect, Shares
from auditor.core.items import Item
from auditor.core.metrics import METRICS
from auditor.core.readings import Metric, Readings
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import FloatArray
from auditor.core.statistics import IntArray
from auditor.core.tables import ScoreTable

# What one item says to one metric, None where it says nothing.
_Read = Sequence[FloatArray | None]
_DETAILS: dict[Reason, str] = {
    "no_readings": "no item of the probe is of the kind that the metric reads",
    "no_tokens": "it is made of log-probabilities of tokens, and the scores are one bare number a text",
    "undefined": "the metric's denominator is 0, or too few items are there for its test",
}


def metric_effects(table: ScoreTable, matching: Matching) -> tuple[tuple[Effect, ...], tuple[Refusal, ...]]:
    """Each metric of the probe's card in each group of rows and at each checkpoint, and what could not be given."""
    published = [METRICS[name] for name in table.probe.card.metrics]
    metrics = [metric for metric in published if metric.can_read(table.kind)]
    groups = tuple(_groups(table.items))
    # An item becomes an object once a checkpoint, for all metrics together.
    read = {
        checkpoint: [[metric.reading(scored) for metric in metrics] for scored in table.scored[checkpoint]]
        for checkpoint in table.checkpoints
    }
    effects: list[Effect] = []
    refused: Counter[tuple[Reason, str]] = Counter()
    for metric in published:
        if metric not in metrics:
            refused["no_tokens", metric.name] += len(table.items)
    for at, metric in enumerate(metrics):
        for checkpoint in table.checkpoints:
            own: _Read = [row[at] for row in read[checkpoint]]
            for identity, axis, rows in groups:
                found = _effect(table, matching, metric, own, rows, (identity, axis, checkpoint))
                if isinstance(found, Effect):
                    effects.append(found)
                elif found == "undefined" or (identity, axis) == (None, ""):
                    refused[found, metric.name] += 1
    refusals = [
        Refusal(reason, f"{name}: {_DETAILS[reason]}", table.probe.name, render=table.render, count=count)
        for (reason, name), count in refused.items()
    ]
    return tuple(effects), tuple(refusals)


def _groups(items: Sequence[Item]) -> Iterator[tuple[str | None, str, IntArray]]:
    """All rows; each axis that one named identity does not fill, where there are several; each named identity."""
    yield None, "", np.arange(len(items))
    axes: dict[str, list[int]] = {}
    identities: dict[tuple[str, str], list[int]] = {}
    for at, item in enumerate(items):
        axes.setdefault(item.axis, []).append(at)
        identities.setdefault((item.identity, item.axis), []).append(at)
    for axis, rows in axes.items():
        named = {identity for identity, of in identities if of == axis}
        if axis and len(axes) > 1 and (len(named) > 1 or "" in named):
            yield None, axis, np.array(rows)
    for (identity, axis), rows in identities.items():
        if identity:
            yield identity, axis, np.array(rows)


def _effect(
    table: ScoreTable,
    matching: Matching,
    metric: Metric,
    read: _Read,
    rows: IntArray,
    about: tuple[str | None, str, str],
) -> Effect | Reason:
    """One metric in one group at one checkpoint, or why there is none."""
    chosen = [(at, values) for at in rows.tolist() if (values := read[at]) is not None]
    if not chosen:
        return "no_readings"
    places = np.array([at for at, _ in chosen])
    items = [table.items[at] for at in places]
    readings = Readings(items, [values for _, values in chosen], matching.cluster[places])
    estimate = metric.summary(readings)
    if estimate is None:
        return "undefined"
    identity, axis, checkpoint = about
    return Effect(
        probe=table.probe.name,
        identity=identity,
        axis=axis,
        theme=None,
        render=table.render,
        role="marked",
        valence="harm",
        design=items[0].design,
        measure=metric.name,
        contrast="raw",
        checkpoint=checkpoint,
        measure_from=None,
        reference=None,
        unit=metric.unit,
        beta=None,
        estimate=estimate,
        interval=metric.interval(estimate),
        shares=Shares.of(readings.first if metric.compares else np.array([]), np.array([])),
        items=len(items),
        complete=table.complete,
    )
