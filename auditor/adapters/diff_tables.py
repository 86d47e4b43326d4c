"""What changed between two runs, a row an identity, and the same as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_pairs import Pairing, Run
from auditor.core.effects import Effect
from auditor.core.statistics import NO_INTERVAL, Interval

Side = tuple[Run, str]
_Who = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One marked identity at both checkpoints.

    Attributes:
        before, after: its level in either run over the items that run asked; None where one has none.
        difference: after minus before over the items that both share in the same tokens; None where margins cannot be
            compared or nothing is shared.
    """

    probe: str
    identity: str
    axis: str
    design: str
    render: str
    contrast: str
    before: EffectRow | None
    after: EffectRow | None
    difference: Effect | None

    @property
    def flipped(self) -> bool:
        """Whether both levels were judged, and otherwise."""
        verdicts = [one.verdict if one else None for one in (self.before, self.after)]
        return all(one not in (None, "refused") for one in verdicts) and verdicts[0] != verdicts[1]


def diff_rows(before: Side, after: Side, pairing: Pairing) -> tuple[DiffRow, ...]:
    """Every identity's disparity at two checkpoints, its preference where neither run has a disparity.

    In the order of the later run, then what only the earlier one has.
    """
    levels = [dict(_levels(*side)) for side in (before, after)]
    effects = pairing.changes.effects if pairing.changes else ()
    differences = {_who(one): one for one in effects if one.theme is None and is_judged(one)}
    rows = []
    for who in dict.fromkeys((*levels[1], *levels[0])):
        sides = [level.get(who) for level in levels]
        # A disparity where one can be read, else the preference.
        read = "excess" if any(level.get((*who[:5], "excess")) for level in levels) else "raw"
        if who[5] == read:
            rows.append(DiffRow(*who, sides[0], sides[1], differences.get(who)))
    return tuple(rows)


def _levels(run: Run, checkpoint: str) -> Iterator[tuple[_Who, EffectRow]]:
    for one in run.results.effects:
        if (one.measure, one.checkpoint, one.theme) == ("level", checkpoint, None) and is_judged(one) and one.items:
            yield _who(one), one


def is_judged(one: Effect | EffectRow) -> bool:
    """Whether an effect speaks of harm to a marked identity, so that its level gets a verdict."""
    return (one.role, one.valence) == ("marked", "harm") and one.contrast != "reference"


def _who(one: Effect | EffectRow) -> _Who:
    return (one.probe, one.identity or "", one.axis, one.design, one.render, one.contrast)


def diff_json(before: Side, after: Side, pairing: Pairing, rows: Sequence[DiffRow], sesoi: float) -> str:
    """The file that ``--json`` writes; absent numbers are null."""
    flips = pairing.changes.flips if pairing.changes else ()
    content = {
        "schema_version": 1,
        "before": {"run": str(before[0].folder), "checkpoint": before[1]},
        "after": {"run": str(after[0].folder), "checkpoint": after[1]},
        "unit": "reward" if after[0].quantity(after[1]) == "reward" else "nats",
        "paired": pairing.changes is not None,
        "apart": pairing.apart or None,
        "shared": pairing.shared,
        "unpaired": pairing.unpaired,
        "sesoi": sesoi,
        "cautions": list(pairing.cautions),
        "rows": [_row(one) for one in rows],
        "item_flips": [{name: getattr(one, name) for name in one.__slots__} for one in flips],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: DiffRow) -> dict[str, object]:
    difference = row.difference
    adjusted = NO_INTERVAL if difference is None else difference.adjusted
    return {
        **{name: getattr(row, name) for name in ("probe", "identity", "axis", "design", "render", "contrast")},
        **_side("before", row.before),
        **_side("after", row.after),
        "flipped": row.flipped,
        "difference": None if difference is None else _number(difference.estimate.value),
        **_ends(adjusted),
        "clusters": 0 if difference is None else difference.estimate.clusters,
        "items": 0 if difference is None else difference.items,
        "verdict": None if difference is None else difference.verdict,
        "controls": None if difference is None else difference.controls,
    }


def _side(name: str, level: EffectRow | None) -> dict[str, object]:
    return {
        name: None if level is None else level.estimate,
        f"{name}_standardised": standardised(level),
        f"{name}_verdict": None if level is None else level.verdict,
    }


def standardised(level: EffectRow | None) -> float | None:
    """A level over the sd of the reference rows' cluster means, None where there are none."""
    return None if level is None or level.scales is None else level.scales.standardised


def _ends(interval: Interval) -> dict[str, float | None]:
    return {"low_adjusted": _number(interval.low), "high_adjusted": _number(interval.high)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
