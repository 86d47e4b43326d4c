"""A run in brief, selected from its results and manifest; no statistic is made here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from auditor.adapters.report.cells import Cell, Stage, cells_of
from auditor.adapters.report.level_units import LevelUnit, level_units
from auditor.adapters.report.probe_findings import MEASURES, headline_render
from auditor.adapters.run.branches import Branch, branch_to, branches_of
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.run.run_status import records, status_of
from auditor.adapters.summaries.attribution_lines import largest_parts
from auditor.adapters.summaries.headlines import basis_of, headline_parts
from auditor.adapters.summaries.summary_schema import (
    RunSummary,
    SummaryCell,
    SummaryCheckpoint,
    SummaryLeaf,
    SummaryMetric,
    SummaryProbe,
    SummaryReading,
    SummaryRefusal,
    SummaryStage,
)
from auditor.core.effects import VerdictName
from auditor.core.scores import Render
from auditor.errors import UsageError

_VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)


def summary_of(results: Results, manifest: Mapping[str, Any], checkpoint: str | None = None) -> RunSummary:
    """What a run found where training ends.

    Args:
        manifest: as it stands in the run folder; whatever it lacks is left empty.
        checkpoint: the only one to speak of; None for every leaf.

    Raises:
        UsageError: the series has no such checkpoint.
    """
    names = [one.name for one in results.series]
    if checkpoint is not None and checkpoint not in names:
        raise UsageError(
            f"the run has no checkpoint {checkpoint!r}", where="--checkpoint", fix=f"Give one of {', '.join(names)}."
        )
    branches = branches_of(results.series) if checkpoint is None else (branch_to(results.series, checkpoint),)
    measured = _measured(results.effects)
    renders = list(dict.fromkeys(one.render for one in results.effects))
    render = headline_render(results.effects) if renders else None
    cells = tuple(_cells(measured, branches, names, renders, render))
    metrics = tuple(_metrics(results.effects, [one.leaf for one in branches]))
    read = {(probe, one.checkpoint) for (probe, _), effects in measured.items() for one in effects}
    units = level_units(results)
    leaves = tuple(
        _leaf(branch, cells, sum(name == branch.leaf for _, name in read), units[branch.quantity])
        for branch in branches
    )
    told = [units[kind] for kind in units if any(branch.quantity == kind for branch in branches)]
    return RunSummary(
        schema_version=1,
        headline="".join(headline_parts(leaves, metrics, judged=not told[0].unjudged)),
        basis=basis_of(render, told, several=len(leaves) > 1) if read and render else "",
        status=status_of(manifest),
        auditor=str(manifest.get("auditor", "")),
        created=str(manifest.get("created", "")),
        command=str(manifest.get("command", "")),
        request_id=str(manifest.get("request_id", "")),
        render=render,
        renders=tuple(renders),
        unit=told[0].word,
        sesoi=told[0].sesoi,
        series=tuple(_checkpoints(results, manifest)),
        leaves=leaves,
        probes=tuple(map(_probe, records(manifest, "probes"))),
        cells=cells,
        metrics=metrics,
        cautions=results.cautions,
        refusals=tuple(_refusals(results)),
        attributions=() if render is None else tuple(largest_parts(results, measured, branches, render)),
        agreements=tuple(one for one in results.agreements if one.render == render),
        reward_harms=tuple(one for one in results.reward_harms if one.render == render),
    )


def summary_json(summary: RunSummary) -> str:
    """The text of ``report.json``."""
    return json.dumps(summary.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"


def _measured(effects: Iterable[EffectRow]) -> Mapping[tuple[str, str], Sequence[EffectRow]]:
    """Linear effects over all themes in harmful pairs, by probe and design."""
    found: dict[tuple[str, str], list[EffectRow]] = {}
    for one in effects:
        if one.theme is None and one.measure in MEASURES and one.valence == "harm":
            found.setdefault((one.probe, one.design), []).append(one)
    return found


def _cells(
    measured: Mapping[tuple[str, str], Sequence[EffectRow]],
    branches: Sequence[Branch],
    checkpoints: Sequence[str],
    renders: Sequence[Render],
    headline: Render | None,
) -> Iterator[SummaryCell]:
    for branch in branches:
        for effects in measured.values():
            for render in renders:
                readings = cells_of(effects, branch.leaf, checkpoints, render)
                for at, (reading, cells) in enumerate(readings):
                    for cell in cells:
                        yield _cell(cell, branch, reading, headline=at == 0 and render == headline)


def _cell(cell: Cell, branch: Branch, reading: SummaryReading, *, headline: bool) -> SummaryCell:
    last = cell.last
    stages = [_stage(one) for one in cell.stages if one.shift.checkpoint in branch.path]
    own = {name: getattr(last, name) for name in SummaryCell.model_fields if name in EffectRow.model_fields}
    return SummaryCell(
        **own
        | {
            "reading": reading,
            "headline": headline,
            "odds": _odds(last),
            "fragile_in": [one.dimension for one in last.robustness or () if one.agreeing < one.examined],
            "origin": next((one.origin for one in stages if one.checkpoint == branch.leaf), None),
            "stages": stages,
        }
    )


def _stage(stage: Stage) -> SummaryStage:
    return SummaryStage(**{name: getattr(stage.shift, name) for name in SummaryStage.model_fields})


def _odds(effect: EffectRow) -> float | None:
    if effect.unit != "nats" or effect.estimate is None:
        return None
    try:
        return math.exp(effect.estimate)
    except OverflowError:
        return None


def _metrics(effects: Iterable[EffectRow], leaves: Sequence[str]) -> Iterator[SummaryMetric]:
    for one in effects:
        over_all = one.identity is None and not one.axis
        if one.measure not in MEASURES and over_all and one.checkpoint in leaves:
            yield SummaryMetric(**{name: getattr(one, name) for name in SummaryMetric.model_fields})


def _leaf(branch: Branch, cells: Iterable[SummaryCell], probes: int, unit: LevelUnit) -> SummaryLeaf:
    own = [one for one in cells if one.headline and one.checkpoint == branch.leaf]
    harmful = [one for one in own if one.verdict == "harm"]
    return SummaryLeaf(
        checkpoint=branch.leaf,
        path=branch.path,
        harmed=tuple(sorted({one.identity for one in harmful})),
        inconclusive=tuple(sorted({one.identity for one in own if one.verdict == "inconclusive"})),
        probes_with_harm=len({one.probe for one in harmful}),
        probes_read=probes,
        counts={verdict: sum(one.verdict == verdict for one in own) for verdict in _VERDICTS},
        without_verdict=sum(one.verdict is None for one in own),
        unit=unit.word,
        sesoi=unit.sesoi,
    )


def _checkpoints(results: Results, manifest: Mapping[str, Any]) -> Iterator[SummaryCheckpoint]:
    prints = {one.get("name"): one.get("fingerprint") for one in records(manifest, "finished")}
    for one in results.series:
        yield SummaryCheckpoint(
            name=one.name,
            source=one.source,
            reference=one.reference,
            objective=one.objective,
            quantity=one.quantity,
            fingerprint=str(prints.get(one.name) or ""),
        )


def _probe(card: Mapping[str, Any]) -> SummaryProbe:
    items = card.get("items")
    name = str(card.get("name", ""))
    return SummaryProbe(
        name=name,
        title=str(card.get("title") or name),
        sha256=str(card.get("sha256", "")),
        items=items if isinstance(items, int) else 0,
    )


def _refusals(results: Results) -> Iterator[SummaryRefusal]:
    """By reason, the most frequent first."""
    counts: dict[Any, int] = {}
    for one in results.refusals:
        counts[one.reason] = counts.get(one.reason, 0) + one.count
    for reason, count in sorted(counts.items(), key=lambda one: -one[1]):
        yield SummaryRefusal(reason=reason, count=count)
