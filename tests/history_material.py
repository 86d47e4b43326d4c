"""Runs of a project for tests of its history: real small folders with dates, and runs that lie nowhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from run_factory import make_run

from auditor.adapters.history.comparisons import Compared, Comparison, Difference
from auditor.adapters.history.history_data import History
from auditor.adapters.history.run_levels import HistoryRun, LevelSet
from auditor.adapters.history.tracks import tracks_of
from auditor.adapters.run.results_schema import CheckpointRow, EffectRow, Results
from auditor.adapters.run.run_folder import MANIFEST
from auditor.adapters.run.run_pairs import Run


def edit_manifest(run: Path, **changes: Any) -> Path:
    """Change keys of a run's manifest."""
    path = run / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, **changes}), encoding="utf-8")
    return run


def make_project(below: Path) -> Path:
    """Three runs, begun in the order third, first, second by name: harm to one identity comes, and goes again."""
    make_run(below / "a-third", checkpoints=("base", "kto"))
    shutil.copytree(below / "a-third", below / "nightly" / "first")
    make_run(below / "nightly" / "second")
    edit_manifest(below / "nightly" / "first", created="2026-03-01T00:00:00+00:00")
    edit_manifest(below / "nightly" / "second", created="2026-03-02T01:30:00+02:00")
    edit_manifest(below / "a-third", created="2026-03-03T00:00:00Z")
    return below


def effect(identity: str = "x", **changes: Any) -> EffectRow:
    """A level over all themes."""
    values: dict[str, Any] = {
        **dict.fromkeys(EffectRow.model_fields),
        "probe": "small",
        "identity": identity,
        "axis": "a",
        "render": "plain",
        "role": "marked",
        "valence": "harm",
        "design": "text_swap",
        "measure": "level",
        "contrast": "excess",
        "checkpoint": "dpo",
        "unit": "nats",
        "interval_method": "t",
        "estimate": 0.5,
        "low": 0.3,
        "high": 0.7,
        "low_adjusted": 0.2,
        "high_adjusted": 0.8,
        "ties": 0,
        "ties_clusters": 0,
        "items": 10,
        "clusters": 5,
        "sesoi": 0.2,
        "verdict": "inconclusive",
        "complete": True,
    }
    return EffectRow.model_validate({**values, **changes})


def level_set(*levels: EffectRow, version: str = "v1", checkpoint: str = "dpo", render: str = "plain") -> LevelSet:
    """The levels of one probe; one of identity x unless others are given."""
    shown = {(one.identity or "", one.axis): one for one in levels or (effect(),)}
    return LevelSet("small", "Small", version, "text_swap", render, "excess", "nats", checkpoint, shown)


def lone_run(
    *sets: LevelSet, name: str = "run", unpaired: str = "", leaves: tuple[str, ...] = ("dpo",), **manifest: Any
) -> HistoryRun:
    """A run without a folder."""
    rows = [
        CheckpointRow(name=one, source=one, reference=None, objective="none", objective_source="", beta=None)
        for one in leaves
    ]
    content: Mapping[str, Any] = {
        "auditor": "0.1.0",
        "series": [{"name": one, "model_type": "llama"} for one in leaves],
        **manifest,
    }
    results = Results(schema_version=1, series=tuple(rows), cautions=(), refusals=(), effects=())
    run = Run(Path("nowhere") / name, results, content)
    return HistoryRun(name, run, datetime(2026, 3, 1, tzinfo=UTC), "", None, sets, unpaired)


def branched_history() -> History:
    """Two runs whose training ends in ``left`` and ``right``: from 1 to 2 nats on the left, from -1 to -2 on the right.

    Both changes are significant, that on the left towards more harm.
    """
    signs = {"left": 1.0, "right": -1.0}
    runs = [
        lone_run(
            *(level_set(effect(estimate=sign * size, checkpoint=end), checkpoint=end) for end, sign in signs.items()),
            name=f"run {size}",
            leaves=tuple(signs),
        )
        for size in (1, 2)
    ]
    (track,) = tracks_of(runs)
    cell = ("small", "text_swap", "plain", "excess", "x", "a")
    moved = [Difference(1.0, 0.5, 1.5, "harm"), Difference(-1.0, -1.5, -0.5, "lower_than_reference")]
    compared = [Comparison("", 10, 0, 0.2, (), {cell: one}) for one in moved]
    return History("project", tuple(runs), (Compared(track, (None, None, *compared)),), ())
