"""Twin of auditor.integrations.training_session: how much is asked, and when training stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import manifest
from live_training import make_base
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerControl, TrainerState

from auditor.adapters.hf.live_models import LiveModel
from auditor.cli.asked_probes import asked_probes
from auditor.cli.options import Tier
from auditor.core.items import Probe
from auditor.core.sampling import limit_clusters
from auditor.errors import StorageError, UsageError
from auditor.integrations import training_session
from auditor.integrations.live_audit import LiveAudit, Training
from auditor.integrations.training_options import Every, TrainingGate
from auditor.integrations.training_session import Events, Settings, TrainingSession, planned_audits
from auditor.python_interface import CompareOptions, audit_options

GATE = TrainingGate(("a:b > 1",))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("session") / "base")


@pytest.fixture
def probes(pair_file: Path) -> Callable[[Tier], tuple[Probe, ...]]:
    """A quarter of the pairs for the first tier, half for the second, all for the third."""
    (whole,) = asked_probes(audit_options(CompareOptions(probe=pair_file)))
    sizes = {Tier.quick: 6, Tier.standard: 12, Tier.full: 24}
    return lambda tier: (limit_clusters(whole, sizes[tier], 0),)


def session_of(
    base: Path,
    out: Path,
    probes: Callable[[Tier], tuple[Probe, ...]],
    *,
    share: float | None = None,
    gate: TrainingGate | None = None,
    tiers: Sequence[Tier] = (Tier.quick,),
    first: int = 0,
) -> TrainingSession:
    options = audit_options(CompareOptions(render="plain"))
    live = LiveModel(AutoModelForCausalLM.from_pretrained(str(base)))
    settings = Settings(2, share, gate, options, tiers, probes, lambda tier: 2 * len(probes(tier)[0].items))
    return TrainingSession(settings, live, Training("t"), out, (), first)


def events(base: Path, step: int = 0, rows: Any = None, max_steps: int = 100) -> Events:
    args: Any = SimpleNamespace(per_device_train_batch_size=2, gradient_accumulation_steps=1)
    held = {
        "processing_class": AutoTokenizer.from_pretrained(str(base)),
        "train_dataloader": SimpleNamespace(dataset=rows),
    }
    return Events(args, TrainerState(global_step=step, max_steps=max_steps, epoch=0.0), TrainerControl(), held)


@pytest.mark.parametrize(
    ("tokens", "tier"), [(1, Tier.quick), (10**9, Tier.full), (None, Tier.quick)], ids=["short", "long", "unknown"]
)
def test_the_tier_is_what_the_length_of_the_training_can_pay_for(
    tokens: int | None, tier: Tier, base: Path, probes: Any, tmp_path: Path
) -> None:
    rows = None if tokens is None else [{"input_ids": range(tokens)}] * 3
    session = session_of(base, tmp_path / "out", probes, share=0.1, tiers=tuple(Tier))
    session.begin(events(base, rows=rows))
    run = tmp_path / "out" / "step-000000"
    assert manifest(run)["training"]["tier"] == tier
    assert manifest(run)["probes"][0]["items"] == len([one for one in probes(tier)[0].items if one.design != "naming"])
    assert manifest(run)["training"]["beginning_s"] > 0
    # A training that is resumed asks what it asked before.
    resumed = session_of(base, tmp_path / "out", probes, share=0.1, tiers=tuple(Tier), first=2)
    resumed.begin(events(base, 2))
    resumed.audit(4, events(base, 4), is_end=True)
    assert manifest(tmp_path / "out" / "step-000004")["training"]["tier"] == tier


def test_two_failures_stop_only_in_a_row(
    base: Path, probes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = iter([True, True, False, True, True, True])
    asked = []

    def judged(run: Path, *rules: Any) -> Any:
        asked.append((run.name, *rules))
        return SimpleNamespace(holding=(1,) if next(outcomes) else (), why="a:b > 1: 1 refused (no clusters)")

    monkeypatch.setattr(training_session, "judge", judged)
    session = session_of(base, tmp_path / "out", probes, gate=GATE)
    session.begin(events(base))
    found = [session.audit(step, events(base, step), is_end=step == 10) for step in (2, 4, 6, 8, 10)]
    assert found == [False, False, False, True, False], "at the end there is nothing to stop"
    assert asked[0][0] == "step-000000", "that it can be asked at all is known before the first step"
    assert asked[1] == ("step-000002", ("a:b > 1",), None, None)
    assert caplog.text.count("the gate failed twice in a row") == 1
    assert caplog.text.count("the gate fails: a:b > 1: 1 refused (no clusters)") == 5, "also before the first step"


@pytest.mark.parametrize(
    ("gate", "what"),
    [
        (TrainingGate(("small:any:increase > 1",)), "there is nothing it could be one against"),
        (TrainingGate(("small:any > 1",), None, Path("no-such-run")), "no-such-run"),
    ],
)
def test_a_gate_that_cannot_be_asked_stops_before_the_first_step(
    gate: TrainingGate, what: str, base: Path, probes: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=what):
        session_of(base, tmp_path / "out", probes, gate=gate).begin(events(base))


def test_what_fails_and_what_is_only_tried_takes_its_time_as_well(
    base: Path, probes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(tier: Tier) -> tuple[Probe, ...]:
        time.sleep(1.5 if tier == Tier.quick else 0.0)
        return probes(tier)  # type: ignore[no-any-return]

    session = session_of(base, tmp_path / "out", slowly, share=0.1, tiers=tuple(Tier))
    began = time.perf_counter()
    session.begin(events(base, rows=[{"input_ids": range(10**9)}] * 3))
    took = time.perf_counter() - began
    said = manifest(tmp_path / "out" / "step-000000")["training"]
    assert said["tier"] == Tier.full
    assert took - 1 < said["beginning_s"] < took

    def fail(*_: Any) -> None:
        time.sleep(1.0)
        raise StorageError("the disk is full", where="here")

    with monkeypatch.context() as patched:
        patched.setattr(LiveAudit, "audit", fail)
        with pytest.raises(StorageError):
            session.audit(2, events(base, 2), is_end=True)
    now = events(base, 4)
    session.audit(4, now, is_end=True)
    said = manifest(tmp_path / "out" / "step-000004")["training"]
    assert said["audits_s"] > 1 + now.state.log_history[0]["bias/audit_seconds"] - 1e-6
    assert said["audited"] == [4]


def test_a_step_is_audited_once_and_no_other_training_shares_the_folder(
    base: Path, probes: Any, tmp_path: Path
) -> None:
    session = session_of(base, tmp_path / "out", probes)
    session.begin(events(base))
    now = events(base, 2)
    session.audit(2, now, is_end=False)
    session.audit(2, now, is_end=True)
    assert len(now.state.log_history) == 1
    with pytest.raises(UsageError, match="runs of an earlier training, such as step-000002"):
        session_of(base, tmp_path / "out", probes).begin(events(base))


def test_runs_of_steps_that_are_trained_anew_are_told(
    base: Path, probes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_of(base, tmp_path / "out", probes)
    session.begin(events(base))
    for step in (2, 4):
        session.audit(step, events(base, step), is_end=False)
    session_of(base, tmp_path / "out", probes, first=4).begin(events(base, 4))
    assert not caplog.records
    session_of(base, tmp_path / "out", probes, first=2).begin(events(base, 2))
    (warning,) = caplog.records
    assert "runs after step 2, such as step-000004" in warning.getMessage()


def test_what_failed_is_not_tried_again_and_what_was_left_out_is(
    base: Path, probes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best model may be of a step that was due before."""
    session = session_of(base, tmp_path / "out", probes, share=1e-9)
    session.begin(events(base))
    session.audit(2, events(base, 2), is_end=False)
    with monkeypatch.context() as patched:
        patched.setattr(LiveAudit, "audit", lambda *_: (_ for _ in ()).throw(StorageError("full", where="here")))
        with pytest.raises(StorageError):
            session.audit(4, events(base, 4), is_end=True)
    for step in (4, 2):
        session.audit(step, events(base, 4), is_end=True)
    assert manifest(tmp_path / "out" / "step-000002")["training"]["audited"] == [2]
    assert not (tmp_path / "out" / "step-000004").exists()


@pytest.mark.parametrize(
    ("every", "strategy", "planned"),
    [(10, "no", 12), ("epoch", "no", 5), ("save", "steps", 6), ("save", "epoch", 5)],
)
def test_how_many_audits_are_planned(every: Every, strategy: str, planned: int) -> None:
    state = TrainerState(max_steps=100, num_train_epochs=3, save_steps=25)
    assert planned_audits(every, SimpleNamespace(save_strategy=strategy), state) == planned  # type: ignore[arg-type]
