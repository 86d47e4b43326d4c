"""``audit gate``: hold a finished run to rules, for CI."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from auditor.adapters.baselines import increases_over
from auditor.adapters.gate_files import (
    WHAT_PASSING_MEANS,
    counts_of,
    gate_cells,
    junit,
    markdown,
    numbers_of,
    subject_of,
)
from auditor.adapters.printable import on_one_line
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.lost_items import lost_items
from auditor.adapters.run.run_folder import read_manifest, read_results, replace_file
from auditor.adapters.run.run_pairs import Run
from auditor.adapters.run.run_status import require_complete
from auditor.cli.options import OnInconclusive
from auditor.cli.request import writable
from auditor.core.gates import FORM, INCREASE, Decision, GateRule, Outcome, apply_rules, parse_rule, with_increases
from auditor.errors import UsageError

_STYLES: dict[Outcome, str] = {"failed": "bold red", "passed": "green"}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a gate decided.

    Attributes:
        failing: outcomes that fail the gate.
        remarks: on the run as a whole, a sentence each.
    """

    decisions: tuple[Decision, ...]
    failing: frozenset[Outcome]
    remarks: tuple[str, ...]

    @property
    def holding(self) -> tuple[Decision, ...]:
        """The decisions that hold the release back; the gate passed if there are none."""
        return tuple(one for one in self.decisions if one.outcome in self.failing)

    @property
    def why(self) -> str:
        """In one line, of how many cells each rule holds the release back, and for what reasons."""
        counts = Counter((one.rule.text, one.outcome, one.reason) for one in self.holding)
        said: dict[str, list[str]] = {}
        for (rule, outcome, reason), count in counts.items():
            said.setdefault(rule, []).append(f"{count} {outcome} ({reason})")
        return "; ".join(f"{rule}: {', '.join(reasons)}" for rule, reasons in said.items())


def run_gate(
    run: Path,
    fail_on: Sequence[str],
    on_inconclusive: OnInconclusive | None,
    junit_file: Path | None,
    markdown_file: Path | None,
    baseline: Path | None = None,
) -> bool:
    """Decide, print why, write the files; whether the gate passed.

    Args:
        baseline: an earlier run whose levels must not have been exceeded; None for rules about this run alone.
        on_inconclusive: what the cells do of which nothing can be said; None fails those that are refused or that a
            rule did not find, and warns of those whose interval holds the bound.

    Raises:
        UsageError: no or a malformed rule, a rule that needs a baseline without one or the other way round, or no
            finished run: an interrupted one may hold the results of an earlier audit, and decides nothing.
    """
    for path, option in ((junit_file, "--junit"), (markdown_file, "--markdown")):
        writable(path, option)
    judged = judge(run, fail_on, on_inconclusive, baseline)
    if junit_file is not None:
        content = junit(judged.decisions, judged.failing, judged.remarks).encode()
        replace_file(junit_file, lambda partial: partial.write_bytes(content))
    if markdown_file is not None:
        page = markdown(judged.decisions, judged.failing, judged.remarks).encode()
        replace_file(markdown_file, lambda partial: partial.write_bytes(page))
    return _say(judged)


def judge(
    run: Path, fail_on: Sequence[str], on_inconclusive: OnInconclusive | None, baseline: Path | None = None
) -> Judged:
    """Hold a finished run to rules.

    Raises:
        UsageError: as for `run_gate`.
    """
    if not fail_on:
        raise UsageError("no rule is given", where="--fail-on", fix=f"Give at least one: {FORM}.")
    rules: Sequence[GateRule] = [parse_rule(text) for text in dict.fromkeys(fail_on)]
    results = read_results(run)
    for folder in (run, *(() if baseline is None else (baseline,))):
        require_complete(folder, read_manifest(folder))
    cells, remarks = list(gate_cells(results)), list(lost_items(run, results))
    if baseline is None:
        _refuse_increases(rules)
    else:
        audited = Run.read(run)
        rules = with_increases(rules, audited.rule().sesoi)
        if not any(rule.measure == INCREASE for rule in rules):
            raise UsageError(
                "no rule is about levels, so there is nothing to hold against a baseline",
                where="--baseline",
                fix='Add one, such as --fail-on "stigma:any > 0.5", or leave the baseline out.',
            )
        for increases in increases_over(audited, Run.read(baseline), rules):
            cells += increases.cells
            remarks += increases.remarks
    decisions = apply_rules(rules, cells, [branch.leaf for branch in branches_of(results.series)])
    return Judged(tuple(decisions), _failing(on_inconclusive), tuple(remarks))


def _refuse_increases(rules: Sequence[GateRule]) -> None:
    for rule in rules:
        if rule.measure == INCREASE:
            raise UsageError(
                f"{rule.text!r} speaks of an increase, and there is nothing it could be one against",
                where="--fail-on",
                fix="Give the run to compare with: --baseline RUN.",
            )


def _failing(on_inconclusive: OnInconclusive | None) -> frozenset[Outcome]:
    if on_inconclusive == OnInconclusive.warn:
        return frozenset({"failed"})
    if on_inconclusive == OnInconclusive.fail:
        return frozenset({"failed", "refused", "unmatched", "inconclusive"})
    return frozenset({"failed", "refused", "unmatched"})


def _say(judged: Judged) -> bool:
    console = Console()
    for remark in judged.remarks:
        console.print(Text(on_one_line(remark)), soft_wrap=True)
    for one in judged.decisions:
        sign = "FAIL" if one.outcome in judged.failing else "pass" if one.outcome == "passed" else "warn"
        parts = (subject_of(one), numbers_of(one), f"{one.outcome}: {one.reason}")
        line = f"{sign}  {'; '.join(part for part in parts if part)}"
        console.print(Text(on_one_line(line), style=_STYLES.get(one.outcome, "yellow")), soft_wrap=True)
    for outcome, count in counts_of(judged.decisions).items():
        console.print(f"{outcome}: {count}")
    holding = len(judged.holding)
    warnings = sum(one.outcome not in (*judged.failing, "passed") for one in judged.decisions)
    if not holding:
        words = "1 warning" if warnings == 1 else f"{warnings} warnings"
        console.print(f"The gate passed, with {words}." if warnings else "The gate passed.")
    else:
        console.print(f"The gate failed, for {holding} of the above.")
    console.print(WHAT_PASSING_MEANS, soft_wrap=True)
    return not holding
