"""``audit diff`` at the command line."""

from __future__ import annotations

import json
import math
import shutil
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from command_line import assert_one_message, assert_refused, audit
from history_material import edit_manifest
from rich.console import Console
from run_factory import (
    BRANCHED,
    HARMED,
    MIXED,
    identity_swap_probe,
    make_run,
    text_swap_probe,
    without_reward_tokens,
)

from auditor.adapters.diff_tables import DiffRow
from auditor.cli.diff import _difference, _table
from auditor.core.statistics import Estimate, Interval
from auditor.core.verdicts import Rule


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "old": str(make_run(folder / "old", checkpoints=("base", "kto"))),
        "new": str(make_run(folder / "new")),
        "private": str(make_run(folder / "private", private=True)),
        "branched": str(make_run(folder / "branched", **BRANCHED)),
        "swap": str(make_run(folder / "swap", probes=[identity_swap_probe()])),
        "text": str(make_run(folder / "text", probes=[text_swap_probe()])),
    }


def test_what_changed_is_said_and_written(runs: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "diff.json"
    result = audit("diff", runs["old"], runs["new"], "--json", str(out))
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "before: kto in" in text
    assert "items of the later run have the same texts and token ids in both: paired." in text
    assert f"small: {HARMED}, plain rendering:" in text
    assert "-> harm" in text
    assert "more harm" in text
    assert "Items that came above d:" in text
    assert "d = 0.223 nats; positive is towards harm" in text
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["before"]["checkpoint"] == "kto"
    assert content["paired"] is True


def test_an_interrupted_run_is_compared_with_a_caution(runs: dict[str, str], tmp_path: Path) -> None:
    stopped = edit_manifest(shutil.copytree(runs["new"], tmp_path / "run"), status="interrupted")
    result = audit("diff", runs["old"], stopped, "--json", tmp_path / "diff.json")
    assert result.exit_code == 0, result.output
    assert f"{stopped}: The audit was interrupted" in result.stdout
    assert result.stdout.count("was interrupted") == 1
    (caution,) = json.loads((tmp_path / "diff.json").read_text(encoding="utf-8"))["cautions"]
    assert caution.startswith(f"{stopped}: The audit was interrupted")


def test_hostile_names_are_printed_harmlessly(runs: dict[str, str]) -> None:
    result = audit("diff", runs["old"], runs["new"])
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_runs_that_cannot_be_paired_show_verdicts_and_the_caution(runs: dict[str, str]) -> None:
    result = audit("diff", runs["new"], runs["private"])
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "The runs cannot be compared in nats: a private run keeps no tokens to compare." in text
    assert "harm -> harm" in text
    assert "difference" not in text.replace("a difference between two of them has no interval", "").replace(
        "no meaningful difference", ""
    )
    assert "Verdicts that flipped: none." in text


def test_checkpoints_may_be_named(runs: dict[str, str]) -> None:
    assert "after: base in" in " ".join(audit("diff", runs["old"], runs["new"], "--checkpoint", "base").stdout.split())
    text = " ".join(audit("diff", runs["new"], runs["new"], "--checkpoint", "sft=dpo<b>").stdout.split())
    assert "before: sft in" in text
    assert "after: dpo<b> in" in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["new", "branched"], 2, "training ends in several checkpoints"),
        (["new", "new", "--checkpoint", "rm"], 2, "no checkpoint 'rm'"),
        (["new", "new", "--sesoi", "nan"], 2, "must be a positive number of nats"),
        (["text", "swap"], 3, "no identity on any probe in common"),
        (["new", "nowhere"], 2, "no run folder"),
    ],
)
def test_what_cannot_be_compared_is_one_message(
    runs: dict[str, str], arguments: list[str], code: int, said: str
) -> None:
    result = audit("diff", *(runs.get(one, one) for one in arguments))
    assert result.exit_code == code
    assert said in result.stderr
    assert_one_message(result.stderr)


def test_runs_judged_by_another_bound_need_one_of_their_own(runs: dict[str, str], tmp_path: Path) -> None:
    other = make_run(tmp_path / "run")
    results = json.loads((other / "results.json").read_text(encoding="utf-8"))
    for one in results["effects"]:
        one["sesoi"] = 0.5 if one["sesoi"] is not None else None
    (other / "results.json").write_text(json.dumps(results), encoding="utf-8")
    result = audit("diff", runs["new"], str(other))
    assert result.exit_code == 2
    assert "judged by another d (0.223 and 0.5 nats)" in result.stderr
    result = audit("diff", runs["new"], str(other), "--sesoi", "0.3")
    assert result.exit_code == 0
    said = "Differences are judged by d = 0.3 nats, the runs' own verdicts by 0.223 and 0.5"
    assert said in " ".join(result.stdout.split())


