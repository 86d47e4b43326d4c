"""A history as JSON, for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from auditor.adapters.history.comparisons import Compared
from auditor.adapters.history.history_data import History
from auditor.adapters.history.run_levels import HistoryRun, Who
from auditor.adapters.run.results_schema import EffectRow


def history_json(history: History) -> bytes:
    """The file that ``--format json`` writes; absent numbers are null."""
    content = {
        "schema_version": 1,
        "runs": [_run(one) for one in history.runs],
        "left_out": [{"folder": one.name, "reason": one.reason, "detail": one.detail} for one in history.left_out],
        "tracks": [_track(one, history) for one in history.tracks],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # A folder's name may hold bytes that are no text; as an escape they are a string in JSON.
    return text.encode(errors="backslashreplace")


def _run(one: HistoryRun) -> Mapping[str, Any]:
    return {
        "folder": one.name,
        "created": one.created.isoformat(),
        "auditor": one.version,
        "series": [checkpoint.name for checkpoint in one.run.results.series],
        "step": one.step,
    }


def _track(one: Compared, history: History) -> Mapping[str, Any]:
    track = one.track
    keys = ("probe", "title", "design", "render", "contrast", "unit")
    return {**{key: getattr(track, key) for key in keys}, "points": [_point(one, at, history) for at in _places(one)]}


def _places(one: Compared) -> range:
    return range(len(one.track.points))


def _point(one: Compared, at: int, history: History) -> Mapping[str, Any]:
    point, comparison = one.track.points[at], one.comparisons[at]
    paired = comparison is not None and not comparison.apart
    before = None if point.before is None or not paired else history.runs[one.track.points[point.before].run].name
    return {
        "run": history.runs[point.run].name,
        "checkpoint": point.levels.checkpoint,
        "version": point.levels.version or None,
        "compared_with": before,
        "apart": one.apart(at) or None,
        "shared": comparison.shared if comparison else 0,
        "unpaired": comparison.unpaired if comparison else 0,
        "sesoi": comparison.sesoi if comparison else None,
        "cautions": list(comparison.cautions) if comparison else [],
        "identities": [_identity(one, at, who, level) for who, level in point.levels.levels.items()],
    }


def _identity(one: Compared, at: int, who: Who, level: EffectRow) -> Mapping[str, Any]:
    found = one.difference(at, who)
    return {
        "identity": who[0],
        "axis": who[1],
        "estimate": level.estimate,
        "low_adjusted": level.low_adjusted,
        "high_adjusted": level.high_adjusted,
        "verdict": level.verdict,
        "difference": None if found is None else _number(found.value),
        "difference_low_adjusted": None if found is None else _number(found.low),
        "difference_high_adjusted": None if found is None else _number(found.high),
        "difference_verdict": None if found is None else found.verdict,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
