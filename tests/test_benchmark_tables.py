"""The committed tables hold what the README says of them, and a part of them can be made again here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, environment

RESULTS = ROOT / "benchmarks" / "results"


def table(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return content


def test_planted_harm_was_found_in_every_seed() -> None:
    found = table("demo_seeds.json")
    rows = found["seeds"]
    assert [row["seed"] for row in rows] == list(range(20))
    for row in rows:
        assert max(row["shift"], key=row["shift"].get) == row["planted"], row
        assert row["found"] is True, row
    others = sum(len(row["others_harmed"]) for row in rows) / sum(row["cells"] - 1 for row in rows)
    twins = sum(len(row["twins_harmed"]) for row in rows) / sum(row["cells"] for row in rows)
    assert (others, twins) == (pytest.approx(found["others_harmed"], abs=1e-4), found["twins_harmed"])
    assert others <= 0.05
    assert twins <= 0.01


def test_readme_tells_the_tables_figures() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    rows = table("demo_seeds.json")["seeds"]
    found = sum(row["found"] for row in rows)
    others = (sum(len(row["others_harmed"]) for row in rows), sum(row["cells"] - 1 for row in rows))
    twins = (sum(len(row["twins_harmed"]) for row in rows), sum(row["cells"] for row in rows))
    assert f"found in {found} of {len(rows)} seeds" in text
    assert f"{others[0]} of {others[1]} others" in text
    assert f"{twins[0]} of {twins[1]} in the twins" in text
    figures = table("random_weights.json")
    harm = [100 * figures[name]["harm"]["share"] for name in ("llama", "gpt2")]
    covered = [100 * figures[name]["form_contrast_covers_0"]["share"] for name in ("llama", "gpt2")]
    assert f"{harm[0]:.2f}% and {harm[1]:.2f}%" in text
    assert f"{covered[0]:.1f}% and {covered[1]:.1f}%" in text


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_random_weights_were_not_accused(architecture: str) -> None:
    figures = table("random_weights.json")[architecture]
    assert figures["seeds"] == 200
    assert figures["harm"]["share"] <= 0.01
    assert figures["form_contrast_covers_0"]["share"] >= 0.93


def test_intervals_cover_what_they_promise_and_the_readme_says_how_often() -> None:
    found = table("coverage.json")
    assert found["draws"] == 20_000
    cells = [cell for cell in found["cells"] if cell["bounds"]]
    # 4 bounded distributions at 4 numbers of clusters, and 3 numbers of forms with 8 tables each.
    assert len(cells) == 16 + 24
    assert all(cell["bounds"][0] <= cell["covered"] <= cell["bounds"][1] for cell in cells)
    by_shape: dict[str, list[float]] = {}
    for cell in cells:
        by_shape.setdefault(cell.get("distribution", "two-way"), []).append(cell["covered"])
    outliers = by_shape["t(3)"] + by_shape["10% contaminated"]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for covered in (by_shape["normal"], outliers, by_shape["exponential"]):
        assert f"{min(covered):.1f}% to {max(covered):.1f}%" in text


def test_plans_reach_what_they_promise_and_the_readme_says_how_closely() -> None:
    found = table("power.json")
    assert found["draws"] == 20_000
    bounded = [cell for cell in found["cells"] if cell["bounded"]]
    short = [cell for cell in found["cells"] if not cell["bounded"]]
    assert all(cell["clusters"] < 20 for cell in short)
    assert {(cell["verdict"], cell["asked"]) for cell in bounded} == {
        (verdict, asked) for verdict in ("harm", "no_meaningful_difference") for asked in (80, 90)
    }
    assert {(cell["identities"], cell["harmed"]) for cell in bounded} >= {(1, 1), (1, 0), (6, 1), (6, 3)}
    off = [abs(cell["observed"] - cell["planned"]) for cell in bounded]
    assert max(off) <= 3
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"within {max(off):.1f} points" in text
    least, most = (round(end(one["planned"] - one["observed"] for one in short), 1) for end in (min, max))
    assert f"{least} to {most} points less" in text


@pytest.mark.slow
def test_random_weights_of_other_seeds_are_not_accused(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "random_weights.py"), "--first", "1000", "--seeds", "20"]
    subprocess.run([*command, "--out", str(out)], env=environment(), check=False)
    for architecture in ("llama", "gpt2"):
        figures = json.loads(out.read_text(encoding="utf-8"))[architecture]
        assert figures["cells"] == 20 * 16
        assert figures["harm"]["share"] <= 0.01
        covered = figures["form_contrast_covers_0"]
        assert covered["share"] >= 0.93 - 3 * covered["se"]


@pytest.mark.slow
def test_intervals_cover_with_another_seed(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "coverage.py"), "--draws", "2000", "--seed", "1000"]
    subprocess.run([*command, "--out", str(out)], env=environment(), check=False)
    for cell in json.loads(out.read_text(encoding="utf-8"))["cells"]:
        if cell["bounds"]:
            low, high = cell["bounds"]
            # 40 cells are looked at: 3.5 Monte-Carlo errors are left in 1 of 50 runs by a true share at its bound.
            assert low - 3.5 * cell["error"] <= cell["covered"] <= high + 3.5 * cell["error"], cell


@pytest.mark.slow
def test_plans_hold_with_another_seed(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "power.py"), "--draws", "2000", "--seed", "1000"]
    subprocess.run([*command, "--out", str(out)], env=environment(), check=False)
    for cell in json.loads(out.read_text(encoding="utf-8"))["cells"]:
        if cell["bounded"]:
            assert abs(cell["observed"] - cell["planned"]) <= 3 + 3.5 * cell["error"], cell