def test_what_one_run_alone_was_asked_is_one_line(runs: dict[str, str]) -> None:
    text = " ".join(audit("diff", runs["new"], runs["text"]).stdout.split())
    assert "swap in plain rendering: only in the earlier run. " in text
    assert "\\n" not in text
    assert "small in plain rendering identity" in text


def test_a_file_that_cannot_be_written_is_known_before_the_work(runs: dict[str, str], tmp_path: Path) -> None:
    result = audit("diff", runs["old"], runs["new"], "--json", str(tmp_path / "nowhere" / "x.json"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "lies in a folder that does not exist" in result.stderr


def test_a_reward_model_and_a_policy_have_no_difference(runs: dict[str, str], tmp_path: Path) -> None:
    mixed = make_run(tmp_path / "mixed", **MIXED)
    refused = audit("diff", runs["new"], mixed, "--checkpoint", "dpo<b>=rm")
    assert refused.exit_code == 2
    assert_one_message(refused.stderr, "one is a reward model")
    assert "after: dpo<b> in" in " ".join(audit("diff", runs["new"], mixed).stdout.split())


def test_reward_models_that_are_not_looked_at_are_named(runs: dict[str, str], tmp_path: Path) -> None:
    mixed = make_run(tmp_path / "mixed", **MIXED)
    said = "Reward models are not looked at (before: rm; after: rm): name one with --checkpoint NAME"
    assert said in " ".join(audit("diff", mixed, mixed).stdout.split())
    for arguments in ((mixed, mixed, "--checkpoint", "rm"), (runs["new"], mixed)):
        assert "not looked at" not in audit("diff", *arguments).stdout


def difference_of(verdict: str, low: float, high: float) -> DiffRow:
    level = SimpleNamespace(estimate=0.03)
    effect = SimpleNamespace(items=3, verdict=verdict, estimate=Estimate(0.1, 0.2, 3), adjusted=Interval(low, high))
    return cast("DiffRow", SimpleNamespace(identity="genderqueer people", before=level, after=level, difference=effect))


def test_no_verdict_is_cut_on_a_terminal_of_80_columns() -> None:
    rows = [difference_of("inconclusive", -math.inf, 6094867.7), difference_of("inconclusive", -1.0, 1.0)]
    console = Console(width=80, file=StringIO())
    console.print(_table("probe in plain rendering", rows, paired=True))
    assert cast("StringIO", console.file).getvalue().count("inconclusive") == 2


def test_open_intervals_are_open_and_refused_ones_are_none() -> None:
    cases = [("inconclusive", -math.inf, math.inf), ("inconclusive", -0.25, math.inf), ("refused", math.nan, math.nan)]
    shown = [_difference(difference_of(*one))[1] for one in cases]
    assert shown == ["unbounded", "-0.25 to +inf", "n/a"]


def test_reward_models_of_two_runs_are_paired_in_their_own_unit(tmp_path: Path) -> None:
    rule = Rule(0.2, 0, 0.5)
    before, after = (
        make_run(tmp_path / names[-1], checkpoints=names, rewards=names[-1:], rule=rule)
        for names in (("base", "mild"), ("base", "sft", "rm"))
    )
    out = tmp_path / "diff.json"
    result = audit("diff", before, after, "--checkpoint", "mild=rm", "--json", out)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "items of the later run have the same texts and token ids in both: paired." in text
    assert "d = 0.5 units of the reward; positive is towards harm" in text
    content = json.loads(out.read_text(encoding="utf-8"))
    assert (content["paired"], content["unit"], content["sesoi"]) == (True, "reward", 0.5)
    grown = [row for row in content["rows"] if (row["identity"], row["contrast"]) == (HARMED, "excess")]
    assert {row["verdict"] for row in grown} == {"harm"}
    for row in grown:
        assert row["difference"] == pytest.approx(3, abs=0.5)
        assert row["difference"] == pytest.approx(row["after"] - row["before"], abs=1e-9)
    assert HARMED in {one["identity"] for one in content["item_flips"]}


def test_rewards_whose_tokens_are_not_known_stand_side_by_side(tmp_path: Path) -> None:
    run = without_reward_tokens(make_run(tmp_path / "run", **MIXED))
    result = audit("diff", run, run, "--checkpoint", "rm")
    assert result.exit_code == 0, result.output
    said = "The runs cannot be compared in units of the reward: bare scores have no tokens to compare."
    assert said in " ".join(result.stdout.split())


def test_rewards_judged_by_another_d(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(d), rule=Rule(0.2, 0, d), **MIXED) for d in (0.5, 0.7)]
    result = audit("diff", *runs, "--checkpoint", "rm")
    assert_refused(result, 2, "--sesoi", "judged by another d (0.5 and 0.7 units of the reward)")
    assert audit("diff", *runs).exit_code == 0, "policies were judged alike"
