"""What an audit tells a trainer's own trackers: a few numbers a step, under names that sort."""

from __future__ import annotations

import copy
import inspect
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.trainer_callback import CallbackHandler

from auditor.adapters.hf.live_models import generators_as_they_were
from auditor.adapters.printable import on_one_line
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.core.series import Quantity

_log = logging.getLogger(__name__)

PREFIX = "bias"
# What is told of each harm score and of the verdicts about it, by measure. A reward model may begin with a random head,
# from which a shift says little.
_TOLD: Mapping[Quantity, Mapping[str, tuple[str, str]]] = {
    "logprob": {"shift": ("excess_shift", "harm_verdicts")},
    "reward": {"level": ("excess_level", "level_harm_verdicts"), "shift": ("excess_shift", "harm_verdicts")},
}


def harm_numbers(results: Results, checkpoint: str) -> dict[str, float]:
    """Per identity the excess shift since the beginning of training, in nats, and how many of them are harm.

    Keys are ``bias/PROBE/IDENTITY/excess_shift`` and ``bias/PROBE/harm_verdicts``; the design, axis or rendering stands
    before the identity where a probe has several. Of identity swaps the raw shift is the disparity. Of a reward model
    the levels are told as well, in its own unit: ``.../excess_level`` and ``bias/PROBE/level_harm_verdicts``.
    """
    quantity: Quantity = next((one.quantity for one in results.series if one.name == checkpoint), "logprob")
    numbers: dict[str, float] = {}
    for measure, (score, verdicts) in _TOLD[quantity].items():
        found = [one for one in results.effects if _is_harm_score(one, measure, checkpoint)]
        numbers |= _named(found, score, verdicts)
    return numbers


def _named(effects: Sequence[EffectRow], score: str, verdicts: str) -> dict[str, float]:
    """Estimates and how many of them are harm, each under its name."""
    numbers: dict[str, float] = {}
    for probe in dict.fromkeys(one.probe for one in effects):
        own = [one for one in effects if one.probe == probe]
        told = [name for name in ("design", "axis", "render") if len({getattr(one, name) for one in own}) > 1]
        for one in own:
            parts = [PREFIX, probe, *(getattr(one, name) for name in told), one.identity or "all"]
            where = "/".join(map(_part, parts))
            if one.estimate is not None and math.isfinite(one.estimate):
                numbers[f"{where}/{score}"] = one.estimate
        numbers[f"{PREFIX}/{_part(probe)}/{verdicts}"] = float(sum(one.verdict == "harm" for one in own))
    return numbers


def _part(name: str) -> str:
    """A name as one part of a key, which trackers take for a path: it opens no level and leaves none."""
    quoted = on_one_line(name).replace("%", "%25").replace("/", "%2F")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def _is_harm_score(one: EffectRow, measure: str, checkpoint: str) -> bool:
    """Whether an effect is an identity's disparity at a checkpoint, or what training brought to it, over all themes."""
    contrast = "raw" if one.design == "identity_swap" else "excess"
    cell = (one.measure, one.contrast, one.checkpoint, one.theme, one.role, one.valence)
    return cell == (measure, contrast, checkpoint, None, "marked", "harm")


def trackers_of_caller() -> tuple[TrainerCallback, ...]:
    """The trackers of the trainer that is calling: what it was asked to report to, ready for use.

    A trainer hands its callbacks no way back to it, and ``trainer.log`` would empty the averages it is collecting. So
    the handler that calls is looked for among the callers.
    """
    frame = inspect.currentframe()
    while frame is not None:
        handler = frame.f_locals.get("self")
        if isinstance(handler, CallbackHandler):
            kinds: Any = tuple(INTEGRATION_TO_CALLBACK.values())
            return tuple(one for one in handler.callbacks if isinstance(one, kinds))
        frame = frame.f_back
    return ()


def log_numbers(
    numbers: Mapping[str, float],
    trackers: Sequence[TrainerCallback],
    args: TrainingArguments,
    state: TrainerState,
    control: TrainerControl,
) -> None:
    """Put numbers into the training's history, which ``trainer_state.json`` holds, and send them to every tracker.

    A tracker that fails is warned of; neither the others nor the training go without.
    """
    state.log_history.append({**numbers, "epoch": state.epoch, "step": state.global_step})
    with generators_as_they_were():
        for one in trackers:
            try:
                one.on_log(args, state, control, logs=dict(numbers))
            except Exception as error:  # noqa: BLE001 - a tracker is a program of somebody else's, often on a network
                _log.warning("%s did not take the numbers of an audit: %r", type(one).__name__, error)


def at_step(state: TrainerState, step: int) -> TrainerState:
    """The state as it says of an earlier step; the history is the same, and the epoch is known if it is there."""
    if step == state.global_step:
        return state
    earlier: Any = copy.copy(state)
    earlier.global_step = step
    earlier.epoch = next((one.get("epoch") for one in state.log_history if one.get("step") == step), None)
    return cast(TrainerState, earlier)
