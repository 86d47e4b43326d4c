"""Twin of auditor.integrations.training_session: how much is asked, and when training stops."""

from __future__ import annotations

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
from auditor.errors import UsageError
from auditor.integrations import training_session
from auditor.integrations.live_audit import Training
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
    outcomes = iter([True, False, True, True, True])
    asked = []

    def judged(run: Path, *rules: Any) -> Any:
        asked.append((run.name, *rules))
        return SimpleNamespace(holding=(1,) if next(outcomes) else ())

    monkeypatch.setattr(training_session, "judge", judged)
    session = session_of(base, tmp_path / "out", probes, gate=GATE)
    session.begin(events(base))
    found = [session.audit(step, events(base, step), is_end=step == 10) for step in (2, 4, 6, 8, 10)]
    assert found == [False, False, False, True, False], "at the end there is nothing to stop"
    assert asked[0] == ("step-000002", ("a:b > 1",), None, None)
    assert caplog.text.count("the gate failed twice in a row") == 1


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


@pytest.mark.parametrize(
    ("every", "strategy", "planned"),
    [(10, "no", 12), ("epoch", "no", 5), ("save", "steps", 6), ("save", "epoch", 5)],
)
def test_how_many_audits_are_planned(every: Every, strategy: str, planned: int) -> None:
    state = TrainerState(max_steps=100, num_train_epochs=3, save_steps=25)
    assert planned_audits(every, SimpleNamespace(save_strategy=strategy), state) == planned  # type: ignore[arg-type]
