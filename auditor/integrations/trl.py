"""The audit inside a training loop: a callback for TRL's SFTTrainer, DPOTrainer, RewardTrainer and trainers like them.

trainer = DPOTrainer(..., callbacks=[BiasAuditCallback(probe="stigma", every=100)])
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from auditor.adapters.hf.live_models import LiveModel
from auditor.adapters.probe_files.probe_sizes import texts_of_tiers
from auditor.adapters.probe_files.probes import find_folder
from auditor.cli.asked_probes import DEFAULT_PROBES, asked_probes, opened_probes
from auditor.cli.options import Tier
from auditor.core.items import Probe
from auditor.integrations.live_audit import START, Training
from auditor.integrations.processes import in_main_process, refuse_shards
from auditor.integrations.training_log import trackers_of_caller
from auditor.integrations.training_options import (
    AskingOptions,
    Every,
    GateOptions,
    checked_every,
    checked_objective,
    checked_share,
    preference_of,
    training_gate,
)
from auditor.integrations.training_session import Events, Settings, TrainingSession
from auditor.python_interface import CompareOptions, PathOrText, audit_options


class BiasAuditCallback(TrainerCallback):
    """Audits the model while it is trained, against the model that training began with.

    Each audit is a run folder, ``OUT/step-000100``, that ``audit history OUT``, ``audit gate`` and ``audit report``
    read like any other. The model is scored where it is: it is neither copied nor loaded again, and training goes on as
    if there had been no audit, to the last bit. Of several processes the main one audits while the others wait.

    Args:
        probe: one or several, as in ``audit compare``.
        every: so many steps, each ``epoch``, or each time the trainer ``save``s. The end of training is audited always.
        out: folder of the run folders; ``reports/`` and the name of the trainer's output folder if there is none.
        tier: how much of a probe with a lexicon is asked; if there is none, what the budget can pay for.
        budget: the largest share of the time of training that audits may take; None for no limit. To keep to it audits
            are left out; the beginning and the end are audited all the same.
        gate: rules of ``audit gate``, or its options as a mapping; two failures in a row stop training.
        objective: the preference objective against the model that training began with: ``dpo``, ``dpo-norm``, ``none``,
            or ``auto`` to read it off the trainer's arguments. A reward model has none.
        strict: an error in an audit stops training; else it is one warning, and training goes on. An error before the
            first step always stops: nothing is lost yet.
        options: what else is asked, and how; see `AskingOptions`.

    Raises:
        UsageError: an argument or a probe is wrong.
    """

    def __init__(
        self,
        probe: PathOrText | Iterable[PathOrText] = ("stigma", "affirmation"),
        *,
        every: Every,
        out: PathOrText | None = None,
        tier: str | None = None,
        budget: float | None = 0.1,
        gate: str | Iterable[str] | GateOptions | None = None,
        objective: str = "auto",
        strict: bool = False,
        **options: Unpack[AskingOptions],
    ) -> None:
        for name in options:
            if name not in AskingOptions.__annotations__:
                raise TypeError(f"BiasAuditCallback() got an unexpected keyword argument {name!r}")
        head = None if options.get("head") is None else {START: options["head"]}
        self._options = audit_options(cast(CompareOptions, {**options, "head": head, "probe": probe, "tier": tier}))
        self._objective = checked_objective(objective)
        self._strict = strict
        self._out = None if out is None else Path(out).expanduser()
        # With a budget the cheapest tier is asked first, to know what an audit costs.
        tiers = (self._options.tier,) if tier else tuple(Tier) if budget is not None else (Tier.standard,)
        self._settings = Settings(
            checked_every(every),
            checked_share(budget),
            None if gate is None else training_gate(gate),
            self._options,
            tiers,
            self._probes,
            self._texts,
        )
        self._opened: dict[Tier, tuple[Probe, ...]] = {}
        self._probes(tiers[0])
        # Only the main process has a session; all of them know which training goes on, by its arguments, and at which
        # step an audit was last due.
        self._session: TrainingSession | None = None
        self._under_way: TrainingArguments | None = None
        self._attempted = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Score the model that training begins with."""
        model, trackers = kwargs["model"], trackers_of_caller()
        refuse_shards(model)
        again = args.auto_find_batch_size and self._under_way is args
        self._session, self._under_way, self._attempted = None, args, state.global_step

        def begin() -> bool:
            training = Training(str(args.output_dir), *preference_of(args, self._objective))
            out = self._out or Path("reports") / Path(str(args.output_dir)).resolve().name
            session = TrainingSession(self._settings, LiveModel(model), training, out, trackers, state.global_step)
            session.begin(Events(args, state, control, kwargs), again=again)
            self._session = session
            return False

        in_main_process(state.is_world_process_zero, begin, strict=True)
        return control

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Audit if so many steps have passed, or if the trainer is about to save; and after the last step."""
        every = self._settings.every
        due = (isinstance(every, int) and state.global_step % every == 0) or self._before_saving(control)
        return self._audit_if(due, Events(args, state, control, kwargs))

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Audit if an epoch has passed, or if the trainer is about to save."""
        due = self._settings.every == "epoch" or self._before_saving(control)
        return self._audit_if(due, Events(args, state, control, kwargs))

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Audit what was saved for being the best so far: that it is, was not known before."""
        return self._audit_if(self._settings.every == "save", Events(args, state, control, kwargs))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Audit the last step once it is known to be that, after an evaluation at the latest: trackers still listen."""
        is_end = control.should_training_stop or "train_runtime" in (kwargs.get("logs") or ())
        if not is_end or self._under_way is not args:
            return control
        return self._audit_if(True, Events(args, state, control, kwargs), is_end=True)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Audit the model that was loaded for being the best, and let go of it."""
        try:
            # The main process says whether it was audited: not all of them need see the folder of its checkpoint.
            if args.load_best_model_at_end or state.global_step != self._attempted:
                self._audit_at(loaded_step(args, state), Events(args, state, control, kwargs), is_end=True)
        finally:
            self._session = self._under_way = None
        return control

    def _before_saving(self, control: TrainerControl) -> bool:
        """The trainer's own callback has said so before this one is asked; what is logged is saved with the model."""
        return self._settings.every == "save" and control.should_save

    def _audit_if(self, due: bool, now: Events, *, is_end: bool = False) -> TrainerControl:
        step, is_end = now.state.global_step, is_end or now.control.should_training_stop
        if (due or is_end) and step != self._attempted:
            self._attempted = step
            if self._audit_at(step, now, is_end=is_end):
                now.control.should_training_stop = True
        return now.control

    def _audit_at(self, step: int, now: Events, *, is_end: bool) -> bool:
        def audit() -> bool:
            assert self._session is not None, "training began without a session"
            return self._session.audit(step, now, is_end=is_end)

        return in_main_process(now.state.is_world_process_zero, audit, strict=self._strict)

    def _probes(self, tier: Tier) -> tuple[Probe, ...]:
        """What a tier asks; opened once."""
        if tier not in self._opened:
            self._opened[tier] = asked_probes(replace(self._options, tier=tier))
        return self._opened[tier]

    def _texts(self, tier: Tier) -> int:
        """About how many texts a tier asks: of folders on their own axes, which need not be opened to know."""
        count = 0
        for one in self._options.probe or DEFAULT_PROBES:
            folder = find_folder(one)
            if folder is None:
                (probe,) = opened_probes(replace(self._options, probe=[one], axis=[], tier=tier))
                count += sum(len(item.candidates) for item in probe.items)
            else:
                count += texts_of_tiers(folder)[tier.value]
        return count


def loaded_step(args: TrainingArguments, state: TrainerState) -> int:
    """After how many updates the model is that training ends with: its last, or what was loaded for being the best.

    The best that was seen is not always one that was saved, so the checkpoint's own name says it.
    """
    best = state.best_model_checkpoint if args.load_best_model_at_end else None
    named = re.search(r"-(\d+)$", best) if best else None
    return int(named[1]) if named else state.global_step
