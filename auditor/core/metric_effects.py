"""A probe's published metrics over all its rows, by axis and by identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from auditor.core.effects import Effect, Shares
from auditor.core.metrics import METRICS
from auditor.core.readings import Metric, Readings
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import FloatArray
from auditor.core.statistics import IntArray
from auditor.core.subjects import Subject, effect_about, named_clusters, subjects_of
from auditor.core.tables import ScoreTable

# What one item says to one metric, None where it says nothing.
_Read = Sequence[FloatArray | None]
_DETAILS: dict[Reason, str] = {
    "no_readings": "no item of the probe is of the kind that the metric reads",
    "no_tokens": "it is made of log-probabilities of tokens, and the scores are one bare number a text",
    "undefined": "the metric's denominator is 0, or too few items are there for its test",
}


def metric_effects(table: ScoreTable) -> tuple[tuple[Effect, ...], tuple[Refusal, ...]]:
    """Each metric of the probe's card in each group of rows and at each checkpoint, and what could not be given."""
    published = [METRICS[name] for name in table.probe.card.metrics]
    if not published:
        return (), ()
    metrics = [metric for metric in published if metric.can_read(table.kind)]
    subjects = tuple(subjects_of(table.items, np.arange(len(table.items))))
    cluster = named_clusters(table.items)
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
            for subject in subjects:
                found = _effect(table, metric, own, cluster, subject, checkpoint)
                if isinstance(found, Effect):
                    effects.append(found)
                elif found == "undefined" or (subject.identity, subject.axis) == (None, ""):
                    refused[found, metric.name] += 1
    refusals = [
        Refusal(reason, f"{name}: {_DETAILS[reason]}", table.probe.name, render=table.render, count=count)
        for (reason, name), count in refused.items()
    ]
    return tuple(effects), tuple(refusals)


def _effect(
    table: ScoreTable, metric: Metric, read: _Read, cluster: IntArray, subject: Subject, checkpoint: str
) -> Effect | Reason:
    """One metric of one subject at one checkpoint, or why there is none."""
    chosen = [(at, values) for at in subject.rows.tolist() if (values := read[at]) is not None]
    if not chosen:
        return "no_readings"
    rows = np.array([at for at, _ in chosen])
    readings = Readings([table.items[at] for at in rows], [values for _, values in chosen], cluster[rows])
    estimate = metric.summary(readings)
    if estimate is None:
        return "undefined"
    return effect_about(
        table,
        replace(subject, rows=rows),
        checkpoint,
        metric.name,
        estimate,
        unit=metric.unit,
        interval=metric.interval(estimate),
        shares=Shares.of(readings.first if metric.compares else np.array([]), np.array([])),
        items=len(rows),
    )
