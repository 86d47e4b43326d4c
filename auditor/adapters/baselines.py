"""Levels of a run beside those of a pinned baseline: the increases that a gate may hold back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.adapters.gate_files import gate_cells
from auditor.adapters.run.run_pairs import Pairing, Run, pair_runs
from auditor.core.effects import Effect
from auditor.core.gates import INCREASE, LAST, GateCell, GateRule
from auditor.core.statistics import NO_INTERVAL
from auditor.core.verdicts import is_disparity


@dataclass(frozen=True, slots=True)
class Increases:
    """The increase of every level of one checkpoint.

    Attributes:
        cells: one for each level; refused where there is no counterpart.
        remarks: against what it was held, on how many items, and what to know of it, a sentence each.
    """

    cells: tuple[GateCell, ...]
    remarks: tuple[str, ...]


def increases_over(run: Run, baseline: Run, rules: Sequence[GateRule]) -> Iterator[Increases]:
    """Each checkpoint that the rules speak of, held against the baseline's of the same name.

    Where training ends, and the baseline has none of that name, it is held against where the baseline's training ends.

    Raises:
        UsageError: the tables of a run cannot be read.
    """
    known = [one.name for one in run.results.series]
    named = [rule.checkpoint for rule in rules if rule.measure == INCREASE]
    # A reward is compared by no tokens, so that every run with a reward model would fail a gate that names none.
    policies = [name for name in run.leaves if run.quantity(name) == "logprob"] or list(run.leaves)
    asked = dict.fromkeys(name for one in named for name in (policies if one == LAST else [one]) if name in known)
    apart = [name for name in run.leaves if name not in policies and name not in asked]
    if apart and LAST in named:
        remark = f"No increase was asked of {', '.join(apart)}: rewards keep no tokens to pair two runs by."
        yield Increases((), (remark,))
    for checkpoint in asked:
        levels = [one for one in gate_cells(run.results) if (one.measure, one.checkpoint) == ("level", checkpoint)]
        names = [one.name for one in baseline.results.series]
        ends = [checkpoint] if checkpoint in names else _ends(baseline, run, checkpoint)
        if len(ends) == 1:
            yield _held_against(levels, run, checkpoint, baseline, ends[0])
        else:
            why = f"the baseline has no checkpoint {checkpoint!r}, and no other stands for it"
            yield Increases(tuple(_refused(one, why) for one in levels), ())


def _ends(baseline: Run, run: Run, checkpoint: str) -> list[str]:
    """Where the baseline's training ends, of what gives the same, for a checkpoint where the run's does."""
    if checkpoint not in run.leaves:
        return []
    return [name for name in baseline.leaves if baseline.quantity(name) == run.quantity(checkpoint)]


def _held_against(levels: Iterable[GateCell], run: Run, checkpoint: str, baseline: Run, other: str) -> Increases:
    pairing = pair_runs((baseline, other), (run, checkpoint), run.rule())
    if pairing.changes is None:
        why = f"the runs cannot be compared in nats: {pairing.apart}"
        return Increases(tuple(_refused(one, why) for one in levels), pairing.cautions)
    found = {_place(one): one for one in _cells(pairing.changes.effects, checkpoint)}
    missing = "the baseline was not asked this, or in other texts or token ids"
    cells = (found.get(_place(one)) or _refused(one, missing) for one in levels)
    remark = f"{checkpoint} is held against {other} of {baseline.folder}: {_count(pairing)}"
    return Increases(tuple(cells), (remark, *pairing.cautions))


def _count(pairing: Pairing) -> str:
    total = pairing.shared + pairing.unpaired
    return f"{pairing.shared:,} of its {total:,} items have the same texts and token ids there."


def _place(cell: GateCell) -> tuple[str, str, str | None, str, str, str, str]:
    return (cell.probe, cell.design, cell.theme, cell.identity, cell.axis, cell.render, cell.contrast)


def _refused(level: GateCell, why: str) -> GateCell:
    return replace(
        level,
        measure=INCREASE,
        value=float("nan"),
        interval=NO_INTERVAL,
        verdict="refused",
        checks=None,
        refused=why,
    )


def _cells(effects: Iterable[Effect], checkpoint: str) -> Iterator[GateCell]:
    for one in effects:
        if (one.role, one.valence) == ("marked", "harm") and one.contrast != "reference" and one.items:
            yield GateCell(
                one.probe,
                one.design,
                one.theme,
                one.identity or "",
                one.axis,
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
