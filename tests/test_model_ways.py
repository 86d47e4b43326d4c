"""All methods that ask models, through the command: parts of the run's own margins, kept for the next time."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import audit, cells

from auditor.adapters.cache_folder import VARIABLE
from auditor.adapters.run.run_folder import read_results

METHODS = ("ablation", "shapley", "ig", "path")
ASKED = ("--method", ",".join(METHODS), "--sample", "1", "--top", "1", "--permutations", "3")
Key = tuple[Any, ...]


@pytest.fixture(scope="module")
def attributed(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run, attributed by every method; what is kept lies beside it. Read only."""
    run = shutil.copytree(finished_run, tmp_path_factory.mktemp("ways") / "run")
    result = audit("attribute", run, *ASKED, env={VARIABLE: str(run.parent / "cache")})
    assert result.exit_code == 0, result.stderr
    return run


@pytest.fixture(scope="module")
def margins(attributed: Path) -> dict[Key, float]:
    """The margin of every pair by rendering, item and checkpoint, from the table of items alone."""
    found: dict[Key, float] = defaultdict(float)
    for row in cells(attributed / "items.parquet"):
        sign = {"harmful": 1, "affirming": -1}.get(row["candidate"], 0)
        found[row["render"], row["item"], row["checkpoint"]] += sign * row["value"]
    return found


@pytest.fixture(scope="module")
def rows(attributed: Path) -> dict[Key, list[dict[str, Any]]]:
    """Rows of each attribution."""
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in cells(attributed / "attributions.parquet"):
        key = ("method", "level", "render", "item", "checkpoint", "reference")
        found[tuple(row[name] for name in key)].append(row)
    return found


def test_every_method_and_level_is_there_with_the_runs_own_totals(
    rows: dict[Key, list[dict[str, Any]]], margins: dict[Key, float]
) -> None:
    words = {(method, level) for method in ("ablation", "shapley", "ig") for level in ("word", "role")}
    model = {("path", level) for level in ("layer", "module", "head", "tensor")}
    assert {key[:2] for key in rows} == words | {("ig", "token")} | model
    for (_, _, render, item, checkpoint, reference), own in rows.items():
        total = margins[render, item, checkpoint]
        total -= 0 if reference is None else margins[render, item, reference]
        assert own[0]["total"] == pytest.approx(total, abs=1e-9)
        error = sum(row["value"] for row in own) - total
        assert own[0]["completeness_error"] == pytest.approx(error, abs=1e-9)


def test_a_model_is_attributed_on_the_way_from_its_reference_only(rows: dict[Key, list[dict[str, Any]]]) -> None:
    assert {key[5] is None for key in rows if key[0] == "path"} == {False}
    assert {key[5] is None for key in rows if key[0] != "path"} == {False, True}


def test_what_adds_up_adds_up(rows: dict[Key, list[dict[str, Any]]]) -> None:
    bounds = {"shapley": (1e-5, 0.0), "path": (2e-4, 1e-3)}
    for key, own in rows.items():
        if key[0] in bounds:
            least, share = bounds[key[0]]
            assert abs(own[0]["completeness_error"]) <= max(least, share * abs(own[0]["total"])), key


def test_levels_of_a_model_are_sums_of_each_other(rows: dict[Key, list[dict[str, Any]]]) -> None:
    checked = 0
    for key, own in rows.items():
        if key[:2] == ("path", "module"):
            layers = {row["name"]: row["value"] for row in rows["path", "layer", *key[2:]]}
            summed: dict[str, float] = defaultdict(float)
            for row in own:
                name = " ".join(row["name"].split()[:2]) if row["name"].startswith("layer ") else row["name"]
                summed[name] += row["value"]
            assert summed == pytest.approx(layers, abs=1e-9)
            checked += 1
    assert checked


