"""Twin of auditor.adapters.gate_files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rendered_markdown import Shown
from run_factory import BRANCHED, HARMED, HOSTILE, MIXED, make_run

from auditor.adapters.gate_files import counts_of, gate_cells, junit, markdown, numbers_of
from auditor.adapters.run.run_folder import read_results
from auditor.core.gates import Decision, GateCell, apply_rules, parse_rule
from auditor.core.statistics import Interval

LEAVES = ("dpo<b>", "dpo2")
FAILING = frozenset({"failed", "refused", "unmatched"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", **BRANCHED)


def _decisions(run: Path, *rules: str) -> tuple[Decision, ...]:
    results = read_results(run)
    return apply_rules([parse_rule(one) for one in rules], tuple(gate_cells(results)), LEAVES)


def test_the_gate_at_the_runs_own_bound_is_its_verdict(run: Path) -> None:
    results = read_results(run)
    sesoi = next(one.sesoi for one in results.effects if one.measure == "level" and one.sesoi)
    found = _decisions(run, f"small:any > {sesoi}")
    verdicts = {
        (one.identity, one.render, one.checkpoint): one.verdict
        for one in results.effects
        if (one.probe, one.measure, one.contrast, one.theme) == ("small", "level", "excess", None)
        and (one.role, one.valence) == ("marked", "harm")
        and one.checkpoint in LEAVES
    }
    assert len(found) == len(verdicts)
    for one in found:
        assert one.cell is not None
        verdict = verdicts[one.cell.identity, one.cell.render, one.cell.checkpoint]
        assert (one.outcome == "failed") == (verdict == "harm")
    assert any(one.outcome == "failed" and one.cell and one.cell.identity == HARMED for one in found)


def test_an_identity_swap_is_gated_by_its_disparity(run: Path) -> None:
    assert {one.outcome for one in _decisions(run, "swap:Gay > 100")} <= {"passed", "inconclusive"}
    assert [one.outcome for one in _decisions(run, "swap:any:level/raw > 100")] == ["unmatched"]


def test_junit_says_what_holds_of_the_run_as_a_whole(run: Path) -> None:
    decisions = _decisions(run, "small:any > 0.2", "nothing:any > 1")
    remarks = ["3 of 24 items refused: too_long 3", "a <b>\nPASSED"]
    suites = ET.fromstring(junit(decisions, FAILING, remarks)).findall("testsuite")
    assert [one.findtext("system-out") for one in suites] == ["3 of 24 items refused: too_long 3\na <b>\\nPASSED"] * 2
    assert ET.fromstring(junit(decisions, FAILING)).find(".//system-out") is None


def test_junit_has_a_case_for_each_decision(run: Path) -> None:
    decisions = _decisions(run, "small:any > 0.2", "nothing:any > 1")
    root = ET.fromstring(junit(decisions, FAILING))
    suites = root.findall("testsuite")
    assert [one.get("name") for one in suites] == ["small:any > 0.2", "nothing:any > 1"]
    assert len(root.findall(".//testcase")) == len(decisions)
    failures = sum(one.outcome in FAILING for one in decisions)
    assert len(root.findall(".//failure")) == sum(int(one.get("failures", "")) for one in suites) == failures > 1
    skipped = sum(one.outcome == "inconclusive" for one in decisions)
    assert len(root.findall(".//skipped")) == skipped


def test_markdown_says_what_failed_and_what_passing_means(run: Path) -> None:
    decisions = _decisions(run, "small:any > 0.2")
    text = markdown(decisions, FAILING)
    assert text.startswith("## Audit gate: failed\n")
    assert f"| failed | small: {HARMED}, level/excess" in text
    assert "does not certify" in text
    passed = [one for one in decisions if one.outcome == "passed"]
    assert "## Audit gate: passed" in markdown(passed, FAILING)


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        "a | b",
        "[x](https://example.org)",
        "https://example.org",
        "www.example.org",
        "@everyone",
        "#12",
        "GH-12",
        "a\nb",
        "\ufffe",
    ],
)
def test_hostile_names_stay_text(text: str) -> None:
    decision = Decision(parse_rule("p:any > 1"), _cell(text), "failed", text)
    root = ET.fromstring(junit([decision], FAILING))
    assert len(list(root.iter())) == 4
    shown = Shown(markdown([decision], FAILING, [text]))
    assert set(shown.tags) <= {"h2", "p", "table", "thead", "tbody", "tr", "th", "td", "span"}
    assert shown.tags.count("tr") == 2
    assert shown.links == []
    # GitHub looks for mentions, issues and addresses in the text of the finished page.
    assert not re.search(r"(?<!\w)@\w|#\d|https?://|www\.\w|(?i:gh-\d)", "".join(shown.texts))


def _cell(text: str) -> GateCell:
    who = (text, "text_swap", None, text, "", "plain", "level", "excess", text)
    return GateCell(*who, 1.0, Interval(0.5, 2.0), 0.05, 9, 1.0, "harm", None)


def test_numbers_and_counts(run: Path) -> None:
    decisions = _decisions(run, "nothing:any > 1")
    assert numbers_of(decisions[0]) == ""
    assert counts_of(decisions) == {"failed": 0, "refused": 0, "unmatched": 1, "inconclusive": 0, "passed": 0}
    cell = _cell("x")
    shown = numbers_of(Decision(parse_rule("p:any > 1"), replace(cell, value=-0.001), "passed", ""))
    assert shown == "0.00 (+0.50 to +2.00) against 1"


def test_a_reward_model_is_held_to_a_rule_at_the_end_of_training_too(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run", **MIXED))
    (rule,) = (parse_rule(f"small:{HARMED} > 0.22"),)
    found = apply_rules([rule], tuple(gate_cells(results)), ("dpo<b>", "rm"))
    assert {(one.cell.checkpoint, one.outcome) for one in found if one.cell} == {("dpo<b>", "failed"), ("rm", "failed")}
    in_rewards = {
        one.cell.checkpoint: numbers_of(one).endswith("against 0.22 in units of the reward")
        for one in found
        if one.cell
    }
    assert in_rewards == {"dpo<b>": False, "rm": True}
    named = apply_rules([parse_rule(f"small:{HARMED}:level@rm > 9")], tuple(gate_cells(results)), ("dpo<b>", "rm"))
    assert {one.outcome for one in named} == {"passed"}
