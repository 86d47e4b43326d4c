"""The verdicts of a run as Markdown tables, a row an identity; long tables are folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from auditor.adapters.printable import signed, span
from auditor.adapters.summaries.markdown_text import folded, markdown_text, table
from auditor.adapters.summaries.summary_schema import RunSummary, SummaryCell, SummaryLeaf
from auditor.core.effects import VerdictName
from auditor.core.metrics import METRICS

# Lengths at which names and titles are cut.
NAME, TITLE = 60, 100
# A table of so many rows stands open if one of them shows harm; of others only those that show harm or lean to it.
_OPEN_ROWS = 8
_MAX_ROWS = 40
_WORDS: Mapping[VerdictName | None, str] = {
    "harm": "harm",
    "inconclusive": "inconclusive",
    "no_meaningful_difference": "no meaningful difference",
    "lower_than_reference": "lower than reference",
    "affirming": "affirming",
    None: "no verdict",
    "refused": "refused",
}
_FAILED = {"failed_form": "failed its form-matched control", "failed_band": "within the control band"}
# By design and reading.
_CAPTIONS = {
    ("text_swap", "disparity"): "Disparity: the margin in excess of the reference identity, in otherwise equal texts.",
    ("text_swap", "preference"): "Preference: the margin of the harmful over the affirming text, against 0.",
    ("identity_swap", "disparity"): "Disparity: the same sentence about the marked group and about another group.",
    ("responsiveness", "disparity"): "Lost responsiveness: how much less a declaration moves the model than the "
    "reference identity's does.",
    ("responsiveness", "preference"): "Response: the margin after a declaration minus that without it; negative "
    "follows the declaration.",
}


def verdict_blocks(summary: RunSummary) -> Iterator[str]:
    """A table for each probe and end of training, then the published metrics."""
    titles = {probe.name: probe.title for probe in summary.probes}
    for leaf in summary.leaves:
        groups: dict[tuple[str, str], list[SummaryCell]] = {}
        for cell in summary.cells:
            if cell.headline and cell.checkpoint == leaf.checkpoint:
                groups.setdefault((cell.probe, cell.design), []).append(cell)
        for (probe, design), cells in groups.items():
            title = markdown_text(titles.get(probe, probe), TITLE)
            more = ": response to a declaration" if design == "responsiveness" else ""
            kind = "the reward model " if leaf.unit == "reward" and summary.unit == "nats" else ""
            where = f", at {kind}{markdown_text(leaf.checkpoint, NAME)}" if len(summary.leaves) > 1 else ""
            yield f"### {title}{more}{where}"
            yield _CAPTIONS.get((design, cells[0].reading), "")
            yield from _group(summary, leaf, cells)
    told = {one.probe for one in summary.cells} | {one.probe for one in summary.metrics}
    silent = [markdown_text(probe.title, TITLE) for probe in summary.probes if probe.name not in told]
    if silent:
        yield f"Nothing could be estimated on {'; '.join(silent)}."
    if summary.metrics:
        yield "### Published metrics and standardised differences"
        yield _metrics(summary, titles)


def _group(summary: RunSummary, leaf: SummaryLeaf, cells: Sequence[SummaryCell]) -> Iterator[str]:
    """The cells of one probe in the page's order: those to look at open, the others of many folded, refused counted."""
    judged = [one for one in cells if one.verdict != "refused"]
    first = [one for one in judged if _leans(one) or one.verdict is None]
    shown = judged if first and len(judged) <= _OPEN_ROWS else first
    rest = [one for one in judged if one not in shown]
    if shown:
        yield from _table(summary, leaf, shown)
    if rest:
        counts = Counter(map(_short, rest))
        which = f"The other {len(rest)}" if shown else f"None of {len(rest)} shows harm"
        what = ", ".join(f"{count} {words}" for words, count in counts.items())
        yield folded(f"{which}: {what}", *_table(summary, leaf, rest))
    if len(judged) < len(cells):
        yield f"Refused, for want of an interval: {len(cells) - len(judged)}."


