"""Attributions averaged: what carries an identity's margin, in the same contrasts and over the same clusters.

A part is one more number of every row, so a cell's mean part, its excess over the reference rows and its interval are
what they are for a margin. The mean parts of a cell add up to its mean margin: all weights are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.core.attributions import Attribution, AttributionLevel, AttributionMethod
from auditor.core.contrasts import Contrast, Mask, Matching
from auditor.core.items import Design, Role
from auditor.core.measured import Measured
from auditor.core.output_shares import role_shares
from auditor.core.row_groups import Cell
from auditor.core.scores import FloatArray, Render
from auditor.core.series import Series
from auditor.core.statistics import Interval, mean_over_clusters
from auditor.core.tables import ScoreTable
from auditor.core.verdicts import benjamini_hochberg
from auditor.core.words import WORD_ROLES

# Rows of one table whose tokens are read: so many give as good a mean, and no audit waits for them.
_MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """One number of every row of a table, in parts.

    Attributes:
        checkpoint: whose margin; ``reference``: as in `Attribution`.
        units: names of the parts, u of them.
        values: nats, shape (n, u); what is not ``known`` is not read.
        totals: what the parts of each row are to add up to, shape (n,).
        known: which rows were attributed, shape (n,).
    """

    checkpoint: str
    reference: str | None
    method: AttributionMethod
    level: AttributionLevel
    units: tuple[str, ...]
    values: FloatArray
    totals: FloatArray
    known: Mask


@dataclass(frozen=True, slots=True)
class AttributedCell:
    """The mean part of one unit in one cell.

    Attributes:
        theme: None for all themes.
        role: of the rows: marked, reference or control identities.
        number: place of the unit among those of its kind.
        contrast: ``raw``, ``excess`` over the reference rows, or ``reference``, what these share.
        estimate: nats, positive towards the harmful side; equal weight for every cluster.
        interval: 95%, t over clusters, unadjusted.
        p: against 0, two-sided; ``p_adjusted``: Benjamini-Hochberg over identities and units of one contrast, NaN
            outside of it (themes; rows that are not marked).
        total: mean of what the parts are to add up to; ``completeness_error``: sum of all units' estimates minus it.
    """

    probe: str
    identity: str
    axis: str
    theme: str | None
    render: Render
    role: Role
    design: Design
    checkpoint: str
    reference: str | None
    method: AttributionMethod
    level: AttributionLevel
    unit: str
    number: int
    contrast: Contrast
    estimate: float
    interval: Interval
    p: float
    p_adjusted: float
    items: int
    clusters: int
    total: float
    completeness_error: float


def attribute_outputs(table: ScoreTable, matching: Matching, series: Series, seed: int) -> tuple[AttributedCell, ...]:
    """Output tokens by role: the level where each path of training ends, and the shift of every stage.

    Args:
        seed: of the match keys that are drawn where a table has more rows than are read.
    """
    shares = role_shares(table, _read_rows(matching, seed))
    known: Mask = np.asarray(np.isfinite(shares).all(axis=(1, 2)))
    if not known.any():
        return ()
    margins = table.sides.margins()
    place = {name: at for at, name in enumerate(table.checkpoints)}
    stages: list[tuple[str, str | None]] = [(name, None) for name in series.leaves]
    stages += [(one.name, one.reference) for one in series.checkpoints if one.reference is not None]
    found: list[AttributedCell] = []
    for name, reference in stages:
        values, totals = shares[:, place[name]], margins[:, place[name]]
        if reference is not None:
            values, totals = values - shares[:, place[reference]], totals - margins[:, place[reference]]
        parts = Parts(name, reference, "tokens", "role", tuple(WORD_ROLES), values, totals, known)
        found += attributed_cells(table, matching, parts)
    return tuple(found)


def _read_rows(matching: Matching, seed: int) -> Mask:
    """All rows, or whole match keys at random until there are so many."""
    sizes = np.bincount(matching.key)
    order = np.random.default_rng(seed).permutation(len(sizes))
    drawn = order[np.cumsum(sizes[order]) - sizes[order] < _MOST_ROWS]
    rows: Mask = np.isin(matching.key, drawn)
    return rows


def parts_of(table: ScoreTable, attributions: Sequence[Attribution]) -> Iterator[Parts]:
    """Attributions of some of a table's items, those that were drawn, lined up by what they have in common.

    Units are told apart by name. Of words and tokens only their roles are averaged, since they differ from item to
    item, and of the parts of a model layers, modules and heads.
    """
    places = {item.id: at for at, item in enumerate(table.items)}
    groups: dict[tuple[object, ...], list[Attribution]] = {}
    for one in attributions:
        if one.sampled and (one.probe, one.render) == (table.probe.name, table.render) and one.item in places:
            groups.setdefault(one.key, []).append(one)
    for own in groups.values():
        first = own[0]
        if first.level in ("word", "token", "tensor"):
            continue
        units: dict[str, int] = {role: at for at, role in enumerate(WORD_ROLES)} if first.level == "role" else {}
        for unit in (unit for one in own for unit in one.units):
            units.setdefault(unit.name, len(units))
        values, totals = np.zeros((len(table.items), len(units))), np.full(len(table.items), np.nan)
        for one in own:
            at = places[one.item]
            values[at, [units[unit.name] for unit in one.units]] = one.values
            totals[at] = one.total
        known = np.isfinite(totals)
        yield Parts(first.checkpoint, first.reference, first.method, first.level, tuple(units), values, totals, known)


def attributed_cells(table: ScoreTable, matching: Matching, parts: Parts) -> tuple[AttributedCell, ...]:
    """Every cell's mean part of each unit that occurs, in every contrast the cell has.

    Themes are those of marked identities, as excess where they have one.
    """
    occurring = [at for at in range(len(parts.units)) if np.any(parts.values[parts.known, at])]
    whole = Measured(matching, parts.totals, parts.known)
    measured = {at: Measured(matching, parts.values[:, at], parts.known) for at in occurring}
    found: list[AttributedCell] = []
    for cell in table.cells:
        for contrast in _contrasts(cell, parts.level):
            if len(whole.usable(cell.rows, contrast)):
                found += _cells(table, parts, cell, contrast, whole, measured)
    return _adjusted(found)


def _contrasts(cell: Cell, level: AttributionLevel) -> tuple[Contrast, ...]:
    if level == "head":
        # Hundreds of heads: what is said of each is what is specific to a marked identity.
        own: tuple[Contrast, ...] = ("raw",) if cell.design == "identity_swap" else ("excess",)
        return own if cell.theme is None and cell.role == "marked" and cell.valence == "harm" else ()
    if cell.valence != "harm" or (cell.theme is not None and cell.role != "marked"):
        return ()
    if cell.role == "reference" or cell.design == "identity_swap":
        return ("raw",)
    return ("raw", "excess", "reference") if cell.theme is None else ("excess",)


def _cells(
    table: ScoreTable, parts: Parts, cell: Cell, contrast: Contrast, whole: Measured, measured: Mapping[int, Measured]
) -> list[AttributedCell]:
    total = float(whole.means(cell.rows, contrast).means.mean())
    estimates = {at: mean_over_clusters(one.means(cell.rows, contrast).means) for at, one in measured.items()}
    error = sum(one.value for one in estimates.values()) - total
    return [
        AttributedCell(
            probe=table.probe.name,
            identity=cell.identity,
            axis=cell.axis,
            theme=cell.theme,
            render=table.render,
            role=cell.role,
            design=cell.design,
            checkpoint=parts.checkpoint,
            reference=parts.reference,
            method=parts.method,
            level=parts.level,
            unit=parts.units[at],
            number=at,
            contrast=contrast,
            estimate=estimate.value,
            interval=estimate.interval(0.05),
            p=estimate.p_nonzero(),
            p_adjusted=float("nan"),
            items=len(whole.usable(cell.rows, contrast)),
            clusters=estimate.clusters,
            total=total,
            completeness_error=error,
        )
        for at, estimate in estimates.items()
    ]


def _adjusted(cells: Sequence[AttributedCell]) -> tuple[AttributedCell, ...]:
    """With p adjusted within each contrast, over marked identities (all themes) and units."""
    found = list(cells)
    for contrast in ("raw", "excess", "reference"):
        members = [
            at
            for at, one in enumerate(found)
            if one.role == "marked" and one.theme is None and one.contrast == contrast and np.isfinite(one.p)
        ]
        for at, p in zip(members, benjamini_hochberg(found[at].p for at in members), strict=True):
            found[at] = replace(found[at], p_adjusted=float(p))
    return tuple(found)
