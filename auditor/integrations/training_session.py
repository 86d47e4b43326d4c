"""The audits of one training, in its main process: how much is asked, when there is time, and what is said of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from auditor.adapters.hf.live_models import LiveModel
from auditor.adapters.printable import on_one_line
from auditor.adapters.run.run_folder import read_manifest, replace_results
from auditor.cli.gate import judge
from auditor.cli.options import AuditOptions, Tier
from auditor.core.items import Probe
from auditor.core.scores import CheckpointScores
from auditor.errors import UsageError
from auditor.integrations.audit_budget import AuditBudget, affordable, expected_seconds
from auditor.integrations.live_audit import AuditedStep, LiveAudit, Training, step_name
from auditor.integrations.training_log import PREFIX, at_step, harm_numbers, log_numbers
from auditor.integrations.training_options import Every, TrainingGate

_log = logging.getLogger(__name__)

_FAILURES_THAT_STOP = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How the audits of a training are made.

    Attributes:
        options: of ``audit compare``, as far as they say what is asked.
        tiers: that may be asked, the cheapest first.
        probes: what a tier asks.
        texts: about how many texts that are.
    """

    every: Every
    share: float | None
    gate: TrainingGate | None
    options: AuditOptions
    tiers: Sequence[Tier]
    probes: Callable[[Tier], tuple[Probe, ...]]
    texts: Callable[[Tier], int]


@dataclass(frozen=True, slots=True)
class Events:
    """What a trainer hands to a callback."""

    args: TrainingArguments
    state: TrainerState
    control: TrainerControl
    held: Mapping[str, Any]


