"""What changed from one scored checkpoint to another of some other run, paired on the items both were asked.

The kernel sees a series of two: nothing was trained from the other, so what lies between them is a difference, never a
shift or a reward. Everything else is as in an audit: excess over reference rows, clusters, controls, families, verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import Contrast, Matching, match_items
from auditor.core.disparities import compared_cells
from auditor.core.effects import Effect
from auditor.core.estimation import estimate_effects
from auditor.core.items import Probe
from auditor.core.measured import Measured
from auditor.core.measures import difference
from auditor.core.scores import CheckpointScores, Render
from auditor.core.tables import ScoreTable, line_up
from auditor.core.verdicts import Rule, decide

BEFORE, AFTER = "before", "after"
# Nats, of a sum of 100 nats or less in float32, or units of a reward: what batch size and padding may do to a score.
REPEATS = 1e-4


@dataclass(frozen=True, slots=True)
class ItemFlip:
    """An item about a marked identity whose disparity came above d or left it.

    Attributes:
        contrast: ``excess``, or ``raw`` in an identity swap.
        before, after: its disparity, in nats or units of the reward.
    """

    probe: str
    render: Render
    item: str
    identity: str
    contrast: Contrast
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What lies between two checkpoints.

    Attributes:
        effects: of the measure ``difference``, after minus before, decided over themselves as a family.
        flips: items, the largest change first.
    """

    effects: tuple[Effect, ...]
    flips: tuple[ItemFlip, ...]


def changes_between(
    probes: Sequence[Probe],
    renders: Sequence[Render],
    before: CheckpointScores,
    after: CheckpointScores,
    rule: Rule,
    *,
    themes: bool = True,
) -> Changes:
    """Contrast two checkpoints on the items that both have.

    Args:
        before, after: scores under any name, of the same items in the same token ids.
        themes: also each theme by itself; what lies between identities over all themes is the same without.
    """
    columns = [replace(one, checkpoint=name) for one, name in ((before, BEFORE), (after, AFTER))]
    tables = [_settled(line_up(probe, render, columns)) for probe in probes for render in renders]
    if not themes:
        tables = [replace(one, cells=tuple(cell for cell in one.cells if cell.theme is None)) for one in tables]
    matched = [(table, match_items(table)) for table in tables if table.items]
    of_rewards = any(table.kind == "reward" for table, _ in matched)
    measures, bootstrap = [difference(BEFORE, AFTER, "reward" if of_rewards else "nats")], Bootstrap(rule.seed)
    everything = [one for pair in matched for one in estimate_effects(*pair, measures, bootstrap)[0]]
    # Metrics and standardised differences are of one checkpoint each.
    effects = [one for one in everything if one.measure == "difference"]
    flips = [flip for pair in matched for flip in _flips(*pair, rule.sesoi)]
    return Changes(decide(effects, rule), tuple(sorted(flips, key=lambda one: -abs(one.after - one.before))))


def _settled(table: ScoreTable) -> ScoreTable:
    """The same with a side's score as it was before, where it has moved by no more than scoring repeats itself.

    Another batch moves a sum in its last digits. As a difference that would be all there is, with intervals of its own.
    """
    before, after = table.sides.totals[:, 0], table.sides.totals[:, 1]
    moved = np.abs(after - before) > REPEATS * np.maximum(1.0, np.abs(before) / 100)
    totals = np.stack([before, np.where(moved, after, before)], axis=1)
    return replace(table, sides=replace(table.sides, totals=totals))


def _flips(table: ScoreTable, matching: Matching, bound: float) -> list[ItemFlip]:
    margins = table.sides.margins()
    everything = np.ones(len(margins), dtype=bool)
    levels = [Measured(matching, column, everything) for column in margins.T]
    found = []
    for cell, contrast in compared_cells(table.cells):
        if cell.judged:
            rows = levels[0].usable(cell.rows, contrast)
            values = [level.values(rows, contrast) for level in levels]
            for row, was, now in zip(rows, *values, strict=True):
                if (was > bound) != (now > bound):
                    where = (table.probe.name, table.render, table.items[row].id, cell.identity, contrast)
                    found.append(ItemFlip(*where, float(was), float(now)))
    return found
