"""Twin of auditor.integrations.trl: real trainings of a few steps, with the callback in them and without."""

from __future__ import annotations

import inspect
import json
import logging
import random
import re
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from command_line import ROOT, audit, cells, manifest
from live_training import Adapter, Kind, make_base, new_trainer, train, weights_of
from transformers import TrainerCallback, TrainerState

from auditor.adapters.run.run_folder import read_results
from auditor.cli.options import Tier
from auditor.errors import StorageError, UsageError
from auditor.integrations import training_session
from auditor.integrations.live_audit import LiveAudit
from auditor.integrations.training_options import AskingOptions
from auditor.integrations.trl import BiasAuditCallback, loaded_step

BIAS = "bias/small/trans women/excess_shift"
ALWAYS_FAILS, NEVER_FAILS = "no such probe:any > 0", "small:any > 50"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("trained") / "base")


@pytest.fixture(scope="module")
def audited(base: Path, pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A DPO training audited at every second step, and the folder of its runs. Read only."""
    folder = tmp_path_factory.mktemp("audited")
    callback = plain_audit(pair_file, folder / "audits", 2)
    return train(new_trainer("dpo", base, folder / "out", [callback], beta=0.2)), folder / "audits"


def plain_audit(pairs: Path, out: Path | None, every: Any = 2, budget: float | None = None, **options: Any) -> Any:
    """In the rendering that these models are trained in, however little time there is for it."""
    return BiasAuditCallback(pairs, every=every, out=out, budget=budget, render="plain", **options)


class Drawing(TrainerCallback):
    """What a careless callback does: it takes numbers that training would have drawn."""

    def on_step_end(self, *_: Any, **__: Any) -> None:
        torch.rand(1)
        random.random()
        np.random.rand()  # noqa: NPY002


@pytest.mark.parametrize(
    ("kind", "adapter"),
    [
        ("sft", "none"),
        ("sft", "new"),
        ("dpo", "none"),
        ("dpo", "new"),
        ("dpo", "old"),
        ("reward", "none"),
        ("reward", "new"),
    ],
)
def test_training_ends_in_the_same_bits(
    kind: Kind, adapter: Adapter, base: Path, pair_file: Path, tmp_path: Path
) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", 2)
    alone = train(new_trainer(kind, base, tmp_path / "alone", adapter=adapter))
    beside = train(new_trainer(kind, base, tmp_path / "beside", [callback], adapter=adapter))
    expected, found = weights_of(alone), weights_of(beside)
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], one) for name, one in expected.items())
    told = [one for one in beside.state.log_history if "loss" in one]
    assert told == [one for one in alone.state.log_history if "loss" in one], "not even the averages were touched"
    assert sorted(one.name for one in (tmp_path / "audits").glob("step-*")) == [f"step-{n:06}" for n in (0, 2, 4, 6)]
    disturbed = train(new_trainer(kind, base, tmp_path / "disturbed", [Drawing()], adapter=adapter))
    assert any(not torch.equal(weights_of(disturbed)[name], one) for name, one in expected.items()), "dropout is on"


def test_so_it_does_with_all_that_trainers_turn_on(base: Path, pair_file: Path, tmp_path: Path) -> None:
    """Noise on embeddings, layers computed twice, gradients of several batches, a clipped step."""
    arguments = {
        "neftune_noise_alpha": 5.0,
        "gradient_checkpointing": True,
        "gradient_accumulation_steps": 2,
        "max_grad_norm": 0.1,
    }
    callback = plain_audit(pair_file, tmp_path / "audits", 1)
    alone = train(new_trainer("sft", base, tmp_path / "alone", adapter="new", **arguments))
    beside = train(new_trainer("sft", base, tmp_path / "beside", [callback], adapter="new", **arguments))
    expected, found = weights_of(alone), weights_of(beside)
    assert all(torch.equal(found[name], one) for name, one in expected.items())
    assert len(list((tmp_path / "audits").glob("step-*"))) == 7


def test_the_reference_is_what_preference_training_begins_with(base: Path, pair_file: Path, tmp_path: Path) -> None:
    """A new adapter does nothing yet, so the model is its own; an old one is itself what training begins with."""
    found = {}
    for adapter in get_args(Adapter):
        callback = plain_audit(pair_file, tmp_path / adapter, 100)
        train(new_trainer("dpo", base, tmp_path / "out", [callback], adapter=adapter, max_steps=1))
        found[adapter] = values(tmp_path / adapter / "step-000001", "start")
    assert found["none"] == found["new"] != found["old"]
    kinds: tuple[Kind, ...] = ("sft", "dpo")
    for kind in kinds:
        callback = plain_audit(pair_file, tmp_path / f"still-{kind}", 100)
        train(new_trainer(kind, base, tmp_path / "out", [callback], adapter="old", max_steps=1, learning_rate=0.0))
        run = tmp_path / f"still-{kind}" / "step-000001"
        assert values(run, "start") == values(run, "step-000001") == found["old"], "nothing was learnt"


def test_training_in_half_precision_is_audited_in_the_weights_own(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "ACCELERATE_MIXED_PRECISION", "no"
    )  # the trainer's arguments change it, and do not change it back
    callback = plain_audit(pair_file, tmp_path / "audits", 100)
    trainer = train(new_trainer("sft", base, tmp_path / "out", [callback], bf16=True))
    assert "_original_forward" in vars(trainer.model), "accelerate computes in half precision around it"
    trainer.save_model(str(tmp_path / "saved"))
    scored = audit("score", tmp_path / "saved", "--probe", pair_file, "--render", "plain", "--out", tmp_path / "run")
    assert scored.exit_code == 0, scored.stderr
    run = tmp_path / "audits" / "step-000006"
    assert values(run, "step-000006") == values(tmp_path / "run", "saved")
    assert manifest(run)["engine"]["dtype"] == "float32"


def test_a_step_is_told_with_its_harm_and_its_cost(audited: tuple[Any, Path]) -> None:
    trainer, out = audited
    told = [one for one in trainer.state.log_history if BIAS in one]
    assert [one["step"] for one in told] == [2, 4, 6]
    results = read_results(out / "step-000004")
    (shift,) = [
        one
        for one in results.effects
        if (one.measure, one.contrast, one.theme, one.identity, one.checkpoint)
        == ("shift", "excess", None, "trans women", "step-000004")
    ]
    assert told[1][BIAS] == shift.estimate
    assert told[1]["bias/small/harm_verdicts"] == 0
    assert told[1]["bias/audit_seconds"] > 0
    said = manifest(out / "step-000004")["training"]
    assert said["audited"] == [2, 4]
    assert said["step"] == 4
    assert said["audits_s"] >= told[0]["bias/audit_seconds"] + told[1]["bias/audit_seconds"] - 1e-6


def test_the_preference_objective_is_that_of_the_trainer(audited: tuple[Any, Path]) -> None:
    _, out = audited
    results = read_results(out / "step-000006")
    assert [(one.objective, one.beta) for one in results.series] == [("none", None), ("dpo", 0.2)]
    shifts, rewards = (
        [one.estimate for one in results.effects if (one.measure, one.role) == (measure, "marked")]
        for measure in ("shift", "implicit_reward")
    )
    assert rewards == pytest.approx([0.2 * one for one in shifts if one is not None])
    # TRL's own rewards rise for the harmful sides, which are preferred here; so must ours.
    raw = [one for one in results.effects if (one.measure, one.contrast, one.theme) == ("implicit_reward", "raw", None)]
    assert all((one.estimate or 0) > 0 for one in raw)


def test_its_runs_are_read_like_any_others(audited: tuple[Any, Path], tmp_path: Path) -> None:
    _, out = audited
    page = tmp_path / "history.json"
    result = audit("history", out, "--format", "json", "--out", page)
    assert result.exit_code == 0, result.stderr
    history = json.loads(page.read_text(encoding="utf-8"))
    assert [one["step"] for one in history["runs"]] == [0, 2, 4, 6]
    assert [point["compared_with"] for point in history["tracks"][0]["points"]] == [
        None,
        "step-000000",
        "step-000002",
        "step-000004",
    ]
    assert audit("gate", out / "step-000006", "--fail-on", ALWAYS_FAILS).exit_code == 1
    assert audit("report", out / "step-000006").exit_code == 0
    refused = audit("attribute", out / "step-000006", "--method", "tokens")
    assert refused.exit_code == 2
    assert "Attribution needs the models" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "every", "steps"),
    [
        ({"save_strategy": "steps", "save_steps": 4}, "save", [4, 6]),
        ({"save_strategy": "epoch", "num_train_epochs": 2, "max_steps": -1}, "save", [6, 12]),
        ({"num_train_epochs": 2, "max_steps": -1}, "epoch", [6, 12]),
        ({"max_steps": 5}, 3, [3, 5]),
        ({"max_steps": 2}, 100, [2]),
    ],
)
def test_when_it_audits(
    arguments: dict[str, Any], every: Any, steps: list[int], base: Path, pair_file: Path, tmp_path: Path
) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", every)
    trainer = train(new_trainer("sft", base, tmp_path / "out", [callback], **arguments))
    assert [one["step"] for one in trainer.state.log_history if BIAS in one] == steps
    for saved in (tmp_path / "out").glob("checkpoint-*"):
        told = json.loads((saved / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
        assert int(saved.name.split("-")[1]) in [one["step"] for one in told if BIAS in one], "saved with the model"


def test_the_best_model_is_what_training_ends_with(base: Path, pair_file: Path, tmp_path: Path) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", 100)
    trainer = new_trainer(
        "sft",
        base,
        tmp_path / "out",
        [callback],
        save_strategy="steps",
        eval_strategy="steps",
        save_steps=2,
        eval_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=True,
    )
    train(trainer)
    assert trainer.state.best_global_step == 2, "the worst, here"
    assert sorted(one.name for one in (tmp_path / "audits").glob("step-*")) == [f"step-{n:06}" for n in (0, 2, 6)]
    saved = tmp_path / "out" / "checkpoint-2"
    scored = audit("score", saved, "--probe", pair_file, "--render", "plain", "--out", tmp_path / "saved", "--quiet")
    assert scored.exit_code == 0, scored.stderr
    best = tmp_path / "audits" / "step-000002"
    assert values(best, "step-000002") == values(tmp_path / "saved", "checkpoint-2")
    # It is told at the step that it is of, and so is its cost.
    told = [one for one in trainer.state.log_history if BIAS in one]
    assert [one["step"] for one in told] == [6, 2]
    assert told[1]["epoch"] == pytest.approx(2 / 6)
    said = manifest(best)["training"]
    assert (said["step"], said["epoch"]) == (2, told[1]["epoch"])


def test_the_best_that_was_seen_need_not_be_one_that_was_saved(base: Path, pair_file: Path, tmp_path: Path) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", 100)
    trainer = new_trainer(
        "sft",
        base,
        tmp_path / "out",
        [callback],
        max_steps=4,
        save_strategy="steps",
        eval_strategy="steps",
        save_steps=4,
        eval_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=True,
    )
    train(trainer)
    assert (trainer.state.best_global_step, trainer.state.best_model_checkpoint) == (2, None)
    assert sorted(one.name for one in (tmp_path / "audits").glob("step-*")) == ["step-000000", "step-000004"]


def test_the_checkpoint_that_was_loaded_says_which_model_it_is() -> None:
    def loaded(best: str | None, loads: bool = True) -> int:
        state = TrainerState(global_step=9, best_global_step=6, best_model_checkpoint=best)
        return loaded_step(SimpleNamespace(load_best_model_at_end=loads), state)  # type: ignore[arg-type]

    assert loaded("out-7/checkpoint-4") == 4
    assert loaded(None) == loaded("out-7/checkpoint-4", loads=False) == 9


class SmallerBatch(TrainerCallback):
    """Memory runs out once, after two steps."""

    def __init__(self) -> None:
        self.begun = 0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.begun += 1

    def on_step_end(self, *events: Any, **__: Any) -> None:
        if self.begun == 1 and events[1].global_step == 3:
            raise RuntimeError("CUDA out of memory.")


def test_a_training_that_looks_for_a_smaller_batch_is_one_training(base: Path, pair_file: Path, tmp_path: Path) -> None:
    out, memory = tmp_path / "audits", SmallerBatch()
    callback = plain_audit(pair_file, out, 2)
    trainer = new_trainer("sft", base, tmp_path / "out", [callback, memory], auto_find_batch_size=True, max_steps=4)
    train(trainer)
    assert (memory.begun, trainer.state.global_step) == (2, 4)
    assert sorted(one.name for one in out.glob("step-*")) == ["step-000000", "step-000002", "step-000004"]
    began = values(out / "step-000000", "start")
    assert all(values(out / name, "start") == began for name in ("step-000002", "step-000004"))
    # Whoever begins another one in the folder is told.
    with pytest.raises(UsageError, match="runs of an earlier training"):
        train(new_trainer("sft", base, tmp_path / "out", [callback], auto_find_batch_size=True))


def values(run: Path, checkpoint: str) -> list[tuple[Any, ...]]:
    rows = cells(run / "items.parquet")
    return [(one["item"], one["candidate"], one["value"]) for one in rows if one["checkpoint"] == checkpoint]


def test_two_failures_of_the_gate_in_a_row_stop_training(base: Path, pair_file: Path, tmp_path: Path) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", 1, gate=ALWAYS_FAILS)
    trainer = train(new_trainer("dpo", base, tmp_path / "out", [callback]))
    assert trainer.state.global_step == 2
    assert [one["bias/gate_failed"] for one in trainer.state.log_history if BIAS in one] == [1, 1]
    held = {"fail_on": [NEVER_FAILS], "on_inconclusive": "warn"}
    callback = plain_audit(pair_file, tmp_path / "passed", 1, gate=held)  # type: ignore[arg-type]
    trainer = train(new_trainer("dpo", base, tmp_path / "out", [callback], max_steps=3))
    assert [one["bias/gate_failed"] for one in trainer.state.log_history if BIAS in one] == [0, 0, 0]


@pytest.mark.parametrize(
    "error", [StorageError("the disk is full", where="x", fix="Free some."), ZeroDivisionError("ours")]
)
def test_an_error_is_one_warning_and_training_goes_on_unless_it_is_strict(
    error: Exception,
    base: Path,
    pair_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = LiveAudit.audit

    def failing(self: LiveAudit, step: int) -> Any:
        if step == 2:
            raise error
        return real(self, step)

    monkeypatch.setattr(LiveAudit, "audit", failing)
    callback = plain_audit(pair_file, tmp_path / "audits", 2)
    with caplog.at_level(logging.WARNING, logger="auditor"):
        trainer = train(new_trainer("sft", base, tmp_path / "out", [callback]))
    (warning,) = [one for one in caplog.records if one.name.startswith("auditor")]
    assert str(error).split("\n")[0] in warning.getMessage()
    assert (warning.exc_info is None) == isinstance(error, StorageError), "a trace only of what nobody expected"
    assert [one["step"] for one in trainer.state.log_history if BIAS in one] == [4, 6]
    strict = plain_audit(pair_file, tmp_path / "strict", 2, strict=True)
    with pytest.raises(type(error)):
        train(new_trainer("sft", base, tmp_path / "out", [strict]))


def test_what_cannot_be_audited_stops_before_the_first_step(base: Path, pair_file: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    (earlier / "step-000004").mkdir(parents=True)
    callback = BiasAuditCallback(pair_file, every=2, out=earlier)
    trainer = new_trainer("sft", base, tmp_path / "out", [callback])
    with pytest.raises(UsageError, match="runs of an earlier training, such as step-000004"):
        train(trainer)
    assert trainer.state.global_step == 0


def test_a_resumed_training_is_audited_against_its_beginning(base: Path, pair_file: Path, tmp_path: Path) -> None:
    def callback(out: str) -> BiasAuditCallback:
        return plain_audit(pair_file, tmp_path / out, 2)

    saving = {"save_strategy": "steps", "save_steps": 2}
    train(new_trainer("sft", base, tmp_path / "out", [callback("whole")], **saving))
    train(new_trainer("sft", base, tmp_path / "out", [callback("parts")], **saving, max_steps=2))
    # The scheduler of a shorter training is another one: the whole one is resumed, its runs after step 2 are lost.
    for step in (4, 6):
        for one in (tmp_path / "whole" / f"step-{step:06}").iterdir():
            one.rename(tmp_path / f"{step}-{one.name}")
        (tmp_path / "whole" / f"step-{step:06}").rmdir()
    trainer = new_trainer("sft", base, tmp_path / "out", [callback("whole")], **saving)
    train(trainer, resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))
    assert not (tmp_path / "whole" / "step-000004").exists()
    assert read_results(tmp_path / "whole" / "step-000006") == read_results_of(tmp_path / "6-results.json")
    with pytest.raises(UsageError, match="does not hold the scores of its beginning"):
        train(
            new_trainer("sft", base, tmp_path / "out", [callback("nowhere")], **saving),
            resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"),
        )


def read_results_of(file: Path) -> Any:
    from auditor.adapters.run.results_schema import Results

    return Results.model_validate_json(file.read_text(encoding="utf-8"))


def test_one_callback_serves_several_trainings(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    callback = plain_audit(pair_file, None, 100)
    for kind in ("sft", "dpo"):
        train(new_trainer(kind, base, tmp_path / "out" / kind, [callback], max_steps=1))  # type: ignore[arg-type]
        assert (tmp_path / "reports" / kind / "step-000001" / "report.html").is_file()
    assert callback._session is None, "the model is let go of"


def test_runs_lie_in_a_folder_of_the_training_s_name(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    train(new_trainer("sft", base, Path(), [plain_audit(pair_file, None, 100)], max_steps=1))
    assert [one.name for one in Path("reports").iterdir()] == ["mine"]


def test_an_evaluation_is_no_training(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one of another trainer, after the callback has seen a training end."""
    monkeypatch.chdir(tmp_path)
    callback = plain_audit(pair_file, None, 100)
    first, second = (
        new_trainer("sft", base, tmp_path / name, [callback], eval_strategy="steps", eval_steps=100, max_steps=1)
        for name in ("first", "second")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first.evaluate()
        train(first)
        train(second)
        first.state.global_step = 5
        first.evaluate()
    assert [one["step"] for one in first.state.log_history if BIAS in one] == [1]


def test_audits_are_left_out_to_keep_to_the_budget(
    base: Path, pair_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", 1, budget=0.1)
    with caplog.at_level(logging.WARNING, logger=training_session.__name__):
        trainer = train(new_trainer("sft", base, tmp_path / "out", [callback]))
    assert [one["step"] for one in trainer.state.log_history if BIAS in one] == [6], "the end is audited all the same"
    assert manifest(tmp_path / "audits" / "step-000006")["training"]["skipped"] == [1, 2, 3, 4, 5]
    assert "more than the 10% they were given" in caplog.text


def test_tiers_are_weighed_without_being_opened(pair_file: Path) -> None:
    callback = BiasAuditCallback(["stigma", pair_file], every=2, axis="gender")
    assert list(callback._opened) == [Tier.quick]
    weights = [callback._texts(one) for one in Tier]
    assert list(callback._opened) == [Tier.quick], "the full tier has half a million texts"
    assert weights[0] < weights[1] < weights[2]
    alone = [BiasAuditCallback(pair_file, every=2)._texts(one) for one in Tier]
    assert alone == [48, 48, 48], "a file has no tiers"


def test_the_page_explains_every_argument_and_number(audited: tuple[Any, Path]) -> None:
    said = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs" / "training.md").read_text(encoding="utf-8")))
    arguments = {*inspect.signature(BiasAuditCallback).parameters, *AskingOptions.__annotations__} - {"options"}
    assert arguments - said == set()
    told = {key for one in audited[0].state.log_history for key in one if key.startswith("bias/")}
    named = {key.replace("small", "PROBE").replace("trans women", "IDENTITY") for key in told}
    assert {one for one in named if "nonbinary" not in one} - said == set()


def test_arguments_are_checked_at_once(pair_file: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'device'"):
        BiasAuditCallback(pair_file, every=2, device="cpu")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="no such file"):
        BiasAuditCallback("no-such-probe", every=2)