class TrainingSession:
    """The audits of one training.

    Args:
        out: folder of its run folders.
        trackers: that are told the numbers.
        first: the step it begins at, more than 0 where it is resumed.
    """

    def __init__(
        self,
        settings: Settings,
        live: LiveModel,
        training: Training,
        out: Path,
        trackers: Sequence[TrainerCallback],
        first: int,
    ) -> None:
        self._settings, self._live, self._training, self._out = settings, live, training, out
        self._trackers, self._first = trackers, first
        self._budget = AuditBudget(settings.share)
        self._tier = settings.tiers[0]
        self._audit: LiveAudit | None = None
        self._tried: set[int] = set()
        self._made: list[int] = []
        self._skipped: list[int] = []
        self._failures = 0

    def begin(self, now: Events, *, again: bool = False) -> None:
        """Choose how much is asked, score the model as it is, and audit it by itself.

        Args:
            again: training was begun before and begins anew, as a trainer does that looks for a smaller batch.

        Raises:
            AuditError: see `LiveAudit`; the folder holds the runs of another training, or the gate cannot be asked.
        """
        resumed, tiers, began = self._first > 0 or again, self._settings.tiers, time.perf_counter()
        one_began = began
        if resumed:
            tiers = _earlier_tier(self._out) or tiers[:1]
            _warn_of_later(self._out, self._first)
        else:
            _refuse_earlier(self._out)
        self._tier = tiers[0]
        self._audit, found = self._scored(now, resumed=resumed)
        if len(tiers) > 1:
            self._tier = self._affordable(now, found, time.perf_counter() - began)
            if self._tier != tiers[0]:
                one_began = time.perf_counter()
                self._audit, _ = self._scored(now, resumed=False)
        done = None if resumed else self._audit.audit(0)
        if done is not None:
            # Whatever it says of the beginning: rules that cannot be asked are found before the first step.
            self._gate_failed(done.run, 0)
        ended = time.perf_counter()
        self._budget.begin(ended - began, ended - one_began)
        if done is not None:
            self._state_cost(done, 0, now.state)

    def audit(self, step: int, now: Events, *, is_end: bool) -> bool:
        """Audit the model as it is, log and judge, unless there is no time for it.

        Args:
            step: updates the model has had.
            is_end: of training, which is audited whatever it takes.

        Returns:
            Whether training is to stop.

        Raises:
            AuditError: see `LiveAudit.audit`.
        """
        assert self._audit is not None, "it must begin first"
        if step in self._tried:
            return False
        state = now.state
        progress = (step - self._first) / max(state.max_steps - self._first, 1)
        if not is_end and not self._budget.allows(progress):
            self._skipped.append(step)
            _log.info("step %d: no audit, to keep to %s of the time of training", step, self._settings.share)
            return False
        self._tried.add(step)
        began = time.perf_counter()
        try:
            done = self._audit.audit(step)
            failed = self._gate_failed(done.run, step)
        finally:
            # What came to nothing took its time as well.
            seconds = time.perf_counter() - began
            self._budget.spend(seconds)
        self._made.append(step)
        numbers = harm_numbers(done.results, done.checkpoint)
        numbers |= {f"{PREFIX}/audit_seconds": seconds, f"{PREFIX}/audit_share": self._budget.taken}
        if failed is not None:
            self._failures = self._failures + 1 if failed else 0
            numbers[f"{PREFIX}/gate_failed"] = float(failed)
        self._state_cost(done, step, state)
        # The best model is loaded when trackers have let go of the training: most would open another run for it.
        trackers = self._trackers if step == state.global_step else ()
        log_numbers(numbers, trackers, now.args, at_step(state, step), now.control)
        _log.info("step %d: audited in %.1f s: %s", step, seconds, done.run)
        if is_end:
            self._say_overspending()
        return self._stops(step, done.run, is_end=is_end)

    def _scored(self, now: Events, *, resumed: bool) -> tuple[LiveAudit, CheckpointScores]:
        """An audit of the tier, its beginning scored."""
        options = replace(self._settings.options, tier=self._tier)
        probes = self._settings.probes(self._tier)
        audit = LiveAudit(self._live, now.held.get("processing_class"), self._training, probes, options, self._out)
        return audit, audit.begin(resumed=resumed)

    def _affordable(self, now: Events, found: CheckpointScores, seconds: float) -> Tier:
        """The largest tier that the share of this training pays for, as far as its length can be told beforehand.

        Args:
            found: the beginning scored on the first tier, which took so many seconds.
        """
        args, tiers, share = now.args, self._settings.tiers, self._settings.share
        rows = getattr(now.held.get("train_dataloader"), "dataset", None)
        rows_a_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
        forward_s, went = found.timings.get("forward_s", 0.0), float(found.work.get("nodes") or found.work["tokens"])
        expected = expected_seconds(rows, rows_a_step, now.state.max_steps, went / forward_s) if forward_s else None
        if expected is None or share is None:
            return tiers[0]

        texts = self._settings.texts
        costs = ((tier.value, seconds * texts(tier) / texts(tiers[0])) for tier in tiers)
        return Tier(affordable(costs, planned_audits(self._settings.every, args, now.state), expected, share))

    def _gate_failed(self, run: Path, step: int) -> bool | None:
        """None without a gate; what fails is told at every audit, since a probe too small to say anything fails too."""
        gate = self._settings.gate
        if gate is None:
            return None
        judged = judge(run, gate.fail_on, gate.on_inconclusive, gate.baseline)
        if judged.holding:
            _log.warning("step %d: the gate fails: %s", step, on_one_line(judged.why))
        return bool(judged.holding)

    def _stops(self, step: int, run: Path, *, is_end: bool) -> bool:
        stops = self._failures >= _FAILURES_THAT_STOP and not is_end
        if stops:
            _log.warning("step %d: the gate failed twice in a row, and training stops; see %s", step, run)
        return stops

    def _say_overspending(self) -> None:
        share, taken = self._settings.share, self._budget.taken
        if share is not None and taken > share:
            _log.warning(
                "audits took %.0f%% of the time of training, more than the %.0f%% they were given: ask less (tier, "
                "limit) or give more (budget)",
                100 * taken,
                100 * share,
            )

    def _state_cost(self, done: AuditedStep, step: int, state: TrainerState) -> None:
        """Say in the manifest what the audits have taken so far."""
        said = {
            "step": step,
            "epoch": at_step(state, step).epoch,
            "tier": self._tier.value,
            "budget": self._settings.share,
            "beginning_s": self._budget.beginning_s,
            "audits_s": self._budget.audits_s,
            "training_s": self._budget.training_s,
            "audited": list(self._made),
            "skipped": list(self._skipped),
        }
        replace_results(done.run, done.results, training=said)


def planned_audits(every: Every, args: TrainingArguments, state: TrainerState) -> int:
    """About how many audits a training will have, the beginning and the end included."""
    if isinstance(every, int):
        between = state.max_steps // every
    elif every == "save" and args.save_strategy == "steps" and state.save_steps:
        between = state.max_steps // int(state.save_steps)
    else:
        between = state.num_train_epochs
    return between + 2


def _warn_of_later(out: Path, first: int) -> None:
    """Runs of what is trained anew now may be of other weights than the training's."""
    later = [name for name in _audited_steps(out) if name > step_name(first)]
    if later:
        _log.warning(
            "%s holds runs after step %d, such as %s: each stays until this training audits that step",
            out,
            first,
            later[0],
        )


def _audited_steps(out: Path) -> list[str]:
    return sorted(one.name for one in out.glob("step-*") if one.name != step_name(0))


def _refuse_earlier(out: Path) -> None:
    """Runs of two trainings in one folder would look like one."""
    earlier = _audited_steps(out)
    if earlier:
        raise UsageError(
            f"the folder holds the runs of an earlier training, such as {earlier[0]}",
            where=f"out={str(out)!r}",
            fix="Give another folder with out=, or remove this one.",
        )


def _earlier_tier(out: Path) -> tuple[Tier, ...] | None:
    """The tier that a training which is resumed asked before; None where that is not known."""
    try:
        return (Tier(read_manifest(out / step_name(0))["training"]["tier"]),)
    except (UsageError, KeyError, TypeError, ValueError):
        return None
