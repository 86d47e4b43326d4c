"""Runs of a project for tests of its history: real small folders with dates, and runs that lie nowhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from run_factory import make_run

from auditor.adapters.history.run_levels import HistoryRun, LevelSet
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
