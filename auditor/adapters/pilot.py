"""The spread of a finished run's cluster means, for planning another (`auditor.core.planning`)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.core.items import Design
from auditor.core.scores import Render

# Nats: cluster means that differ by less are equal, and say nothing of others.
_NO_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the clusters of one identity lie apart.

    Attributes:
        sd: standard deviation of its cluster means, nats, from so many ``clusters``.
        form_sd: the standard error of the effect minus its form-matched control, times the root of ``clusters``: what
            the contrast has for a spread where neutral pairs come in the pilot's proportion, with Welch's
            ``form_degrees``. None where there is no such control.
        skewed: the cluster means lean to one side.
    """

    identity: str
    sd: float
    clusters: int
    form_sd: float | None
    form_degrees: float | None
    skewed: bool


@dataclass(frozen=True, slots=True)
class Pilot:
    """One probe of a run, in one rendering, where training ended.

    Attributes:
        spreads: of the marked identities' disparities, the smallest first.
        left_out: how many identities have no interval or no spread.
        family: how many effects were judged together with these.
    """

    probe: str
    design: Design
    render: Render
    checkpoint: str
    spreads: tuple[Spread, ...]
    left_out: int
    family: int

    @property
    def median(self) -> Spread:
        """The identity in the middle, of two the one with the smaller spread; there must be one."""
        return self.spreads[(len(self.spreads) - 1) // 2]

    @property
    def widest(self) -> Spread:
        """The identity with the largest spread; there must be one."""
        return self.spreads[-1]


def pilots_of(results: Results, probes: Collection[str] = ()) -> tuple[Pilot, ...]:
    """Every probe, rendering and end of training with a disparity; ``spreads`` may be empty.

    Args:
        probes: only these, and families as they would be with these alone; empty for all.
    """
    leaves = [branch.leaf for branch in branches_of(results.series)]
    groups: dict[tuple[str, Design, Render, str], list[EffectRow]] = {}
    for one in results.effects:
        if _is_disparity(one) and one.checkpoint in leaves and (not probes or one.probe in probes):
            groups.setdefault((one.probe, one.design, one.render, one.checkpoint), []).append(one)
    asked = [one for one in results.effects if not probes or one.probe in probes]
    return tuple(_pilot(rows, asked) for rows in groups.values())


def _is_disparity(one: EffectRow) -> bool:
    marked = (one.role, one.valence, one.measure, one.theme) == ("marked", "harm", "level", None)
    return marked and (one.contrast == "excess" or (one.contrast, one.design) == ("raw", "identity_swap"))


def _pilot(rows: list[EffectRow], effects: Iterable[EffectRow]) -> Pilot:
    found = [spread for spread in map(_spread, rows) if spread is not None]
    names = {one.family for one in rows if one.family is not None}
    judged = sum(one.family in names and one.verdict not in (None, "refused") for one in effects)
    return Pilot(
        rows[0].probe,
        rows[0].design,
        rows[0].render,
        rows[0].checkpoint,
        tuple(sorted(found, key=lambda one: (one.sd, one.identity))),
        len(rows) - len(found),
        max(judged, 1),
    )


def _spread(one: EffectRow) -> Spread | None:
    """None where the identity has no interval, or clusters that do not differ."""
    if one.verdict in (None, "refused") or one.se is None or one.clusters < 2:
        return None
    root = math.sqrt(one.clusters)
    if one.se * root <= _NO_SPREAD:
        return None
    checks = one.control_checks
    form_sd, form_degrees = None, None
    if checks is not None and checks.form_se and checks.form_degrees:
        form_sd, form_degrees = checks.form_se * root, checks.form_degrees
    return Spread(one.identity or "", one.se * root, one.clusters, form_sd, form_degrees, one.interval_method != "t")
