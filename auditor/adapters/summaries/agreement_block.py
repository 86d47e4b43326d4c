"""Rewards and preference side by side, as Markdown: how far they agree, and which of them carries a harm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditor.adapters.printable import signed
from auditor.adapters.report.reward_views import signal_words
from auditor.adapters.run.reward_rows import RewardAgreementRow, RewardHarmRow
from auditor.adapters.summaries.markdown_text import folded, markdown_text, table
from auditor.adapters.summaries.summary_schema import RunSummary
from auditor.adapters.summaries.verdict_tables import NAME, TITLE
from auditor.core.reward_signals import SignalKind

_MOST = 12


def agreement_block(summary: RunSummary) -> Iterator[str]:
    """A folded table of every two signals on each probe, and who is harmed in which."""
    if not summary.agreements:
        return
    titles = {probe.name: probe.title for probe in summary.probes}
    rows = [_row(one, titles.get(one.probe, one.probe)) for one in summary.agreements[:_MOST]]
    headings = ["probe", "signals", "rank correlation:", "on the same side:", "items:"]
    blocks = [table(headings, rows)]
    if len(summary.agreements) > _MOST:
        blocks.append(f"The first {_MOST} of {len(summary.agreements)}; all stand in results.json.")
    blocks += [said] if (said := _carried(summary, titles)) else []
    yield folded("Rewards and preference: how far they agree", *blocks)


def _row(one: RewardAgreementRow, title: str) -> list[str]:
    signals = f"{_signal(one.kind, one.checkpoint)}, {_signal(one.other_kind, one.other_checkpoint)}"
    correlation = "n/a" if one.correlation is None else signed(one.correlation) + _interval(one)
    share = "n/a" if one.equal_signs is None else f"{100 * one.equal_signs:.0f}%"
    return [markdown_text(title, TITLE), signals, correlation, share, f"{one.items:,}"]


def _interval(one: RewardAgreementRow) -> str:
    return "" if one.low is None or one.high is None else f" ({signed(one.low)} to {signed(one.high)})"


def _signal(kind: SignalKind, checkpoint: str) -> str:
    return f"{signal_words(kind)} at {markdown_text(checkpoint, NAME)}"


def _carried(summary: RunSummary, titles: Mapping[str, str]) -> str:
    """Who is harmed in which signals, a list item an identity and probe."""
    harmed: dict[tuple[str, str, str, str], list[RewardHarmRow]] = {}
    for one in summary.reward_harms:
        if one.verdict == "harm":
            harmed.setdefault((one.probe, one.design, one.identity, one.axis), []).append(one)
    lines = []
    for (probe, _, identity, _), own in list(harmed.items())[:_MOST]:
        name = markdown_text(identity, NAME) or "(no identity named)"
        where = f" on {markdown_text(titles.get(probe, probe), TITLE)}" if len(titles) > 1 else ""
        lines.append(f"- {name}{where}: harm in {', '.join(_signal(one.kind, one.checkpoint) for one in own)}")
    if len(harmed) > _MOST:
        lines.append(f"- and {len(harmed) - _MOST} more, in report.json")
    return "\n".join(lines)