def _leans(cell: SummaryCell) -> bool:
    """Whether it is harm, or leans to it, or was called harm before the controls were asked."""
    return cell.verdict == "harm" or (cell.verdict == "inconclusive" and (cell.low_adjusted or 0) > 0)


def _table(summary: RunSummary, leaf: SummaryLeaf, cells: Sequence[SummaryCell]) -> Iterator[str]:
    nats, staged = leaf.unit == "nats", any(map(_origins, cells))
    judged = any(one.verdict for one in cells)
    renders = [render for render in summary.renders if render != summary.render]
    elsewhere = {(*_subject(one), one.render): one for one in summary.cells if one.checkpoint == leaf.checkpoint}
    headings = ["identity", f"{unit_words(leaf.unit)}:", "adjusted interval:" if judged else "95% interval:"]
    headings += [*(["odds:"] if nats else []), "verdict", *(["where it came from"] if staged else [])]
    headings += [f"in {render} rendering" for render in renders]
    rows = []
    for one in cells[:_MAX_ROWS]:
        ends = (one.low_adjusted, one.high_adjusted) if judged else (one.low, one.high)
        row = [markdown_text(one.identity, NAME) or "(no identity named)", signed(one.estimate), span(*ends)]
        row += [*([odds_words(one.odds)] if nats else []), _verdict(one), *([_origins(one)] if staged else [])]
        row += [_beside(elsewhere.get((*_subject(one), render))) for render in renders]
        rows.append(row)
    yield table(headings, rows)
    if len(cells) > _MAX_ROWS:
        yield f"The first {_MAX_ROWS} of {len(cells)} in this order, which is not a ranking."


def _subject(cell: SummaryCell) -> tuple[str, ...]:
    return (cell.probe, cell.design, cell.identity, cell.axis, cell.reading)


def _beside(cell: SummaryCell | None) -> str:
    return f"{signed(cell.estimate)}, {_short(cell)}" if cell else ""


def _verdict(cell: SummaryCell) -> str:
    """A verdict and what is to be known of it."""
    words = [f"**{_short(cell)}**" if cell.verdict == "harm" else _short(cell)]
    failed = _FAILED.get(cell.controls or "")
    if failed:
        words.append(failed)
    elif cell.verdict != "harm" and _leans(cell):
        words.append("leaning to harm")
    if cell.verdict == "harm" and cell.controls == "absent":
        words.append("no controls")
    if cell.fragile:
        words.append(f"fragile ({', '.join(one.replace('_', ' ') for one in cell.fragile_in)})")
    if cell.below_noise:
        words.append("below the noise floor")
    return "; ".join(words)


def _short(cell: SummaryCell) -> str:
    if cell.verdict == "lower_than_reference" and cell.design == "identity_swap":
        return "lower than the other group"
    return _WORDS[cell.verdict]


def _origins(cell: SummaryCell) -> str:
    parts = []
    for one in cell.stages:
        name = markdown_text(one.checkpoint, NAME)
        if one.origin:
            origin = "origin unresolved" if one.origin == "unresolved" else one.origin
            parts.append(f"{origin} at {name}" + (", in step with overall sharpening" if one.in_step else ""))
        if one.levelled_down:
            parts.append(f"levelled down at {name}")
    return "; ".join(parts)


def _metrics(summary: RunSummary, titles: Mapping[str, str]) -> str:
    rows = [
        [
            markdown_text(titles.get(one.probe, one.probe), TITLE),
            METRICS[one.measure].title if one.measure in METRICS else markdown_text(one.measure),
            markdown_text(one.checkpoint, NAME),
            one.render,
            "n/a" if one.estimate is None else f"{one.estimate:.4g} {one.unit}",
            "n/a" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}",
        ]
        for one in summary.metrics
    ]
    return table(["probe", "metric", "at", "rendering", "value:", "95% interval:"], rows)


def unit_words(unit: str) -> str:
    """The unit of levels in words."""
    return "units of the reward" if unit == "reward" else unit


def odds_words(odds: float | None) -> str:
    """A factor on the odds of the harmful text."""
    if odds is None:
        return "n/a"
    return f"\u00d7{odds:.2f}" if 0.01 <= odds < 1000 else f"\u00d7{odds:.1e}"
