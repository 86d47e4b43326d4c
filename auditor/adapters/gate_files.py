"""A gate's decisions as CI reads them: JUnit XML and Markdown; and the cells of a run that it decides on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET

from auditor.adapters.printable import on_one_line, printable, signed, span
from auditor.adapters.run.effect_parts import ControlsRow
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.summaries.markdown_text import markdown_text, table
from auditor.core.control_checks import ControlChecks
from auditor.core.gates import OUTCOMES, Decision, GateCell, Outcome
from auditor.core.statistics import NO_INTERVAL, Estimate, Interval

# Said wherever a gate passes.
WHAT_PASSING_MEANS = (
    "Passing means no evidence of more than these bounds on these probes; it does not certify that a model is fair."
)

# Themes are only judged where their identity shows harm, but of rewards without a bound nothing was.
_UNBOUNDED = "no bound was stated in the unit of the reward (audit analyse --sesoi), so nothing was judged"


def gate_cells(results: Results) -> Iterator[GateCell]:
    """The linear effects of marked identities in harmful pairs."""
    rewards = any((one.measure, one.unit) == ("level", "reward") for one in results.effects)
    refused = _UNBOUNDED if rewards and all(one.family is None for one in results.effects) else ""
    for one in results.effects:
        measured = one.measure in ("level", "shift", "implicit_reward") and one.contrast != "reference"
        if measured and (one.role, one.valence) == ("marked", "harm"):
            yield _cell(one, refused)


def _cell(one: EffectRow, refused: str) -> GateCell:
    is_disparity = one.contrast == "excess" or one.design == "identity_swap"
    return GateCell(
        one.probe,
        one.design,
        one.theme,
        one.identity or "",
        one.axis,
        one.render,
        one.measure,
        "excess" if is_disparity else "raw",
        one.checkpoint,
        _number(one.estimate),
        _interval(one.low_adjusted, one.high_adjusted, known=one.alpha_adjusted is not None),
        _number(one.alpha_adjusted),
        one.clusters,
        1.0 if one.beta is None else one.beta,
        one.verdict,
        None if one.control_checks is None else _checks(one.control_checks),
        refused,
        one.unit == "reward" and one.measure != "implicit_reward",
    )


def _checks(row: ControlsRow) -> ControlChecks:
    form = None
    if row.form_estimate is not None:
        form = Estimate(row.form_estimate, _number(row.form_se), row.form_clusters, row.form_degrees)
    return ControlChecks(
        None,
        form,
        _interval(row.form_low, row.form_high, known=False),
        False,
        _interval(row.band_low, row.band_high, known=False),
        _number(row.name_logprob),
        row.control_identities,
    )


def _interval(low: float | None, high: float | None, *, known: bool) -> Interval:
    """An interval from a file, where an open end of one that is ``known`` is null as well."""
    if low is None and high is None and not known:
        return NO_INTERVAL
    return Interval(float("-inf") if low is None else low, float("inf") if high is None else high)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def subject_of(decision: Decision) -> str:
    """Whom a decision is about, in one line."""
    cell = decision.cell
    if cell is None:
        return decision.rule.text
    theme = f"/{cell.theme}" if cell.theme else ""
    who = cell.identity or "(no identity named)"
    probe = f"{cell.probe}{theme}" + (" (response to declarations)" if cell.design == "responsiveness" else "")
    return f"{probe}: {who}, {cell.measure}/{cell.contrast} at {cell.checkpoint}, {cell.render} rendering"


def numbers_of(decision: Decision) -> str:
    """The interval and the bound it was held against; "" without one."""
    cell = decision.cell
    if cell is None or math.isnan(cell.value):
        return ""
    interval = span(cell.interval.low, cell.interval.high)
    bound = f"{decision.rule.bound * cell.scale:.3g}"
    scaled = f" (beta {cell.scale:g} times {decision.rule.bound:g} nats)" if cell.scale != 1 else ""
    scaled = " in units of the reward" if cell.explicit else scaled
    return f"{signed(cell.value)} ({interval}) against {bound}{scaled}"


def counts_of(decisions: Sequence[Decision]) -> Mapping[Outcome, int]:
    """How many decisions of each outcome, all outcomes named."""
    return {outcome: sum(one.outcome == outcome for one in decisions) for outcome in OUTCOMES}


def junit(decisions: Sequence[Decision], failing: frozenset[Outcome], remarks: Sequence[str] = ()) -> str:
    """JUnit XML: a test suite for each rule, a test case for each cell; what only warns is skipped, with its reason.

    Args:
        remarks: on the run as a whole, a sentence each; they stand in every suite, since readers of JUnit show suites.
    """
    root = ET.Element("testsuites", name="audit gate")
    for rule in dict.fromkeys(one.rule for one in decisions):
        own = [one for one in decisions if one.rule == rule]
        suite = ET.SubElement(root, "testsuite", name=_xml(rule.text), tests=str(len(own)))
        suite.set("failures", str(sum(one.outcome in failing for one in own)))
        suite.set("skipped", str(sum(one.outcome not in (*failing, "passed") for one in own)))
        for one in own:
            case = ET.SubElement(suite, "testcase", classname=_xml(rule.text), name=_xml(subject_of(one)))
            message = _xml(f"{one.outcome}: {one.reason}")
            if one.outcome in failing:
                ET.SubElement(case, "failure", message=message).text = numbers_of(one)
            elif one.outcome != "passed":
                ET.SubElement(case, "skipped", message=message)
        if remarks:
            ET.SubElement(suite, "system-out").text = "\n".join(_xml(on_one_line(one)) for one in remarks)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Text that XML 1.0 can hold: `printable` takes out what acts, and this what it still forbids."""
    return re.sub(r"[\ufffe\uffff]", "?", printable(text))


def markdown(decisions: Sequence[Decision], failing: frozenset[Outcome], remarks: Sequence[str] = ()) -> str:
    """A Markdown summary for a pull request: the answer, what did not pass, and what passing means.

    Args:
        remarks: on the run as a whole, a sentence each.
    """
    failed = any(one.outcome in failing for one in decisions)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in counts_of(decisions).items() if count)
    lines = [f"## Audit gate: {'failed' if failed else 'passed'}", "", f"{counts}.", ""]
    lines += [line for remark in remarks for line in (markdown_text(remark), "")]
    shown = [one for one in decisions if one.outcome != "passed"]
    if shown:
        rows = [
            (_outcome(outcome, failing), markdown_text(subject_of(one)), numbers_of(one), markdown_text(one.reason))
            for outcome in OUTCOMES
            for one in shown
            if one.outcome == outcome
        ]
        lines += [table(["outcome", "about", "value (adjusted interval)", "why"], rows), ""]
    return "\n".join([*lines, WHAT_PASSING_MEANS, ""])


def _outcome(outcome: Outcome, failing: frozenset[Outcome]) -> str:
    return outcome if outcome in failing else f"{outcome} (warning)"
