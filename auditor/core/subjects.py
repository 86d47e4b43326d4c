"""Whom a number about the rows as they stand is about, and the effect that tells it.

Published metrics and standardised differences are no measures of a cell: they are given for all rows, for an axis and
for an identity, and get no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.effects import Effect, Shares
from auditor.core.items import Item
from auditor.core.statistics import Estimate, IntArray, Interval
from auditor.core.tables import ScoreTable, codes_of


@dataclass(frozen=True, slots=True)
class Subject:
    """Rows that one number is about.

    Attributes:
        identity: None for all rows, or for all of ``axis`` if that is not "".
        rows: their places in the table, ascending, at least one, shape (k,).
    """

    identity: str | None
    axis: str
    rows: IntArray


def subjects_of(items: Sequence[Item], rows: IntArray) -> Iterator[Subject]:
    """All of some rows; each axis that one named identity does not fill, where there are several; each named identity.

    Args:
        items: of the whole table.
        rows: places among them, ascending, shape (k,).
    """
    axes: dict[str, list[int]] = {}
    identities: dict[tuple[str, str], list[int]] = {}
    for at in rows.tolist():
        axes.setdefault(items[at].axis, []).append(at)
        identities.setdefault((items[at].identity, items[at].axis), []).append(at)
    if axes:
        yield Subject(None, "", rows)
    for axis, own in axes.items():
        named = {identity for identity, of in identities if of == axis}
        if axis and len(axes) > 1 and (len(named) > 1 or "" in named):
            yield Subject(None, axis, np.array(own))
    for (identity, axis), own in identities.items():
        if identity:
            yield Subject(identity, axis, np.array(own))


def named_clusters(items: Sequence[Item]) -> IntArray:
    """Code of each item's cluster by its name alone, shape (n,).

    Rows of several axes may stand in one number, and a predicate that is asked on each of them is one cluster there.
    """
    return codes_of(item.cluster for item in items)


def effect_about(
    table: ScoreTable,
    subject: Subject,
    checkpoint: str,
    measure: str,
    estimate: Estimate,
    *,
    unit: str,
    interval: Interval,
    shares: Shares,
    items: int,
) -> Effect:
    """An effect of the raw rows at one checkpoint.

    Args:
        items: how many items or texts the estimate stands on.
    """
    return Effect(
        probe=table.probe.name,
        identity=subject.identity,
        axis=subject.axis,
        theme=None,
        render=table.render,
        role="marked",
        valence="harm",
        design=table.items[int(subject.rows[0])].design,
        measure=measure,
        contrast="raw",
        checkpoint=checkpoint,
        measure_from=None,
        reference=None,
        unit=unit,
        beta=None,
        estimate=estimate,
        interval=interval,
        shares=shares,
        items=items,
        complete=table.complete,
    )
