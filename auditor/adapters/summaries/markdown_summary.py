"""A run's answer as Markdown, for pull requests and the pages of CI jobs."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.adapters.report.remarks import group_cautions
from auditor.adapters.run.lost_items import OF_ITEMS
from auditor.adapters.run.run_folder import REPORT
from auditor.adapters.run.run_status import INTERRUPTED
from auditor.adapters.summaries.agreement_block import agreement_block
from auditor.adapters.summaries.attribution_lines import attribution_line
from auditor.adapters.summaries.headlines import WHAT_AN_AUDIT_SAYS
from auditor.adapters.summaries.markdown_text import fenced, folded, markdown_text
from auditor.adapters.summaries.summary_schema import RunSummary
from auditor.adapters.summaries.verdict_tables import NAME, TITLE, verdict_blocks

_MAX_CAUTIONS = 8
_CAUTION = 300


def markdown_summary(summary: RunSummary, *, with_page: bool) -> str:
    """The answer, the verdicts, cautions and what was audited.

    Args:
        with_page: whether the run's page lies beside, to be linked.
    """
    blocks = [f"## Audit: {markdown_text(summary.headline)}", *interruption(summary), how_it_was_read(summary)]
    blocks += [*verdict_blocks(summary), *agreement_block(summary), *attribution_line(summary)]
    blocks += caution_blocks(summary)
    command = [fenced(summary.command)] if summary.command else []
    blocks.append(folded("What was audited", what_was_audited(summary), *command))
    if with_page:
        blocks.append(f"The whole report: [{REPORT}]({REPORT}), in the run folder.")
    return "\n\n".join(blocks) + "\n"


def how_it_was_read(summary: RunSummary) -> str:
    """What the answer rests on, and what an audit never says."""
    return f"{summary.basis} {WHAT_AN_AUDIT_SAYS}".strip()


def interruption(summary: RunSummary) -> Iterator[str]:
    """What is to be known first of an audit that did not come to its end."""
    if summary.status == "interrupted":
        yield f"> **Interrupted.** {INTERRUPTED}"


def caution_blocks(summary: RunSummary) -> Iterator[str]:
    """What is to be known before the numbers are used; one caution said of several probes stands once."""
    cautions = group_cautions(summary.cautions, [probe.name for probe in summary.probes])
    lines = []
    for one in cautions[:_MAX_CAUTIONS]:
        about = ", ".join(markdown_text(name, NAME) for name in one.probes)
        lines.append(f"- {f'{about}: ' if about else ''}{markdown_text(one.text, _CAUTION)}")
    if len(cautions) > _MAX_CAUTIONS:
        lines.append(f"- and {len(cautions) - _MAX_CAUTIONS} more, in results.json")
    if lines:
        yield "**Cautions**"
        yield "\n".join(lines)


def what_was_audited(summary: RunSummary) -> str:
    """The series, the probes, what was refused, and what made the run, as a list."""
    lines = [f"- Series: {' → '.join(markdown_text(name, NAME) for name in leaf.path)}" for leaf in summary.leaves]
    for probe in summary.probes:
        version = markdown_text(probe.sha256[:16])
        lines.append(f"- Probe: {markdown_text(probe.title, TITLE)}; {probe.items:,} items, SHA-256 {version}")
    for what, of_items in (("items", True), ("numbers and comparisons made of items", False)):
        own = [one for one in summary.refusals if (one.reason in OF_ITEMS) is of_items]
        if own:
            reasons = ", ".join(f"{one.reason.replace('_', ' ')} ({one.count:,})" for one in own)
            lines.append(f"- Refused {what}: {reasons}")
    made = " on ".join(part for part in (f"auditor {summary.auditor}".strip(), summary.created[:10]) if part)
    renders = f", in {' and '.join(summary.renders)} rendering" if summary.renders else ""
    return "\n".join([*lines, f"- Made with {markdown_text(made)}{renders}"])
