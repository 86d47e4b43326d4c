"""What an audit tells a trainer's own trackers: a few numbers a step, under names that sort."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.trainer_callback import CallbackHandler

from auditor.adapters.printable import on_one_line
from auditor.adapters.run.results_schema import EffectRow, Results

PREFIX = "bias"


def harm_numbers(results: Results, checkpoint: str) -> dict[str, float]:
    """Per identity the excess shift since the beginning of training, in nats, and how many of them are harm.

    Keys are ``bias/PROBE/IDENTITY/excess_shift`` and ``bias/PROBE/harm_verdicts``; the design, axis or rendering stands
    before the identity where a probe has several. Of identity swaps the raw shift is the disparity.
    """
    numbers: dict[str, float] = {}
    shifts = [one for one in results.effects if _is_harm_score(one, checkpoint)]
    for probe in dict.fromkeys(one.probe for one in shifts):
        own = [one for one in shifts if one.probe == probe]
        told = [name for name in ("design", "axis", "render") if len({getattr(one, name) for one in own}) > 1]
        for one in own:
            parts = [PREFIX, probe, *(getattr(one, name) for name in told), one.identity or "all"]
            where = on_one_line("/".join(parts))
            if one.estimate is not None and math.isfinite(one.estimate):
                numbers[f"{where}/excess_shift"] = one.estimate
        numbers[on_one_line(f"{PREFIX}/{probe}/harm_verdicts")] = float(sum(one.verdict == "harm" for one in own))
    return numbers


def _is_harm_score(one: EffectRow, checkpoint: str) -> bool:
    """Whether an effect is the disparity that training brought to an identity, over all themes."""
    contrast = "raw" if one.design == "identity_swap" else "excess"
    cell = (one.measure, one.contrast, one.checkpoint, one.theme, one.role, one.valence)
    return cell == ("shift", contrast, checkpoint, None, "marked", "harm")


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
    """Put numbers into the training's history, which ``trainer_state.json`` holds, and send them to every tracker."""
    state.log_history.append({**numbers, "epoch": state.epoch, "step": state.global_step})
    for one in trackers:
        one.on_log(args, state, control, logs=dict(numbers))
