"""What carries most of the harm that an audit found, for `RunSummary` and in a line of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from auditor.adapters.printable import signed
from auditor.adapters.report.attribution.attribution_splits import Splits, splits_of
from auditor.adapters.report.attribution.carriers import ROLE_WORDS, carriers_of
from auditor.adapters.report.cells import cells_of
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.summaries.markdown_text import markdown_text
from auditor.adapters.summaries.summary_schema import RunSummary, SummaryAttribution
from auditor.core.attributions import AttributionMethod
from auditor.core.scores import Render

_NAME = 60
# So many identities stand in the line, and of each what these methods say; the others are in ``report.json``.
_MOST = 4
_METHODS: Mapping[AttributionMethod, str] = {"tokens": "output tokens", "path": "parameter path"}


def largest_parts(
    results: Results,
    measured: Mapping[tuple[str, str], Sequence[EffectRow]],
    branches: Sequence[Branch],
    render: Render,
) -> Iterator[SummaryAttribution]:
    """The largest part of each identity that shows harm, by each method: of the last stage's shift, or of the level.

    Args:
        measured: linear effects by probe and design.
        render: the headline rendering.
    """
    names = [one.name for one in results.series]
    for branch in branches:
        for (probe, _), effects in measured.items():
            readings = cells_of(effects, branch.leaf, names, render)
            cells = readings[0][1] if readings else ()
            found = splits_of(results, probe, effects[0].design, cells, branch, render)
            for splits in (*found.leading, *found.modules[:1]):
                yield from _largest(probe, splits)


def _largest(probe: str, splits: Splits) -> Iterator[SummaryAttribution]:
    for one in carriers_of(splits):
        own = {name: getattr(one.part, name) for name in SummaryAttribution.model_fields if hasattr(one.part, name)}
        own["excess"] = splits.excess
        own["reference_part"] = one.shared
        yield SummaryAttribution(**{**own, "probe": probe})


def attribution_line(summary: RunSummary) -> Iterator[str]:
    """One line where something was attributed of a harm, else none."""
    groups: dict[tuple[str, ...], list[SummaryAttribution]] = {}
    for one in summary.attributions:
        if one.method not in _METHODS:
            continue
        groups.setdefault((one.probe, one.design, one.identity, one.axis, one.checkpoint), []).append(one)
    if not groups:
        return
    said = [_said(own) for own in list(groups.values())[:_MOST]]
    more = f"; {len(groups) - _MOST} more in report.json" if len(groups) > _MOST else ""
    yield f"**Largest parts**, in nats, in terms of accounting: {'; '.join(said)}{more}."


def _said(own: Sequence[SummaryAttribution]) -> str:
    first, parts = own[0], []
    for one in own:
        unit = markdown_text(ROLE_WORDS.get(one.unit, one.unit), _NAME)
        beside = "" if one.reference_part is None else f", reference rows {signed(one.reference_part)}"
        parts.append(f"{unit} {signed(one.estimate)} of {signed(one.total)}{beside} ({_METHODS[one.method]})")
    name = markdown_text(first.identity, _NAME) or "(no identity named)"
    leaf, before = (markdown_text(one or "", _NAME) for one in (first.checkpoint, first.reference))
    number = f"level at {leaf}" if first.reference is None else f"shift {before} → {leaf}"
    return f"{name}, {'excess ' if first.excess else ''}{number}: {', '.join(parts)}"
