"""What validation finds: every problem planted, none in a sound probe."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_scores import pair, probe_of
from probe_material import LEXICON, SECTION, write_probe

from auditor.adapters.probe_files.probe_checks import Checked, check_folder, check_rows
from auditor.adapters.probe_files.probe_folders import build_probe, read_folder
from auditor.adapters.probe_files.probes import open_probe, shipped_probes
from auditor.core.items import Probe

CONTROLS = [{"name": f"c{at}", "surfaces": [{"people": f"c{at}"}]} for at in range(5)]
SOUND: dict[str, Any] = {"lexicon": {**LEXICON, "controls": CONTROLS}}


def checked(folder: Path, **changes: Any) -> Checked:
    found = read_folder(write_probe(folder, **{**SOUND, **changes}))
    return check_folder(found, build_probe(found, "full", found.axes))


def section(**changes: Any) -> tuple[dict[str, Any]]:
    return ({**copy.deepcopy(SECTION), **changes},)


def test_a_sound_probe_has_no_problem(tmp_path: Path) -> None:
    assert checked(tmp_path / "mine") == Checked((), ())


@pytest.mark.parametrize("name", shipped_probes())
def test_shipped_probes_are_sound(name: str) -> None:
    folder = read_folder(Path(__file__).resolve().parent.parent / "probes" / name)
    assert check_folder(folder, build_probe(folder, "standard", folder.axes)).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_probes())
def test_shipped_probes_are_sound_in_full_on_their_default_axes(name: str) -> None:
    folder = read_folder(Path(__file__).resolve().parent.parent / "probes" / name)
    assert check_folder(folder, build_probe(folder, "full")).problems == ()


@pytest.mark.parametrize("key", ["description", "content_warning", "canary"])
def test_a_card_that_says_too_little(tmp_path: Path, key: str) -> None:
    assert f"card.yaml: {key} is missing" in checked(tmp_path / "mine", card={key: " "}).problems


def test_a_datasheet_that_is_missing_or_unmarked(tmp_path: Path) -> None:
    assert "canary" in checked(tmp_path / "mine", card={"canary": "another"}).problems[0]
    found = read_folder(tmp_path / "mine")
    (tmp_path / "mine" / "README.md").unlink()
    assert "missing" in check_folder(found, build_probe(found, "full")).problems[0]


@pytest.mark.parametrize(
    ("wordings", "neutral", "problem"),
    [
        ([["not frank", "frank"]], [["damp", "dry"]], "one side is negated"),
        ([["fond of all lies", "frank"]], [["damp", "dry"]], "+3.00 words longer than neutral ones"),
    ],
)
def test_sides_that_do_not_match(tmp_path: Path, wordings: list[Any], neutral: list[Any], problem: str) -> None:
    predicate = {"name": "p", "wordings": wordings, "neutral": {"name": "n", "wordings": neutral}}
    found = checked(tmp_path / "mine", sections=section(predicates=[predicate]))
    assert any(problem in one for one in found.problems), found


def test_a_probe_without_controls_is_unfit_and_a_file_without_them_remarkable(tmp_path: Path) -> None:
    bare = {"name": "p", "wordings": [["false", "frank"]]}
    found = checked(tmp_path / "mine", sections=section(predicates=[bare]), lexicon=LEXICON)
    assert "xans: no neutral pairs of the same form (text_swap, a)" in found.problems
    assert "a: 2 control identities; a band needs 5" in found.problems
    rows = check_rows(open_probe(str(tmp_path / "mine"), "full"))
    assert rows.problems == ()
    assert len(rows.remarks) == 3


def test_rows_that_meet_nobody(tmp_path: Path) -> None:
    folder = read_folder(write_probe(tmp_path / "mine", **SOUND))
    probe = build_probe(folder, "full")
    lonely = Probe("p", tuple(item for item in probe.items if item.identity != "refs"), probe.card)
    assert any(one.startswith("xans: 16 rows have no reference row") for one in check_rows(lonely).problems)


def test_a_cluster_is_harmful_or_neutral(tmp_path: Path) -> None:
    folder = read_folder(write_probe(tmp_path / "mine", **SOUND))
    probe = build_probe(folder, "full")
    mixed = Probe("p", tuple(replace(item, cluster="one") for item in probe.items), probe.card)
    assert "one: both a harmful and a neutral predicate" in check_rows(mixed).problems


def test_a_row_that_stands_twice(tmp_path: Path) -> None:
    probe = build_probe(read_folder(write_probe(tmp_path / "mine", **SOUND)), "full")
    first = next(item for item in probe.items if item.role == "marked")
    twice = Probe("p", (*probe.items, replace(first, id="copy")), probe.card)
    assert check_rows(twice).problems == (f"copy: the same texts as {first.id}",)


def test_rows_without_an_identity_are_called_so() -> None:
    (problem,) = check_rows(probe_of(pair("1", identity=""))).problems
    assert problem == "(no identity named): 1 rows have no reference row with their match key"
