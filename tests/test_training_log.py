"""Twin of auditor.integrations.training_log."""

from __future__ import annotations

import posixpath
import random
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from live_training import make_base, new_trainer, train
from run_factory import make_run
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.integrations import integration_utils

from auditor.adapters.run.run_folder import read_results
from auditor.integrations.training_log import at_step, harm_numbers, log_numbers, trackers_of_caller
from auditor.integrations.trl import BiasAuditCallback


class Tracker(TrainerCallback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[str, float]]] = []

    def on_log(self, *events: Any, logs: Any = None, **_: Any) -> None:
        self.told.append((events[1].global_step, dict(logs)))
        logs.clear()
        random.random()


class Closing(TrainerCallback):
    """Keeps at which steps it was told of an audit, and takes nothing once training has ended."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.closed = False

    def on_log(self, *events: Any, logs: Any = None, **_: Any) -> None:
        assert not self.closed, "it would begin a new run"
        self.told += [events[1].global_step] * ("bias/audit_seconds" in logs)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.closed = True


def test_the_excess_shift_of_every_marked_identity(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run"))
    last = results.series[-1].name
    numbers = harm_numbers(results, last)
    shifts = [
        one
        for one in results.effects
        if (one.measure, one.contrast, one.checkpoint, one.theme, one.role, one.valence)
        == ("shift", "excess", last, None, "marked", "harm")
    ]
    assert len({one.identity for one in shifts}) > 1
    for one in shifts:
        held = [key for key in numbers if f"/{one.identity}/" in key and numbers[key] == one.estimate]
        assert held or one.estimate is None
    for probe in {one.probe for one in shifts}:
        harmed = sum(one.verdict == "harm" for one in shifts if one.probe == probe)
        assert numbers[f"bias/{probe}/harm_verdicts"] == harmed
    assert sum(value for key, value in numbers.items() if key.endswith("harm_verdicts")) > 0, "some harm is there"
    assert harm_numbers(results, "no such checkpoint") == {}


def test_designs_axes_and_renderings_are_named_where_there_are_several(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run"))
    last = results.series[-1].name
    one = next(one for one in results.effects if one.measure == "shift" and one.contrast == "excess" and not one.theme)
    plain = one.model_copy(
        update={"identity": "x", "axis": "a", "render": "plain", "checkpoint": last, "estimate": 1.0}
    )
    rows = [
        plain,
        plain.model_copy(update={"render": "chat"}),
        plain.model_copy(update={"axis": "b", "estimate": None}),
    ]
    numbers = harm_numbers(results.model_copy(update={"effects": tuple(rows)}), last)
    where = f"bias/{one.probe}"
    assert list(numbers) == [
        f"{where}/a/plain/x/excess_shift",
        f"{where}/a/chat/x/excess_shift",
        f"{where}/harm_verdicts",
    ]
    swapped = plain.model_copy(update={"design": "identity_swap", "contrast": "raw", "estimate": 2.0})
    numbers = harm_numbers(results.model_copy(update={"effects": (swapped,)}), last)
    assert numbers[f"{where}/x/excess_shift"] == 2, "of identity swaps the raw shift is the disparity"


def test_a_name_is_one_part_of_a_key(tmp_path: Path) -> None:
    """Whatever it holds: MLflow takes no key that as a path would be another one."""
    results = read_results(make_run(tmp_path / "run"))
    last = results.series[-1].name
    one = next(one for one in results.effects if one.measure == "shift" and one.contrast == "excess" and not one.theme)
    names = ["a/b", "a%2Fb", "/a", "..", ".", "%2E", "a\nb", "x/../y", "100 %"]
    rows = tuple(
        one.model_copy(update={"probe": "p/q", "identity": name, "checkpoint": last, "estimate": float(at)})
        for at, name in enumerate(names)
    )
    numbers = harm_numbers(results.model_copy(update={"effects": rows}), last)
    told = {key: value for key, value in numbers.items() if key.endswith("/excess_shift")}
    assert list(told.values()) == list(map(float, range(len(names)))), "no two names come to one key"
    for key in numbers:
        assert posixpath.normpath(key) == key
        assert key.startswith("bias/p%2Fq/")
        assert "\n" not in key
    assert all(key.count("/") == 3 for key in told)


def test_a_tracker_that_fails_or_draws_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Tracker):
        def on_log(self, *_: Any, **__: Any) -> None:
            raise ConnectionError("no network")

    last, state = Tracker(), TrainerState(epoch=0.5, global_step=7)
    before = random.getstate()
    log_numbers({"bias/x": 1.0}, [Failing(), last], SimpleNamespace(), state, TrainerControl())  # type: ignore[arg-type]
    assert last.told == [(7, {"bias/x": 1.0})]
    assert random.getstate() == before
    (warning,) = caplog.records
    assert warning.getMessage() == "Failing did not take the numbers of an audit: ConnectionError('no network')"


def test_an_earlier_step_is_told_as_that() -> None:
    state = TrainerState(epoch=3.0, global_step=9)
    state.log_history.append({"eval_loss": 1.0, "epoch": 1.0, "step": 3})
    assert at_step(state, 9) is state
    found = [
        (one.global_step, one.epoch, one.log_history is state.log_history)
        for one in map(partial(at_step, state), (3, 5))
    ]
    assert found == [(3, 1.0, True), (5, None, True)]
    assert state.global_step == 9


def test_of_a_reward_model_the_levels_are_told_beside_the_shifts(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run"))
    last = results.series[-1].name
    one = next(one for one in results.effects if one.measure == "shift" and one.contrast == "excess" and not one.theme)
    shift = one.model_copy(update={"identity": "x", "checkpoint": last, "estimate": 1.0, "verdict": "harm"})
    level = shift.model_copy(update={"measure": "level", "measure_from": None, "estimate": -2.0, "verdict": None})
    raw = level.model_copy(update={"contrast": "raw", "estimate": 9.0})
    series = tuple(one.model_copy(update={"quantity": "reward"}) for one in results.series)
    rewards = results.model_copy(update={"series": series, "effects": (shift, level, raw)})
    assert harm_numbers(rewards, last) == {
        f"bias/{one.probe}/x/excess_level": -2.0,
        f"bias/{one.probe}/level_harm_verdicts": 0.0,
        f"bias/{one.probe}/x/excess_shift": 1.0,
        f"bias/{one.probe}/harm_verdicts": 1.0,
    }
    policies = results.model_copy(update={"effects": (shift, level, raw)})
    assert list(harm_numbers(policies, last)) == [f"bias/{one.probe}/x/excess_shift", f"bias/{one.probe}/harm_verdicts"]


def test_numbers_go_to_the_history_and_to_every_tracker() -> None:
    trackers = [Tracker(), Tracker()]
    state = TrainerState(epoch=0.5, global_step=7)
    log_numbers({"bias/x": 1.0}, trackers, SimpleNamespace(), state, TrainerControl())  # type: ignore[arg-type]
    assert state.log_history == [{"bias/x": 1.0, "epoch": 0.5, "step": 7}]
    assert [one.told for one in trackers] == [[(7, {"bias/x": 1.0})]] * 2, "none empties what the next one is told"


def test_nobody_calls_and_there_are_no_trackers() -> None:
    assert trackers_of_caller() == ()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "base")


def test_the_trainers_own_trackers_are_told(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "ours", Tracker)
    callback = BiasAuditCallback(pair_file, every=2, out=tmp_path / "audits", budget=None, render="plain")
    trainer = new_trainer("sft", base, tmp_path / "out", [callback], report_to=["ours"], max_steps=4)
    (tracker,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, Tracker)]
    train(trainer)
    told = {step: numbers for step, numbers in tracker.told if "bias/audit_seconds" in numbers}
    kept = {one["step"]: one for one in trainer.state.log_history if "bias/audit_seconds" in one}
    assert list(told) == list(kept) == [2, 4]
    for step, numbers in told.items():
        assert numbers == {key: value for key, value in kept[step].items() if key not in ("epoch", "step")}
    # What the trainer itself logs still comes, whole.
    assert [step for step, numbers in tracker.told if "loss" in numbers] == [2, 4]


class StopsAfterAnEvaluation(TrainerCallback):
    """As early stopping does."""

    def on_evaluate(self, *events: Any, **_: Any) -> TrainerControl:
        events[2].should_training_stop = True
        return events[2]  # type: ignore[no-any-return]


def test_trackers_are_told_before_they_let_go(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a step is the last may be known after it has ended only; the best model is loaded later still."""
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "ours", Closing)
    callback = BiasAuditCallback(pair_file, every=100, out=tmp_path / "audits", budget=None, render="plain")
    arguments: dict[str, Any] = {
        "report_to": ["ours"],
        "eval_strategy": "epoch",
        "per_device_train_batch_size": 8,
        "max_steps": -1,
        "num_train_epochs": 2,
    }
    stops = StopsAfterAnEvaluation()
    trainer = new_trainer("sft", base, tmp_path / "out", [callback, stops], **arguments)
    (tracker,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, Closing)]
    train(trainer)
    assert (trainer.state.global_step, tracker.closed) == (3, True)
    assert tracker.told == [3]
    # The first of two evaluations was the better one: its model is audited when trackers have closed.
    arguments |= {"save_strategy": "epoch", "load_best_model_at_end": True, "metric_for_best_model": "loss"}
    arguments["greater_is_better"] = True
    callback = BiasAuditCallback(pair_file, every=100, out=tmp_path / "best", budget=None, render="plain")
    trainer = new_trainer("sft", base, tmp_path / "other", [callback], **arguments)
    (tracker,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, Closing)]
    train(trainer)
    assert tracker.told == [6]
    assert [one["step"] for one in trainer.state.log_history if "bias/audit_seconds" in one] == [6, 3]


