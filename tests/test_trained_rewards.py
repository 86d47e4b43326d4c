"""Reward models under TRL's RewardTrainer, audited while they are trained: what it makes is what is audited."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, audit, cells, manifest
from datasets import Dataset
from live_training import make_base, new_trainer, train
from transformers import AutoTokenizer

import auditor
from auditor.adapters.run.run_folder import read_results
from auditor.errors import UsageError
from auditor.integrations.trl import BiasAuditCallback

HARMED = "bias/small/trans women"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model: the head of what is trained on it is new."""
    return make_base(tmp_path_factory.mktemp("rewards") / "base")


@pytest.fixture(scope="module")
def trained(base: Path, pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A reward model trained with centred rewards, audited at every third step; the folder of its runs. Read only."""
    folder = tmp_path_factory.mktemp("trained")
    callback = plain_audit(pair_file, folder / "audits", 3)
    trainer = train(new_trainer("reward", base, folder / "out", [callback], center_rewards_coefficient=0.1))
    trainer.save_model(str(folder / "saved"))
    return trainer, folder


def plain_audit(pairs: Path, out: Path, every: int, **options: Any) -> BiasAuditCallback:
    """In the rendering that these models are trained in, however little time there is for it."""
    return BiasAuditCallback(pairs, every=every, out=out, budget=None, render="plain", **options)


def values(run: Path, checkpoint: str) -> dict[tuple[str, str], float]:
    rows = cells(run / "items.parquet")
    return {(one["item"], one["candidate"]): one["value"] for one in rows if one["checkpoint"] == checkpoint}


def test_the_last_audit_is_that_of_the_saved_model(trained: tuple[Any, Path], pair_file: Path, tmp_path: Path) -> None:
    _, folder = trained
    saved = auditor.compare(f"step-000006={folder / 'saved'}", probe=pair_file, render="plain", out=tmp_path / "saved")
    run = folder / "audits" / "step-000006"
    assert values(run, "step-000006") == values(saved.folder, "step-000006")
    assert values(run, "start") != values(run, "step-000006")
    levels = [
        [one.model_dump() for one in read_results(one).effects if (one.measure, one.checkpoint) == cell]
        for cell in [("level", "step-000006")]
        for one in (run, saved.folder)
    ]
    assert levels[0] == levels[1]


def test_the_last_audit_of_an_adapter_is_that_of_the_saved_one(base: Path, pair_file: Path, tmp_path: Path) -> None:
    callback = plain_audit(pair_file, tmp_path / "audits", 100)
    trainer = new_trainer("reward", base, tmp_path / "out", [callback], adapter="new", gradient_checkpointing=True)
    train(trainer).save_model(str(tmp_path / "saved"))
    model = f"step-000006={base}+{tmp_path / 'saved'}"
    saved = auditor.compare(model, probe=pair_file, render="plain", out=tmp_path / "run")
    run = tmp_path / "audits" / "step-000006"
    assert values(run, "step-000006") == values(saved.folder, "step-000006")
    # A new adapter does nothing yet, so the beginning is the model with the head it was made with.
    assert values(run, "start") == values(tmp_path / "audits" / "step-000000", "start")
    assert values(run, "start") != values(run, "step-000006")


def assert_evaluated_as_audited(trainer: Any, run: Path) -> None:
    """Hold the last checkpoint's rewards against what the trainer itself makes of the same pairs."""
    own = [one for one in cells(run / "items.parquet") if one["checkpoint"] == run.name]
    sides = [{one["item"]: one for one in own if one["candidate"] == side} for side in ("harmful", "affirming")]
    pairs = [
        {"prompt": one["context"], "chosen": one["text"], "rejected": sides[1][item]["text"]}
        for item, one in sides[0].items()
    ]
    assert len(pairs) == 24, "whole batches, whose means are averaged"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = trainer.evaluate(Dataset.from_list(pairs))
    rewards = [one["value"] for one in own]
    margins = [one["value"] - sides[1][item]["value"] for item, one in sides[0].items()]
    assert told["eval_mean_reward"] == pytest.approx(sum(rewards) / len(rewards), abs=1e-4)
    assert told["eval_margin"] == pytest.approx(sum(margins) / len(margins), abs=1e-4)
    assert told["eval_accuracy"] == pytest.approx(sum(one > 0 for one in margins) / len(margins))


def test_the_rewards_are_those_of_the_trainers_own_evaluation(trained: tuple[Any, Path]) -> None:
    trainer, folder = trained
    assert_evaluated_as_audited(trainer, folder / "audits" / "step-000006")


def test_where_padding_is_eos_the_token_before_it_is_trained(base: Path, pair_file: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    found = {}
    for end in ("auto", "none"):
        callback = plain_audit(pair_file, tmp_path / end, 100, end=end)
        found[end] = train(new_trainer("reward", folder, tmp_path / "out", [callback], max_steps=2))
    assert found["none"].model.config.pad_token_id == tokenizer.eos_token_id
    for end, trainer in found.items():
        assert_evaluated_as_audited(trainer, tmp_path / end / "step-000002")
    cautions = read_results(tmp_path / "auto" / "step-000002").cautions
    assert any("48 of 48 texts end in its padding token" in one and "the token before" in one for one in cautions)
    assert not any("padding token" in one for one in read_results(tmp_path / "none" / "step-000002").cautions)


def test_levels_are_told_beside_shifts_and_explained(trained: tuple[Any, Path]) -> None:
    trainer, folder = trained
    told = {one["step"]: one for one in trainer.state.log_history if f"{HARMED}/excess_level" in one}
    assert list(told) == [3, 6]
    results = read_results(folder / "audits" / "step-000006")
    found = {
        one.measure: one.estimate
        for one in results.effects
        if (one.contrast, one.theme, one.identity, one.checkpoint) == ("excess", None, "trans women", "step-000006")
    }
    assert {key: told[6][f"{HARMED}/excess_{key}"] for key in found} == found
    assert set(found) == {"level", "shift"}
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for key in (one for one in told[6] if one.startswith("bias/") and "nonbinary" not in one):
        assert f"`{key.replace('small', 'PROBE').replace('trans women', 'IDENTITY')}`" in page


def test_its_audits_make_a_history(trained: tuple[Any, Path], tmp_path: Path) -> None:
    _, folder = trained
    page = tmp_path / "history.json"
    result = audit("history", folder / "audits", "--format", "json", "--out", page)
    assert result.exit_code == 0, result.stderr
    history = json.loads(page.read_text(encoding="utf-8"))
    assert [one["step"] for one in history["runs"]] == [0, 3, 6]
    assert history["left_out"] == []
    (track,) = (one for one in history["tracks"] if one["contrast"] == "excess")
    assert (track["probe"], track["unit"]) == ("small", "reward")
    found = [
        [one["estimate"] for one in point["identities"] if one["identity"] == "trans women"]
        for point in track["points"]
    ]
    assert found == [[one] for one in _levels(folder / "audits")]
    assert [point["compared_with"] for point in track["points"]] == [None, "step-000000", "step-000003"]
    assert track["points"][2]["shared"] == 24
    assert audit("report", folder / "audits" / "step-000006").exit_code == 0


def _levels(audits: Path) -> Iterator[float | None]:
    for step, checkpoint in ((0, "start"), (3, "step-000003"), (6, "step-000006")):
        for one in read_results(audits / f"step-{step:06}").effects:
            cell = (one.measure, one.contrast, one.theme, one.identity, one.checkpoint)
            if cell == ("level", "excess", None, "trans women", checkpoint):
                yield one.estimate


def test_the_gate_holds_it_to_its_level(base: Path, pair_file: Path, tmp_path: Path) -> None:
    """What is preferred here is harmful whomever it is about."""
    callback = plain_audit(pair_file, tmp_path / "audits", 2, gate="small:any:level/raw > 0.1")
    trainer = train(new_trainer("reward", base, tmp_path / "out", [callback], max_steps=40))
    failed = [one["bias/gate_failed"] for one in trainer.state.log_history if "bias/gate_failed" in one]
    assert failed[-2:] == [1, 1]
    assert trainer.state.global_step == 2 * len(failed) < 40, "training was stopped"
    last = tmp_path / "audits" / f"step-{trainer.state.global_step:06}"
    assert audit("gate", last, "--fail-on", "small:any:level/raw > 0.1").exit_code == 1
    assert manifest(last)["series"][1]["quantity"] == "reward"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"objective": "dpo"}, "^objective: a reward model is trained"), ({"head": "kind"}, "^head: .* no output 'kind'")],
)
def test_what_a_reward_model_does_not_have_stops_before_the_first_step(
    options: dict[str, Any], said: str, base: Path, pair_file: Path, tmp_path: Path
) -> None:
    trainer = new_trainer("reward", base, tmp_path / "out", [plain_audit(pair_file, tmp_path / "a", 2, **options)])
    with pytest.raises(UsageError, match=said):
        train(trainer)
    assert trainer.state.global_step == 0
