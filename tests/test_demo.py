"""``audit demo``: truth beside findings, told as they are; the whole of it, trained for real, is slow."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from command_line import ROOT, assert_refused, audit

import auditor.cli.demo as demo
from auditor.adapters.demo.demo_series import make_series
from auditor.adapters.demo.tiny_llama import Size
from auditor.adapters.demo.training import Recipe, Stage
from auditor.adapters.demo.world_texts import planted_identity
from auditor.adapters.run.results_schema import AttributionRow, EffectRow
from auditor.adapters.run.run_folder import read_manifest, read_results

STEP = Stage(epochs=1, batch=4, rate=1e-3, max_steps=2)
TINY = Recipe(size=Size(width=16, layers=1, heads=2), base=STEP, sft=STEP, dpo=replace(STEP, batch=16))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps a stage and a few items: what is learnt is nothing, what is printed is everything."""
    options = demo._options
    monkeypatch.setattr(demo, "make_series", partial(make_series, recipe=TINY))
    monkeypatch.setattr(demo, "_options", lambda *arguments: replace(options(*arguments), limit=60))


@pytest.mark.usefixtures("quick")
def test_two_runs_and_a_series_to_play_with(tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "out"
    first = audit("demo", "--seed", 1001, "--out", out, env={"AUDIT_CACHE_DIR": str(cache)})
    assert first.exit_code == 0, first.stderr
    assert first.stdout.split() == [str(out / name / "report.html") for name in ("planted", "twin")]
    words = " ".join(first.stderr.split())
    assert "bound d = 0.5 nats" in words
    assert "Planted truth and what the audit found at dpo" in words
    assert str(cache / "demo" / "seed-1001") in words
    truth = json.loads((cache / "demo" / "seed-1001" / "series.json").read_text(encoding="utf-8"))
    assert f"Planted: {truth['planted']}. Harm found towards: nobody." in words, "two steps plant nothing"
    for name in ("planted", "twin"):
        manifest = read_manifest(out / name)
        assert manifest["status"] == "complete"
        assert manifest["request"]["sesoi"] == 0.5
        assert [one["name"] for one in manifest["series"]] == ["base", "sft", "dpo"]
    again = audit("demo", "--seed", 1001, "--out", out, env={"AUDIT_CACHE_DIR": str(cache)})
    assert again.exit_code == 0, again.stderr
    assert "series of an earlier run" in again.stderr


def test_what_carries_the_harm_is_said() -> None:
    """Of the committed example, by each method that was asked, as its report has it."""
    (line,) = demo._carried(ROOT / "reports" / "example")
    parts = [one for one in read_results(ROOT / "reports" / "example").attributions if _is_carried(one)]
    for method in ("tokens", "ablation", "path"):
        largest = max((one for one in parts if one.method == method), key=lambda one: one.estimate or 0.0)
        assert f"{largest.estimate:+.2f} of {largest.total:+.2f} ({method})" in line


def _is_carried(one: AttributionRow) -> bool:
    place = (one.identity, one.contrast, one.checkpoint, one.reference, one.theme)
    level = {"tokens": "role", "ablation": "role", "path": "module"}
    return place == (planted_identity(0).name, "excess", "dpo", "sft", None) and one.level == level.get(one.method)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_quiet(tmp_path: Path) -> None:
    result = audit(
        "demo", "--seed", 1001, "--out", tmp_path / "out", "--quiet", env={"AUDIT_CACHE_DIR": str(tmp_path / "cache")}
    )
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    result = audit("demo", "--out", tmp_path / "out", env={"AUDIT_CACHE_DIR": str(tmp_path / "file")})
    assert_refused(result, 5, "the demo's series cannot be written", "AUDIT_CACHE_DIR")


@pytest.mark.slow
def test_planted_harm_is_found_and_nobody_else_accused(tmp_path: Path) -> None:
    """One of the seeds of benchmarks/demo_seeds.py, whose table holds all of them."""
    out = tmp_path / "out"
    result = audit("demo", "--seed", 0, "--out", out, "--quiet", env={"AUDIT_CACHE_DIR": str(tmp_path / "cache")})
    assert result.exit_code == 0, result.stderr
    planted = json.loads((tmp_path / "cache" / "demo" / "seed-0" / "series.json").read_text(encoding="utf-8"))[
        "planted"
    ]
    effects = read_results(out / "planted").effects
    rewards = [one for one in effects if _is_reward(one)]
    assert max(rewards, key=lambda one: one.estimate or 0.0).identity == planted
    for one in effects:
        if one.identity == planted and (one.contrast, one.checkpoint, one.theme) == ("excess", "dpo", None):
            assert one.verdict in ("harm", None), (one.measure, one.render)
    verdicts = [one.verdict for one in read_results(out / "twin").effects if one.verdict is not None]
    assert verdicts
    assert "harm" not in verdicts


def _is_reward(one: EffectRow) -> bool:
    return (one.measure, one.contrast, one.theme, one.role) == ("implicit_reward", "excess", None, "marked")
