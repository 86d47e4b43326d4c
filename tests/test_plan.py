"""``audit plan`` at the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import ROOT, assert_refused, audit
from run_factory import HARMED, controlled_probe, make_run

from auditor.core.planning import Goal, plan
from auditor.core.verdicts import DEFAULT_SESOI


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_run(tmp_path_factory.mktemp("runs") / "run"))


def _needed(text: str, goal: str) -> list[int]:
    """Clusters of every line about a goal."""
    return [int(one.replace(",", "")) for one in re.findall(rf"^ +{goal}: ([\d,]+) clusters", text, re.MULTILINE)]


def test_a_stated_spread() -> None:
    result = audit("plan", "--sd", 0.5)
    assert result.exit_code == 0, result.output
    assert (_needed(result.stdout, "harm"), _needed(result.stdout, "absence")) == ([42], [55])
    assert "d = 0.22 nats; harm at a true excess of +0.45, absence at one of 0.00; power 80.0%" in result.stdout
    for said in ("normal", "Skewed means need more", "controls", "paraphrases"):
        assert said in result.stdout


@pytest.mark.parametrize(
    "options",
    [("--power", 0.9), ("--identities", 5), ("--sesoi", 0.1), ("--sd", 0.6)],
)
def test_what_asks_for_more_clusters(options: tuple[object, ...]) -> None:
    shown = audit("plan", "--sd", 0.5, "--effect", 0.5, *options).stdout
    least = audit("plan", "--sd", 0.5, "--effect", 0.5).stdout
    assert _needed(shown, "absence") > _needed(least, "absence")
    if "--sesoi" not in options:
        assert _needed(shown, "harm") > _needed(least, "harm")


def test_a_larger_effect_is_easier_to_find_and_one_that_is_not_0_harder_to_rule_out() -> None:
    shown = audit("plan", "--sd", 0.5, "--effect", 1, "--absent-effect", -0.1).stdout
    assert _needed(shown, "harm")[0] < 42
    assert _needed(shown, "absence")[0] > 55


def test_harmed_identities_help_each_other() -> None:
    one, three = (audit("plan", "--sd", 0.5, "--identities", 10, "--harmed", count).stdout for count in (1, 3))
    assert _needed(three, "harm") < _needed(one, "harm")
    assert _needed(three, "absence") > _needed(one, "absence")
    assert "3 expected to be harmed in a family of 10" in three


def test_the_readmes_figures() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    shown = audit("plan", "--sd", 0.5).stdout
    harm, absence = _needed(shown, "harm")[0], _needed(shown, "absence")[0]
    assert f"{harm} clusters to find harm, {absence} to claim absence" in text
    goals = (
        Goal("harm", 2 * DEFAULT_SESOI, DEFAULT_SESOI, 1, 1),
        Goal("no_meaningful_difference", 0.0, DEFAULT_SESOI, 1, 1),
    )
    ranges = []
    for goal in goals:
        powers = plan(goal, 0.5, 0.8, 25 - 1).powers
        assert powers is not None
        ranges.append(f"from {powers[1]:.0%} to {powers[0]:.0%}")
    assert (
        f"rests on 25 clusters the true power may be anything {ranges[0]} for harm, and {ranges[1]} for absence" in text
    )


def test_more_than_anybody_writes() -> None:
    result = audit("plan", "--sd", 100)
    assert result.exit_code == 0
    assert result.stdout.count("more than 1,000,000 clusters") == 2


def test_a_pilot(run: str) -> None:
    result = audit("plan", "--pilot", run)
    assert result.exit_code == 0, result.output
    found = "2 identities (10 left out, without an interval)"
    assert f"small at dpo<b>, plain rendering: {found}; 1 expected to be harmed in a family of 4" in result.stdout
    assert "swap at dpo<b>, chat rendering: 2 identities; " in result.stdout
    # Two probes in two renderings, each with the middle and the widest of its spreads.
    assert len(_needed(result.stdout, "harm")) == len(_needed(result.stdout, "absence")) == 8
    assert result.stdout.count("(95%)") == 16
    assert f"nats, {HARMED}, 5 cluster means" in result.stdout


def test_one_probe_of_a_pilot_and_a_family_of_ones_own(run: str) -> None:
    result = audit("plan", "--pilot", run, "--probe", "swap", "--identities", 1)
    assert "small at" not in result.stdout
    assert result.stdout.count("in a family of 1") == 2


def test_a_pilot_with_form_matched_controls(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",))
    shown = audit("plan", "--pilot", run).stdout
    beside = _needed(shown, r"harm minus its form-matched control, spread [\d.]+")
    assert len(beside) == 2
    assert all(more > less for more, less in zip(beside, _needed(shown, "harm"), strict=True))


def test_names_do_not_steer_the_terminal(run: str, tmp_path: Path) -> None:
    text = (Path(run) / "results.json").read_text(encoding="utf-8")
    (tmp_path / "results.json").write_text(text.replace(HARMED, "\\u001b[2J[bold]x"), encoding="utf-8")
    shown = audit("plan", "--pilot", tmp_path).stdout
    assert "\x1b" not in shown
    assert "\\x1b[2J[bold]x, 5 cluster means" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "spread of cluster means is missing"),
        (("--sd", 1, "--pilot", "x"), "is given twice"),
        (("--sd", 1, "--probe", "stigma"), "chooses among a pilot's probes"),
        (("--sd", 0), "--sd: must be a number of nats"),
        (("--sd", "nan"), "--sd: must be a number of nats"),
        (("--sd", "inf"), "--sd: must be a number of nats"),
        (("--sd", 1, "--sesoi", -1), "--sesoi: must be a positive number of nats"),
        (("--sd", 1, "--sesoi", 1e-9), "--sesoi: must be a number of nats"),
        (("--sd", 1, "--effect", 1e9), "--effect: must be a number of nats"),
        (("--sd", 1, "--effect", 0.2), "it is not above d"),
        (("--sd", 1, "--absent-effect", -0.3), "it is not within d"),
        (("--sd", 1, "--absent-effect", "nan"), "it is not within d"),
        (("--sd", 1, "--power", 0.4), "--power: must lie from 0.5 to 0.999"),
        (("--sd", 1, "--power", "nan"), "--power: must lie from 0.5 to 0.999"),
        (("--sd", 1, "--identities", 0), "--identities: must lie from 1 to 200"),
        (("--sd", 1, "--identities", 201), "--identities: must lie from 1 to 200"),
        (("--sd", 1, "--harmed", 0), "--harmed: must lie from 1 to the 1 of the family"),
        (("--sd", 1, "--harmed", 4, "--identities", 3), "--harmed: must lie from 1 to the 3 of the family"),
    ],
)
def test_bad_options_are_one_clear_message(options: tuple[object, ...], said: str) -> None:
    assert_refused(audit("plan", *options), 2, said)


def test_bad_pilots_are_one_clear_message(run: str, tmp_path: Path) -> None:
    assert_refused(audit("plan", "--pilot", tmp_path), 2, "no run folder")
    assert_refused(audit("plan", "--pilot", run, "--probe", "stigma"), 2, "no probe 'stigma'", "small, swap")
    content = json.loads((Path(run) / "results.json").read_text(encoding="utf-8"))
    content["effects"] = [one for one in content["effects"] if one["contrast"] == "reference"]
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    assert_refused(audit("plan", "--pilot", tmp_path), 2, "no spread can be read")
