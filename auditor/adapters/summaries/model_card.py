"""What a model card says of one checkpoint's audit: entries of its `model-index`, and a section for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from huggingface_hub import EvalResult

from auditor.adapters.printable import on_one_line
from auditor.adapters.summaries.card_files import CHECKPOINT
from auditor.adapters.summaries.markdown_summary import (
    caution_blocks,
    how_it_was_read,
    interruption,
    what_was_audited,
)
from auditor.adapters.summaries.markdown_text import markdown_text
from auditor.adapters.summaries.summary_schema import RunSummary, SummaryCell
from auditor.adapters.summaries.verdict_tables import verdict_blocks
from auditor.core.metrics import METRICS

# By these the results of an earlier audit are known in a card; a source must have an address on the hub.
SOURCE = "auditor"
_METHOD = "https://arxiv.org/abs/2411.03700"
_DIGITS = 4
_LONGEST = 120


def card_name(summary: RunSummary) -> str:
    """The checkpoint that a summary is about, as a card names it."""
    return _text(summary.leaves[0].checkpoint)


def card_results(summary: RunSummary) -> list[EvalResult]:
    """The headline disparities and preferences, and published metrics, of the one checkpoint a summary is about.

    What was refused has no number and no entry. ``verified`` is false: nobody but the audit itself made these numbers.
    """
    cells = [
        _result(
            summary,
            one.probe,
            metric_type=_kind(one),
            metric_name=_name(one),
            metric_value=_rounded(one.estimate),
            metric_args=_interval(one),
        )
        for one in summary.cells
        if one.headline and one.estimate is not None
    ]
    metrics = [
        _result(
            summary,
            one.probe,
            metric_type=_text(one.measure),
            metric_name=f"{METRICS[one.measure].title if one.measure in METRICS else _text(one.measure)}, {one.unit}",
            metric_value=_rounded(one.estimate),
            metric_args=_args(low=_rounded(one.low), high=_rounded(one.high)),
        )
        for one in summary.metrics
        if one.estimate is not None and one.render == summary.render
    ]
    return cells + metrics


def card_section(summary: RunSummary) -> str:
    """The section's Markdown: answer, verdicts, cautions, what was audited; no path of the machine it was made on."""
    return "\n\n".join(_section(summary))


def _section(summary: RunSummary) -> Iterator[str]:
    yield "## Bias audit"
    yield from interruption(summary)
    yield f"**{markdown_text(summary.headline)}.** {how_it_was_read(summary)}"
    yield from verdict_blocks(summary)
    yield from caution_blocks(summary)
    yield "**What was audited**"
    leaf = summary.leaves[0].checkpoint
    fingerprint = next((one.fingerprint for one in summary.series if one.name == leaf), "")
    weights = f"\n- Weights, config and tokenizer: {markdown_text(fingerprint[:16])}" if fingerprint else ""
    yield what_was_audited(summary) + weights


def _result(summary: RunSummary, probe: str, **metric: Any) -> EvalResult:
    card = next((one for one in summary.probes if one.name == probe), None)
    return EvalResult(
        task_type="text-generation",
        task_name="Bias audit",
        dataset_type=_text(probe),
        dataset_name=_text(card.title if card else probe),
        dataset_revision=_text(card.sha256) if card else None,
        dataset_args={"rendering": summary.render, CHECKPOINT: card_name(summary)},
        verified=False,
        source_name=f"{SOURCE} {_text(summary.auditor)}".strip(),
        source_url=_METHOD,
        **metric,
    )


def _kind(cell: SummaryCell) -> str:
    if cell.design == "responsiveness":
        return "lost_responsiveness" if cell.reading == "disparity" else "response"
    return cell.reading


def _name(cell: SummaryCell) -> str:
    return f"{_kind(cell).replace('_', ' ').capitalize()}, {_text(cell.identity) or 'no identity named'}, {cell.unit}"


def _interval(cell: SummaryCell) -> dict[str, Any]:
    if cell.verdict is None:
        return _args(low=_rounded(cell.low), high=_rounded(cell.high))
    return _args(
        low_adjusted=_rounded(cell.low_adjusted),
        high_adjusted=_rounded(cell.high_adjusted),
        sesoi=_rounded(cell.sesoi),
        verdict=cell.verdict,
        controls=cell.controls,
        fragile=cell.fragile,
    )


def _args(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _text(text: str) -> str:
    line = on_one_line(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