def test_transformers_own_callbacks_of_wandb_and_mlflow_take_them(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both as transformers drives them; the libraries themselves note what they are given."""
    wandb, mlflow = MagicMock(), MagicMock(__version__="3.1.0")
    wandb.run = None
    mlflow.utils.validation.MAX_PARAM_VAL_LENGTH = mlflow.utils.validation.MAX_PARAMS_TAGS_PER_BATCH = 100
    wandb.init.side_effect = lambda **_: setattr(wandb, "run", MagicMock())
    for name in ("wandb.sdk", "wandb.sdk.lib", "wandb.sdk.lib.config_util"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(ConfigError=ValueError))
    for name, library in (("wandb", wandb), ("mlflow", mlflow)):
        monkeypatch.setitem(sys.modules, name, library)
        monkeypatch.setattr(integration_utils, f"is_{name}_available", lambda: True)
    callback = BiasAuditCallback(pair_file, every=2, out=tmp_path / "audits", budget=None, render="plain")
    trainer = train(new_trainer("sft", base, tmp_path / "out", [callback], report_to=["wandb", "mlflow"], max_steps=4))
    key = "bias/small/trans women/excess_shift"
    kept = {one["step"]: one for one in trainer.state.log_history if key in one}
    assert list(kept) == [2, 4]
    logged = [call.args[0] for call in wandb.log.call_args_list]
    assert {one["train/global_step"]: one[f"train/{key}"] for one in logged if f"train/{key}" in one} == {
        step: one[key] for step, one in kept.items()
    }
    metrics = [call.kwargs for call in mlflow.log_metrics.call_args_list]
    assert {one["step"]: one["metrics"][key] for one in metrics if key in one["metrics"]} == {
        step: one[key] for step, one in kept.items()
    }


def test_transformers_own_callback_writes_them(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer(SimpleNamespace):
        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

    def writer(**_: Any) -> Writer:
        return Writer(add_text=lambda *_: None, flush=lambda: None, close=lambda: None)

    monkeypatch.setattr(integration_utils, "is_tensorboard_available", lambda: True)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=writer))
    callback = BiasAuditCallback(pair_file, every=2, out=tmp_path / "audits", budget=None, render="plain")
    trainer = train(new_trainer("sft", base, tmp_path / "out", [callback], report_to=["tensorboard"], max_steps=4))
    key = "bias/small/trans women/excess_shift"
    expected = [(f"train/{key}", one[key], one["step"]) for one in trainer.state.log_history if key in one]
    assert [one for one in written if one[0] == f"train/{key}"] == expected
    assert len(expected) == 2


def test_tensorboard_holds_them(base: Path, pair_file: Path, tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    callback = BiasAuditCallback(pair_file, every=2, out=tmp_path / "audits", budget=None, render="plain")
    trainer = new_trainer("sft", base, tmp_path / "out", [callback], report_to=["tensorboard"], max_steps=4)
    train(trainer)
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    (file,) = folder.iterdir()
    events = accumulators.EventAccumulator(str(file))
    events.Reload()
    key = "bias/small/trans women/excess_shift"
    expected = [(one["step"], one[key]) for one in trainer.state.log_history if key in one]
    found = [(one.step, one.value) for one in events.Scalars(f"train/{key}")]
    assert [step for step, _ in found] == [2, 4]
    assert found == [(step, pytest.approx(value, rel=1e-6)) for step, value in expected]
