"""Levels of a run beside those of a pinned baseline: the increases that a gate may hold back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.adapters.gate_files import gate_cells
from auditor.adapters.run.run_pairs import UNITS, Pairing, Run, pair_runs
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
    names = [rule.checkpoint for rule in rules if rule.measure == INCREASE]
    named = [name for name in dict.fromkeys(names) if name in known]
    leaves = run.leaves if LAST in names else ()
    stands_beside = len({run.quantity(name) for name in leaves}) > 1
    for checkpoint in dict.fromkeys((*leaves, *named)):
        found = _increases(run, checkpoint, baseline)
        beside = stands_beside and run.quantity(checkpoint) == "reward" and checkpoint not in named
        # A reward model beside a series that has no counterpart would fail every gate that does not speak of it.
        if beside and (why := _nowhere(found.cells)):
            yield Increases((), (f"No increase was asked of {checkpoint}: {why}.",))
        else:
            yield found


def _increases(run: Run, checkpoint: str, baseline: Run) -> Increases:
    levels = [one for one in gate_cells(run.results) if (one.measure, one.checkpoint) == ("level", checkpoint)]
    names = [one.name for one in baseline.results.series]
    ends = [checkpoint] if checkpoint in names else _ends(baseline, run, checkpoint)
    if len(ends) == 1:
        return _held_against(levels, run, checkpoint, baseline, ends[0])
    why = f"the baseline has no checkpoint {checkpoint!r}, and no other stands for it"
    return Increases(tuple(_refused(one, why) for one in levels), ())


def _nowhere(cells: Sequence[GateCell]) -> str:
    """Why nothing of a checkpoint could be held against a baseline, "" where something could."""
    return cells[0].refused if cells and all(one.refused for one in cells) else ""


def _ends(baseline: Run, run: Run, checkpoint: str) -> list[str]:
    """Where the baseline's training ends, of what gives the same, for a checkpoint where the run's does."""
    if checkpoint not in run.leaves:
        return []
    return [name for name in baseline.leaves if baseline.quantity(name) == run.quantity(checkpoint)]


def _held_against(levels: Iterable[GateCell], run: Run, checkpoint: str, baseline: Run, other: str) -> Increases:
    quantity = run.quantity(checkpoint)
    pairing = pair_runs((baseline, other), (run, checkpoint), run.rule(quantity=quantity))
    if pairing.changes is None:
        why = f"the runs cannot be compared in {UNITS[quantity]}: {pairing.apart}"
        return Increases(tuple(_refused(one, why) for one in levels), pairing.cautions)
    explicit = quantity == "reward"
    found = {_place(one): one for one in _cells(pairing.changes.effects, checkpoint, explicit=explicit)}
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


def _cells(effects: Iterable[Effect], checkpoint: str, *, explicit: bool) -> Iterator[GateCell]:
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
                explicit=explicit,
            )