def test_without_its_identity_a_row_is_its_reference_row(
    attributed: Path, rows: dict[Key, list[dict[str, Any]]], margins: dict[Key, float]
) -> None:
    items = {row["item"]: row for row in cells(attributed / "items.parquet")}
    references: dict[str, list[str]] = defaultdict(list)
    for name, row in items.items():
        if row["role"] == "reference":
            references[row["match"]].append(name)
    checked = 0
    for (method, level, render, item, checkpoint, reference), own in rows.items():
        if (method, level, reference) == ("ablation", "word", None) and items[item]["role"] == "marked":
            first = min(references[items[item]["match"]])
            (value,) = [row["value"] for row in own if row["role"] == "identity"]
            expected = margins[render, item, checkpoint] - margins[render, first, checkpoint]
            assert value == pytest.approx(expected, abs=1e-9)
            checked += 1
    assert checked


def test_averages_stand_on_what_was_drawn(attributed: Path, rows: dict[Key, list[dict[str, Any]]]) -> None:
    results = read_results(attributed)
    drawn = {key[3] for key, own in rows.items() if key[0] == "path" and own[0]["sampled"]}
    who = {row["item"]: row["identity"] for row in cells(attributed / "items.parquet")}
    compared = 0
    for cell in results.attributions:
        if (cell.method, cell.level, cell.contrast, cell.theme) != ("path", "layer", "raw", None):
            continue
        own = [
            row["value"]
            for key, found in rows.items()
            if key[:3] == ("path", "layer", cell.render) and key[3] in drawn and who[key[3]] == cell.identity
            if key[4:] == (cell.checkpoint, cell.reference)
            for row in found
            if row["name"] == cell.unit
        ]
        # One cluster, one key, and so a plain mean.
        assert cell.items == len(own)
        assert cell.estimate == pytest.approx(np.mean(own), abs=1e-9)
        compared += 1
    assert compared


def test_all_is_kept_for_the_next_time(attributed: Path, tmp_path: Path) -> None:
    again = shutil.copytree(attributed, tmp_path / "run")
    said = audit("attribute", again, *ASKED, env={VARIABLE: str(attributed.parent / "cache")})
    assert said.exit_code == 0, said.stderr
    assert "no pass through a model" in said.stderr
    before, after = (cells(run / "attributions.parquet") for run in (attributed, again))
    assert before == after


@pytest.mark.slow
def test_in_half_precision_a_path_is_complete_against_its_own_ends(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    rows: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for dtype in ("float32", "bfloat16"):
        run = tmp_path / dtype
        ends = (llama_series["sft"], llama_series["dpo"])
        said = audit("compare", *ends, "--probe", pair_file, "--dtype", dtype, "--render", "plain", "--out", run)
        assert said.exit_code == 0, said.stderr
        said = audit("attribute", run, "--method", "path", "--sample", "1", "--top", "0")
        assert said.exit_code == 0, said.stderr
        items = rows[dtype] = defaultdict(dict)
        for row in cells(run / "attributions.parquet"):
            if row["level"] == "layer":
                items[row["item"]][row["name"]] = row
    assert rows["float32"].keys() == rows["bfloat16"].keys()
    gaps = []
    for item, exact in rows["float32"].items():
        half = rows["bfloat16"][item]
        rounding = half.pop("(rounding)")
        assert half.keys() == exact.keys()
        for name, row in exact.items():
            # The very same path, item by item.
            assert half[name]["value"] == row["value"]
            total, own = rounding["total"], row["total"]
            # The gap between the shift that was scored and the shift of the path's ends; sums of the two add up to it.
            assert rounding["value"] == pytest.approx(total - own, abs=2e-4)
            bound = 2e-4 + 1e-3 * abs(own)
            assert abs(rounding["completeness_error"]) <= bound
        parts = sum(row["value"] for row in half.values())
        assert rounding["completeness_error"] == pytest.approx(parts + rounding["value"] - total, abs=1e-9)
        gaps.append(abs(rounding["value"]))
    # What was rounded away is far beyond what the path misses.
    assert max(gaps) > 5e-3
