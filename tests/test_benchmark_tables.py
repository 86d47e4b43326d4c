"""The committed tables hold what the README says of them, and a part of them can be made again here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from command_line import ROOT, environment

from auditor.adapters.probe_files.probe_folders import read_folder
from auditor.cli.asked_probes import DEFAULT_PROBES
from auditor.core.bootstrap import Bootstrap
from auditor.core.statistics import mean_over_clusters

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
    figures = table("random_weights.json")["all"]
    assert f"{100 * figures['harm']['share']:.2f}% of {figures['cells']:,} cells" in text
    assert f"cover 0 in {100 * figures['form_contrast_covers_0']['share']:.1f}%" in text
    found = table("twin_probes.json")
    assert f"harm was claimed in {found['harmed']} cells" in text


def probes_and_axes() -> set[tuple[str, str]]:
    return {(name, axis) for name in DEFAULT_PROBES for axis in read_folder(ROOT / "probes" / name).axes}


def test_random_weights_were_not_accused_on_any_axis() -> None:
    found = table("random_weights.json")
    assert {(one["probe"], one["axis"], one["architecture"]) for one in found["cases"]} == {
        (*case, architecture) for case in probes_and_axes() for architecture in ("llama", "gpt2")
    }
    assert len(found["cases"]) == 2 * len(probes_and_axes())
    assert all(one["seeds"] >= 12 for one in found["cases"])
    assert sum(one["cells"] for one in found["cases"]) == found["all"]["cells"]
    for one, errors in [(found["all"], 0), *((case, 3) for case in found["cases"])]:
        harm, covered = one["harm"], one["form_contrast_covers_0"]
        assert harm["share"] <= 0.01 + errors * harm["se"], one
        assert covered["share"] >= 0.93 - errors * covered["se"], one


def test_unplanted_twins_were_not_accused_on_any_axis() -> None:
    found = table("twin_probes.json")
    assert {(one["probe"], one["axis"]) for one in found["rows"]} == probes_and_axes()
    cells, harmed = (
        sum(values) for values in zip(*((one["cells"], len(one["harmed"])) for one in found["rows"]), strict=True)
    )
    assert found["harmed"] == f"{harmed} of {cells}"
    assert harmed / cells <= 0.01


def test_a_million_pairs_fit_into_memory_and_the_readme_says_so() -> None:
    found = table("scale_pairs.json")
    (run,) = found["runs"]
    assert (found["checkpoints"], run["sequences"]) == (3, 2_000_000)
    assert run["bytes"] < 4e9
    assert f"into {run['bytes'] / 1e9:.1f} GB" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_an_audit_made_before_is_answered_at_once_and_the_readme_says_so() -> None:
    found = table("warm.json")
    assert all(one["held"] for one in found["checks"])
    assert found["beyond_s"] <= 5
    assert f"answered in {found['beyond_s']:.1f} s beyond" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_reward_model_is_asked_in_about_the_time_of_a_policy() -> None:
    found = table("reward_speed.json")
    assert all(one["held"] and one["judged"] for one in found["checks"])
    assert found["read"] < found["tokens"] / 2
    words = (ROOT / "docs" / "scoring-reward-models.md").read_text(encoding="utf-8")
    assert f"{found['faster']:.1f} times as fast" in words
    assert f"{found['of_policy']:.2f} times the seconds" in words


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


def test_rounding_moves_effects_as_far_as_their_noise_says() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    found = table("noise_floor.json")["formats"]
    for name, one in found.items():
        assert one["covered"] >= 0.93
        assert one["other_sign_unmarked"] <= 0.01 < one["other_sign_marked"]
        assert one["other_verdict"] == 0
        assert f"{100 * one['covered']:.0f}% ({name})" in text
        assert f"of {one['effects']:,} errors" in text
        for row in one["margins"]:
            assert row["estimated"] == pytest.approx(row["error"], rel=0.15)
    # Fewer bits, more noise: 8 of bfloat16's mantissa against 11 of float16's.
    assert found["bfloat16"]["marked"] > found["float16"]["marked"]


def share(cell: dict[str, Any]) -> float:
    """The figure of a cell of verdicts.json that is held to its bounds."""
    value: float = cell["right" if cell["claim"] == "origin" else "wrong"]
    return value


def test_verdicts_err_as_rarely_as_promised() -> None:
    found = table("verdicts.json")
    assert found["draws"] == 20_000
    alone = [cell for cell in found["cells"] if cell["identities"] == 1]
    families = [cell for cell in found["cells"] if cell["identities"] == 40]
    origins = [cell for cell in found["cells"] if cell["claim"] == "origin"]
    # 5 distributions at 4 numbers of clusters with harm and absence at d, and absence at -d; 8 families at 3 numbers.
    assert (len(alone), len(families), len(origins)) == (60, 24, 3)
    for cell in alone:
        assert cell["wrong"] <= (8.0 if "exponential" in cell["distribution"] else 5.5), cell
    bounded = [cell for cell in families if cell["bounds"]]
    assert {cell["distribution"] for cell in bounded} == {"normal"}
    assert {(cell["claim"], cell["references"]) for cell in bounded} == {
        (claim, references) for claim in ("harm", "no_meaningful_difference") for references in ("shared", "own")
    }
    assert all(cell["wrong"] <= 5.5 for cell in bounded)
    assert all(cell["right"] >= 95 for cell in origins)
    assert all(cell["holds"] for cell in found["cells"])


def test_readme_tells_how_often_verdicts_err() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    cells = table("verdicts.json")["cells"]
    alone = [cell for cell in cells if cell["identities"] == 1]
    even = [cell["wrong"] for cell in alone if "exponential" not in cell["distribution"]]
    skewed = [cell["wrong"] for cell in alone if "exponential" in cell["distribution"]]
    assert f"{min(even):.1f}% to {max(even):.1f}%" in text
    assert f"at most {max(skewed):.1f}%" in text
    for claim in ("harm", "no_meaningful_difference"):
        families = [cell for cell in cells if cell["identities"] == 40 and cell["claim"] == claim]
        normal = [cell["wrong"] for cell in families if cell["distribution"] == "normal"]
        few, some, many = (cell["wrong"] for cell in families if cell["distribution"] != "normal")
        assert f"at most {max(normal):.1f}%" in text
        assert f"{few:.1f}%, {some:.1f}% and {many:.1f}%" in text
    origins = [cell for cell in cells if cell["claim"] == "origin"]
    few, some, many = (cell["right"] for cell in origins)
    assert f"{few:.1f}%, {some:.1f}% and {many:.1f}%" in text


def simulation() -> ModuleType:
    """``benchmarks/verdicts.py`` as a module."""
    # Behind everything else: one of the scripts is called as the coverage library is.
    sys.path.append(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("verdict_simulation", ROOT / "benchmarks" / "verdicts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("shape", ["normal", "exponential", "exponential, mirrored"])
def test_short_cuts_of_the_simulation_give_the_packages_verdicts(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, rng, bootstrap = simulation(), np.random.default_rng(5), Bootstrap(0)
    counts = {"harm": 0, "no_meaningful_difference": 0, "origin": 0}
    for _ in range(8):
        # Spreads from a tenth to twice the bound, truths on both sides of it: every verdict occurs.
        spread = rng.uniform(0.1, 2, (2, 20, 1))
        before, after = rng.choice([-2.0, 0.0, 1.0, 2.5], (2, 20, 1)) + spread * module.SHAPES[shape](rng, (2, 20, 12))
        full = module.verdicts_of([mean_over_clusters(one, bootstrap) for one in before])
        assert module.verdicts_of([module.estimate_of(one, bootstrap) for one in before]) == full
        for claim in ("harm", "no_meaningful_difference"):
            assert module.claims_of(claim, before, bootstrap).tolist() == [one == claim for one in full]
            counts[claim] += full.count(claim)
        origins = module.origins_of(before, after, bootstrap)
        with monkeypatch.context() as patch:
            patch.setattr(module, "estimate_of", mean_over_clusters)
            assert module.origins_of(before, after, bootstrap) == origins
        counts["origin"] += sum(one not in (None, "unresolved") for one in origins)
    assert min(counts.values()) >= 5


def test_true_origins_are_those_of_the_definition() -> None:
    module = simulation()
    assert [module.true_origin(*stage) for stage in module.STAGES] == [
        *[None] * 4,
        *["introduced"] * 3,
        *["amplified"] * 2,
        *["inherited"] * 3,
        *["attenuated"] * 2,
        *["reversed"] * 2,
        *["unresolved"] * 4,
    ]


def test_everything_after_scoring_is_as_quick_and_small_as_asked() -> None:
    found = table("analysis.json")
    assert (found["pairs"], found["checkpoints"], found["identities"], found["cores"]) == (45_540, 4, 40, 2)
    assert found["outcomes"] > 10_000
    assert found["seconds"] < 20
    assert found["gigabytes"] < 1.5


@pytest.mark.slow
def test_everything_after_scoring_stays_small(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "analysis.py"), "--out", str(out)]
    subprocess.run(command, env=environment(), check=False)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["gigabytes"] < 1.5
    # The bound of 20 s stands in the table, for a machine with nothing else to do; here others may be at work.
    assert found["seconds"] < 60


@pytest.mark.slow
def test_random_weights_of_other_seeds_are_not_accused(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "random_weights.py"), "--first", "1000", "--seeds", "6"]
    command += ["--probe", "stigma", "--axis", "gender", "race-ethnicity"]
    subprocess.run([*command, "--out", str(out)], env=environment(), check=False)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [one["cells"] for one in found["cases"]] == [6 * 16] * 2 + [6 * 14] * 2
    assert found["all"]["harm"]["share"] <= 0.01
    covered = found["all"]["form_contrast_covers_0"]
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


@pytest.mark.slow
def test_verdicts_err_as_rarely_with_another_seed(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "verdicts.py"), "--draws", "1000", "--seed", "1000"]
    subprocess.run([*command, "--jobs", "2", "--out", str(out)], env=environment(), check=False)
    for cell in json.loads(out.read_text(encoding="utf-8"))["cells"]:
        if cell["bounds"]:
            low, high = cell["bounds"]
            assert low - 3.5 * cell["error"] <= share(cell) <= high + 3.5 * cell["error"], cell


def test_integrated_gradients_are_inseqs() -> None:
    found = table("inseq_agreement.json")
    assert len(found["rows"]) >= 4
    shares = [row["largest_difference"] / row["largest_part"] for row in found["rows"]]
    assert found["checks"][0]["value"] == pytest.approx(max(shares))
    assert max(shares) < 1e-4
    # Parts that are hardly any would agree whatever they are.
    assert min(row["largest_part"] for row in found["rows"]) > 1
