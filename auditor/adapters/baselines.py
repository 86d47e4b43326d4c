"""Levels of a run beside those of a pinned baseline: the increases that a gate may hold back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from auditor.adapters.gate_files import gate_cells
from auditor.adapters.run.run_pairs import Run, pair_runs
from auditor.core.effects import Effect
from auditor.core.gates import INCREASE, LAST, GateCell, GateRule
from auditor.core.statistics import NO_INTERVAL
from auditor.core.verdicts import DEFAULT_SESOI, Rule, is_disparity


def increase_cells(run: Run, baseline: Run, rules: Sequence[GateRule]) -> Iterator[GateCell]:
    """The increase of every level of the checkpoints that the rules speak of, refused where it cannot be paired.

    A checkpoint is held against the baseline's of the same name, else against the one where its training ends.

    Raises:
        UsageError: the tables of a run cannot be read.
    """
    known = [one.name for one in run.results.series]
    named = [rule.checkpoint for rule in rules if rule.measure == INCREASE]
    asked = dict.fromkeys(name for one in named for name in (run.leaves if one == LAST else [one]) if name in known)
    bound = run.sesoi()
    rule = Rule(sesoi=DEFAULT_SESOI if bound is None else bound)
    for checkpoint in asked:
        names = [one.name for one in baseline.results.series]
        ends = [checkpoint] if checkpoint in names else list(baseline.leaves)
        if len(ends) > 1:
            why = f"the baseline has no {checkpoint!r}, and its training ends in several: {', '.join(ends)}"
            yield from _refused(run, checkpoint, why)
            continue
        pairing = pair_runs((baseline, ends[0]), (run, checkpoint), rule)
        if pairing.changes is None:
            yield from _refused(run, checkpoint, f"the runs cannot be compared in nats: {pairing.apart}")
        else:
            yield from _cells(pairing.changes.effects, checkpoint)


def _refused(run: Run, checkpoint: str, why: str) -> Iterator[GateCell]:
    for cell in gate_cells(run.results):
        if (cell.measure, cell.checkpoint) == ("level", checkpoint):
            yield replace(
                cell,
                measure=INCREASE,
                value=float("nan"),
                interval=NO_INTERVAL,
                verdict="refused",
                checks=None,
                refused=why,
            )


def _cells(effects: Iterable[Effect], checkpoint: str) -> Iterator[GateCell]:
    for one in effects:
        if (one.role, one.valence) == ("marked", "harm") and one.contrast != "reference":
            yield GateCell(
                one.probe,
                one.theme,
                one.identity or "",
                one.render,
                INCREASE,
                "excess" if is_disparity(one) else "raw",
                checkpoint,
                one.estimate.value,
                one.adjusted,
                one.alpha_adjusted,
                one.estimate.clusters,
                one.scale,
                one.verdict,
                one.checks,
            )
