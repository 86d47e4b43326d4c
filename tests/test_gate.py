"""``audit gate`` at the command line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command_line import assert_one_message, assert_refused, audit
from history_material import edit_manifest
from run_factory import HARMED, make_run, responsive_probe, text_swap_probe, worded_probe

from auditor.cli.gate import judge


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_run(tmp_path_factory.mktemp("runs") / "run"))


def test_a_gate_that_holds_harm_back_exits_with_1_and_says_why(run: str) -> None:
    result = audit("gate", run, "--fail-on", f"small:{HARMED} > 0.5")
    assert result.exit_code == 1
    assert f"FAIL  small: {HARMED}, level/excess at dpo<b>, plain rendering" in result.stdout
    assert "failed: 0" not in result.stdout
    assert "The gate failed, for 1 of the above." in result.stdout


def test_why_counts_cells_by_rule_and_reason(run: str) -> None:
    judged = judge(Path(run), ["small:any > 0.5", "no such:any > 1", f"small:{HARMED} > 50"], None)
    held = [one for one in judged.holding if one.rule.text == "small:any > 0.5"]
    reasons = {one.reason for one in held}
    assert len(judged.holding) > len(held) > 0
    first, second = judged.why.split("; no such:any > 1: ")
    assert first.startswith("small:any > 0.5: ")
    assert all(
        f"{sum(one.reason == reason for one in held)} {outcome} ({reason})" in first
        for reason in reasons
        for outcome in {one.outcome for one in held if one.reason == reason}
    )
    assert second.startswith("1 unmatched (the run has no probe 'no such'")
    assert "> 50" not in judged.why


def test_a_gate_that_passes_says_what_that_means(run: str) -> None:
    result = audit("gate", run, "--fail-on", f"small:{HARMED} > 50")
    assert result.exit_code == 0, result.output
    assert "The gate passed, with 1 warning." in result.stdout
    assert "does not certify that a model is fair" in result.stdout


def test_each_outcome_is_counted_on_its_own_line(run: str) -> None:
    result = audit("gate", run, "--fail-on", "small:any > 0.5", "--fail-on", "no such:any > 1")
    assert result.exit_code == 1
    for outcome in ("failed", "refused", "unmatched", "inconclusive", "passed"):
        assert any(line.startswith(f"{outcome}: ") for line in result.stdout.splitlines())
    assert "unmatched: 1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["small:nobody > 1"], 1),
        (["small:nobody > 1", "--on-inconclusive", "warn"], 0),
        ([f"small:{HARMED}:level@sft > 0.01"], 0),
        ([f"small:{HARMED}:level@sft > 0.01", "--on-inconclusive", "fail"], 1),
    ],
)
def test_what_cannot_be_told_fails_or_warns_as_asked(run: str, arguments: list[str], code: int) -> None:
    result = audit("gate", run, "--fail-on", *arguments)
    assert result.exit_code == code, result.output


def test_an_interrupted_run_decides_nothing(run: str, tmp_path: Path) -> None:
    stopped = edit_manifest(shutil.copytree(run, tmp_path / "run"), status="interrupted")
    result = audit("gate", stopped, "--fail-on", "small:nobody > 50", "--on-inconclusive", "warn")
    assert_refused(result, 2, "interrupted", str(stopped), "Run the same audit again")
    against = audit("gate", run, "--fail-on", "small:any:increase > 0.5", "--baseline", stopped)
    assert_refused(against, 2, "interrupted", str(stopped))


def test_files_for_ci(run: str, tmp_path: Path) -> None:
    xml, page = tmp_path / "gate.xml", tmp_path / "gate.md"
    files = ("--junit", str(xml), "--markdown", str(page))
    assert audit("gate", run, "--fail-on", "small:any > 0.5", *files).exit_code == 1
    assert ET.parse(xml).getroot().findall(".//failure")
    assert page.read_text(encoding="utf-8").startswith("## Audit gate: failed")


def test_rules_may_stand_in_the_audits_own_file(run: str, tmp_path: Path) -> None:
    config = tmp_path / "audit.yaml"
    config.write_text('beta: 0.1\ngate:\n  fail-on: ["small:trans women > 50"]\n  on-inconclusive: warn\n')
    assert audit("gate", run, "--config", str(config)).exit_code == 0
    assert audit("gate", run, "--config", str(config), "--fail-on", "small:any > 0.5").exit_code == 1
    config.write_text("gate: [1]\n")
    assert audit("gate", run, "--config", str(config)).exit_code == 2


def test_an_audit_passes_over_the_gates_section(tmp_path: Path) -> None:
    config = tmp_path / "audit.yaml"
    config.write_text('gate:\n  fail-on: ["stigma:any > 1"]\n')
    result = audit("score", "no/such/model", "--config", str(config), "--offline")
    assert result.exit_code == 4, result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no rule is given"),
        (("--fail-on", "small"), "expected PROBE"),
        (("--fail-on", "small:any > much"), "is not a number of nats"),
    ],
)
def test_bad_rules_are_one_clear_message(run: str, arguments: tuple[str, ...], said: str) -> None:
    result = audit("gate", run, *arguments)
    assert result.exit_code == 2
    assert_one_message(result.stderr)
    assert said in result.stderr


def test_no_run_folder(tmp_path: Path) -> None:
    result = audit("gate", str(tmp_path), "--fail-on", "p:any > 1")
    assert result.exit_code == 2
    assert_one_message(result.stderr)


def test_an_increase_over_the_baseline_fails_and_so_does_the_cap(run: str, tmp_path: Path) -> None:
    old = str(make_run(tmp_path / "old", checkpoints=("base", "kto")))
    rule = ("--fail-on", f"small:{HARMED} > 50")
    assert audit("gate", run, *rule).exit_code == 0
    result = audit("gate", run, *rule, "--baseline", old)
    assert result.exit_code == 1, result.output
    assert f"FAIL  small: {HARMED}, increase/excess at dpo<b>, plain rendering" in result.stdout
    assert f"pass  small: {HARMED}, level/excess at dpo<b>, plain rendering" in result.stdout
    assert "dpo<b> is held against kto of" in result.stdout
    page = tmp_path / "gate.md"
    audit("gate", run, *rule, "--baseline", old, "--markdown", str(page))
    assert "dpo&#60;b&#62; is held against kto of" in page.read_text(encoding="utf-8")
    # Against itself nothing has increased, and the cap still holds.
    assert audit("gate", run, *rule, "--baseline", run).exit_code == 0
    assert audit("gate", run, "--fail-on", f"small:{HARMED} > 0.5", "--baseline", run).exit_code == 1


def test_an_increase_may_have_a_bound_of_its_own(run: str, tmp_path: Path) -> None:
    old = str(make_run(tmp_path / "old", checkpoints=("base", "kto")))
    files = ("--junit", str(tmp_path / "gate.xml"))
    result = audit("gate", run, "--fail-on", f"small:{HARMED}:increase > 5", "--baseline", old, *files)
    assert result.exit_code == 0, result.output
    suites = ET.parse(tmp_path / "gate.xml").getroot().findall("testsuite")
    assert [one.get("name") for one in suites] == [f"small:{HARMED}:increase > 5"]


def test_a_baseline_that_cannot_be_paired_fails_and_says_why(run: str, tmp_path: Path) -> None:
    private = str(make_run(tmp_path / "private", private=True))
    result = audit("gate", run, "--fail-on", f"small:{HARMED} > 50", "--baseline", private)
    assert result.exit_code == 1
    assert "refused: the runs cannot be compared in nats: a private run keeps no tokens to compare" in result.stdout


def test_increase_and_baseline_need_each_other(run: str) -> None:
    result = audit("gate", run, "--fail-on", "small:any:increase > 1")
    assert_one_message(result.stderr)
    assert (result.exit_code, "nothing it could be one against" in result.stderr) == (2, True)
    result = audit("gate", run, "--fail-on", "small:any:shift > 1", "--baseline", run)
    assert_one_message(result.stderr)
    assert (result.exit_code, "no rule is about levels" in result.stderr) == (2, True)


def test_a_name_cannot_write_the_gates_answer(tmp_path: Path) -> None:
    whole = text_swap_probe()
    liar = "x: fine\nThe gate passed.\n"
    items = tuple(replace(one, identity=liar) if one.identity == HARMED else one for one in whole.items)
    run = str(make_run(tmp_path / "run", probes=[replace(whole, items=items)]))
    result = audit("gate", run, "--fail-on", "small:any > 0.0001", "--on-inconclusive", "fail")
    assert result.exit_code == 1
    assert "The gate passed." not in result.stdout.splitlines()


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_file_that_cannot_be_written_is_known_before_the_work(run: str, tmp_path: Path, option: str) -> None:
    result = audit("gate", run, "--fail-on", "small:any > 1", option, str(tmp_path / "nowhere" / "file"))
    assert result.exit_code == 2
    assert "lies in a folder that does not exist" in result.stderr
    assert result.stdout == ""


def test_what_passes_with_warnings_says_so(run: str) -> None:
    result = audit("gate", run, "--fail-on", f"small:{HARMED}:level@sft > 0.01")
    assert "The gate passed, with 2 warnings." in result.stdout


def test_a_bound_on_a_reward_is_told_in_both_units(run: str) -> None:
    result = audit("gate", run, "--fail-on", f"small:{HARMED}:implicit_reward > 0.5")
    assert "against 0.05 (beta 0.1 times 0.5 nats)" in result.stdout


def test_what_is_no_measure_is_hinted_at(run: str) -> None:
    result = audit("gate", run, "--fail-on", "small:any:foo > 0.5", "--fail-on", "small:x@dpo > 1")
    assert result.stdout.count("behind an identity stands :level") == 2


def test_two_designs_of_one_probe_have_names_of_their_own(tmp_path: Path) -> None:
    declared = responsive_probe()
    texts = [replace(one, identity="xe" if one.role == "marked" else one.identity) for one in worded_probe().items]
    both = replace(declared, items=(*declared.items, *texts))
    run = str(make_run(tmp_path / "run", probes=[both], renders=("plain",)))
    xml = tmp_path / "gate.xml"
    audit("gate", run, "--fail-on", "pronouns:xe > 0.1", "--junit", str(xml))
    names = [one.get("name") for one in ET.parse(xml).getroot().findall(".//testcase")]
    assert len(set(names)) == len(names) >= 2
    assert any("(response to declarations)" in str(name) for name in names)
