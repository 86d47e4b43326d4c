"""A probe as a task of lm-evaluation-harness: rows with weights, a few lines of metrics, and what names them.

The harness scores the pairs; each metric is a sum over rows whose weights were fixed here (`auditor.core.row_sums`),
so that it gives the numbers an audit gives, and not the harness's mean over rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.adapters.data_files import data_folder
from auditor.adapters.exports.new_folder import fill
from auditor.adapters.summaries.markdown_text import fenced, markdown_text, table
from auditor.core.items import Item, Probe
from auditor.core.row_sums import RowSum, row_sums
from auditor.errors import UsageError
from auditor.version import __version__

ROWS, METRICS, DATASHEET = "items.jsonl", "metrics.py", "README.md"
UNREADABLE = "rows that are not what their format promises"
_SAID = {
    "margin": "mean of log p(harmful) - log p(affirming), nats; positive prefers the harmful text",
    "share_positive": "share of pairs whose margin lies above 0",
    "excess": "margin beside the reference rows, nats: positive where the identity is treated worse",
}


@dataclass(frozen=True, slots=True)
class HarnessTask:
    """A probe's pairs as the harness asks them.

    Attributes:
        name: of the task.
        items: those that are asked.
        sums: over ``items``, by the name of their metric.
        left_out: items that are not asked, by the reason.
        canary: a text that finds the rows in training data, "" for none.
    """

    name: str
    probe: Probe
    items: tuple[Item, ...]
    sums: dict[str, RowSum]
    left_out: dict[str, int]
    canary: str


def harness_task(probe: Probe, canary: str = "") -> HarnessTask:
    """What of a probe can be asked as pairs in plain text.

    Args:
        canary: of the probe's folder.

    Raises:
        UsageError: nothing can.
    """
    reasons = [_reason(item) for item in probe.items]
    items = [item for item, reason in zip(probe.items, reasons, strict=True) if not reason]
    sums = row_sums(items)
    asked = sorted({at for one in sums for at in one.rows.tolist()})
    left_out = {reason: reasons.count(reason) for reason in dict.fromkeys(filter(None, reasons))}
    if len(asked) < len(items):
        left_out["neutral pairs and control identities, which a metric would not show"] = len(items) - len(asked)
    if not asked:
        raise UsageError(
            "no row is a pair in plain text about a marked or reference identity",
            where=probe.card.source,
            fix="Give a probe with a harmful and an affirming text in each row.",
        )
    unreadable = sum(one.count for one in probe.refusals)
    if unreadable:
        left_out[UNREADABLE] = unreadable
    kept = tuple(items[at] for at in asked)
    return HarnessTask(f"auditor_{_slug(probe.name)}", probe, kept, _named(row_sums(kept)), left_out, canary)


def write_harness_task(task: HarnessTask, folder: Path) -> None:
    """Write the task's folder.

    Raises:
        UsageError: it is there already and not empty, or cannot be written.
        StorageError: the disk is full.
    """
    metrics = data_folder("templates") / "lm_eval" / METRICS
    files = {
        ROWS: "".join(_rows(task)),
        METRICS: metrics.read_text(encoding="utf-8"),
        DATASHEET: "\n\n".join(_datasheet(task)) + "\n",
        # Last, as it makes the folder a task.
        f"{task.name}.yaml": "".join(_task_lines(task)),
    }
    fill(folder, files)


def _reason(item: Item) -> str:
    """Why an item cannot be asked; "" where it can."""
    if item.pair is None:
        return "rows without a harmful and an affirming text"
    if item.design == "responsiveness":
        return "rows of lost responsiveness, which are differences of two"
    return "conversations without a context of their own" if item.messages and not item.context else ""


def _slug(name: str) -> str:
    """A name of letters, digits and underscores: the harness splits names at commas and takes * for a pattern."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "x"


def _named(sums: Sequence[RowSum]) -> dict[str, RowSum]:
    """Each sum under a name of its own, the axis in it only where two would else be called alike."""
    found: dict[str, RowSum] = {}
    for one in sums:
        swapped = "swap" if one.design == "identity_swap" and not one.identity else ""
        parts = [part for part in (one.kind, swapped, one.identity and _slug(one.identity)) if part]
        name = "_".join(parts)
        if name in found:
            name = f"{name}_{_slug(one.axis)}"
        stem, number = name, 2
        while name in found:
            name, number = f"{stem}_{number}", number + 1
        found[name] = one
    return found


def _rows(task: HarnessTask) -> Iterator[str]:
    weights: list[list[dict[str, object]]] = [[] for _ in task.items]
    for name, one in task.sums.items():
        for at, weight in zip(one.rows.tolist(), one.weights.tolist(), strict=True):
            weights[at].append({"metric": name, "weight": weight, "rows": len(one.rows)})
    for item, own in zip(task.items, weights, strict=True):
        assert item.pair is not None
        choices = [item.candidates[at].text for at in item.pair]
        row = {"id": item.id, "context": item.context + item.prefix, "choices": choices, "weights": own}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _task_lines(task: HarnessTask) -> Iterator[str]:
    yield f"task: {task.name}\n"
    yield "tag: auditor\n"
    yield "custom_dataset: !function metrics.rows\n"
    yield "output_type: multiple_choice\n"
    yield "test_split: test\nnum_fewshot: 0\n"
    yield 'doc_to_text: context\ndoc_to_choice: choices\ndoc_to_target: 0\ntarget_delimiter: ""\n'
    yield "process_results: !function metrics.process_results\n"
    yield "metric_list:\n"
    for name in task.sums:
        yield f"  - metric: {name}\n    aggregation: !function metrics.weighted_sum\n    higher_is_better: false\n"
    yield f"metadata:\n  version: 1\n  auditor: {json.dumps(__version__)}\n"
    yield f"  probe_sha256: {json.dumps(task.probe.card.sha256)}\n"


def _datasheet(task: HarnessTask) -> Iterator[str]:
    card = task.probe.card
    yield f"# {task.name}"
    yield f"{markdown_text(card.title)}, as a task of lm-evaluation-harness. Written by auditor {__version__}."
    if card.content_warning:
        yield f"> **Content warning.** {markdown_text(card.content_warning)}"
    yield f"    lm_eval --model hf --model_args pretrained=MODEL,dtype=float32 --tasks {task.name} --include_path ."
    yield (
        "Texts are asked as they stand: no few-shot examples, no chat template, no end of turn. The numbers are those "
        "of `audit score MODEL --render plain --end none`. A metric is NaN where rows are missing (`--limit`). No "
        "error is printed: over rows it would be too small, as rows that share a predicate are not independent. "
        "Intervals over predicates, verdicts and controls are the audit's."
    )
    yield table(["metric", "identity", "axis", "rows", "what it says"], [_described(*one) for one in task.sums.items()])
    for reason, count in task.left_out.items():
        yield f"Left out: {count:,} {reason}."
    for name, text in (("Licence", card.licence), ("Citation", card.citation)):
        if text:
            yield f"{name}: {markdown_text(text)}"
    if task.canary:
        yield "Canary, which stands nowhere else and finds these rows in training data:"
        yield fenced(task.canary)
    yield from (f"Note: {markdown_text(one)}" for one in card.notes)
    yield from (f"Limit: {markdown_text(one)}" for one in card.defects)


def _described(name: str, one: RowSum) -> list[str]:
    who = markdown_text(one.identity) if one.identity else "all marked"
    return [f"`{name}`", who, markdown_text(one.axis), f"{len(one.rows):,}", _SAID[one.kind]]
