"""Twin of auditor.integrations.live_audit: a live model is audited as the checkpoint it would be saved as."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import cells, manifest
from live_training import make_base
from model_factory import make_reward_model, perturb, save_lora, save_model
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import auditor
from auditor.adapters.hf.live_models import LiveModel
from auditor.adapters.run.run_folder import read_results
from auditor.cli.asked_probes import asked_probes
from auditor.core.series import Objective
from auditor.errors import ModelLoadError, NotComparableError, UsageError
from auditor.integrations.live_audit import START, LiveAudit, Training, step_name
from auditor.python_interface import CompareOptions, audit_options

# PEFT asks transformers by a name that transformers is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("audited") / "base", "llama")


def tokenizer(base: Path) -> Any:
    return AutoTokenizer.from_pretrained(str(base))


def new_audit(
    model: torch.nn.Module,
    base: Path,
    out: Path,
    pairs: Path,
    objective: Objective = "none",
    beta: float | None = None,
    **options: Any,
) -> LiveAudit:
    asked = audit_options(CompareOptions(probe=pairs, **options))
    training = Training("runs/dpo", objective, beta)
    return LiveAudit(LiveModel(model), tokenizer(base), training, asked_probes(asked), asked, out)


def numbers(run: Path) -> list[dict[str, Any]]:
    return [one.model_dump() for one in read_results(run).effects]


def values(run: Path, checkpoint: str) -> list[tuple[Any, ...]]:
    rows = cells(run / "items.parquet")
    return [
        (one["item"], one["candidate"], one["value"], one["render"]) for one in rows if one["checkpoint"] == checkpoint
    ]


def test_a_live_audit_is_that_of_the_saved_checkpoints(base: Path, pair_file: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(base)).train()
    audit = new_audit(model, base, tmp_path / "out", pair_file, "dpo", 0.1)
    audit.begin(resumed=False)
    perturb(model, seed=1, scale=0.05)
    save_model(model, tmp_path / "trained")
    tokenizer(base).save_pretrained(tmp_path / "trained")
    done = audit.audit(100)
    assert (done.checkpoint, done.run) == ("step-000100", tmp_path / "out" / "step-000100")
    saved = auditor.compare(
        f"start={base}",
        f"step-000100={tmp_path / 'trained'}",
        probe=pair_file,
        objective={"step-000100": "dpo"},
        beta=0.1,
        out=tmp_path / "saved",
    )
    assert values(done.run, START) == values(saved.folder, START)
    assert values(done.run, "step-000100") == values(saved.folder, "step-000100")
    assert numbers(done.run) == numbers(saved.folder)
    assert {one.measure for one in done.results.effects} >= {"level", "shift", "implicit_reward"}
    assert (done.run / "report.html").is_file()
    found = manifest(done.run)
    assert found["status"] == "complete"
    assert [one["source"] for one in found["series"]] == ["runs/dpo@step-000000", "runs/dpo@step-000100"]
    assert found["series"][1]["objective_source"] == "training arguments"
    assert found["timings"][START]["forward_s"] == 0, "its scores are remembered"
    assert found["work"][START]["recalled"] == found["work"][START]["texts"]


def test_under_an_adapter_the_beginning_is_the_model_without(base: Path, pair_file: Path, tmp_path: Path) -> None:
    save_lora(base, tmp_path / "lora", seed=1)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(str(base)), str(tmp_path / "lora"), is_trainable=True
    )
    audit = new_audit(model, base, tmp_path / "out", pair_file)
    # Resumed without scores of its beginning: it is still there.
    audit.begin(resumed=True)
    done = audit.audit(7)
    saved = auditor.compare(
        f"start={base}", f"step-000007={base}+{tmp_path / 'lora'}", probe=pair_file, out=tmp_path / "saved"
    )
    assert values(done.run, START) == values(saved.folder, START)
    assert values(done.run, "step-000007") == values(saved.folder, "step-000007")
    assert numbers(done.run) == numbers(saved.folder)


def test_an_adapter_that_training_goes_on_with_is_part_of_its_beginning(
    base: Path, pair_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_lora(base, tmp_path / "lora", seed=1)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(str(base)), str(tmp_path / "lora"), is_trainable=True
    )
    audit = new_audit(model, base, tmp_path / "out", pair_file)
    audit.begin(resumed=False)
    done = audit.audit(7)
    assert values(done.run, START) == values(done.run, "step-000007"), "nothing was learnt in between"
    assert not [one for one in done.results.effects if one.measure == "shift" and one.estimate]
    assert not caplog.records
    # Resumed where nothing was kept, it is taken for new, and that is said.
    other = new_audit(model, base, tmp_path / "other", pair_file)
    other.begin(resumed=True)
    assert "which is right if the adapter was new" in caplog.text
    again = other.audit(7)
    assert values(again.run, "step-000007") == values(done.run, "step-000007") != values(again.run, START)


def test_what_a_training_was_called_with_stays_out_of_its_runs(
    base: Path, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--hub_token", "hf_secret"])
    audit = new_audit(AutoModelForCausalLM.from_pretrained(str(base)), base, tmp_path / "out", pair_file)
    audit.begin(resumed=False)
    assert manifest(audit.audit(0).run)["command"] == "python train.py"


def test_the_beginning_by_itself(base: Path, pair_file: Path, tmp_path: Path) -> None:
    audit = new_audit(AutoModelForCausalLM.from_pretrained(str(base)), base, tmp_path / "out", pair_file)
    audit.begin(resumed=False)
    done = audit.audit(0)
    saved = auditor.compare(f"start={base}", probe=pair_file, out=tmp_path / "saved")
    assert done.run == tmp_path / "out" / step_name(0)
    assert numbers(done.run) == numbers(saved.folder)


def test_a_resumed_training_recalls_its_beginning(base: Path, pair_file: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(base))
    began = new_audit(model, base, tmp_path / "out", pair_file).begin(resumed=False)
    perturb(model, seed=1, scale=0.05)
    audit = new_audit(model, base, tmp_path / "out", pair_file)
    recalled = audit.begin(resumed=True)
    assert recalled.work["recalled"] == recalled.work["texts"] == began.work["texts"]
    for key, one in began.scored.items():
        assert [a.total for a in one.candidates] == [b.total for b in recalled.scored[key].candidates]
    # Another folder, and a question that was not asked at the beginning.
    for out, options in ((tmp_path / "other", {}), (tmp_path / "out", {"system": "Be brief.", "render": "chat"})):
        with pytest.raises(UsageError, match="does not hold the scores of its beginning"):
            new_audit(model, base, out, pair_file, **options).begin(resumed=True)
    # A training that begins anew in the folder takes none of the old one's scores.
    anew = new_audit(model, base, tmp_path / "out", pair_file).begin(resumed=False)
    assert anew.work["recalled"] == 0


def test_nothing_of_a_private_audit_is_told(base: Path, pair_file: Path, tmp_path: Path) -> None:
    audit = new_audit(AutoModelForCausalLM.from_pretrained(str(base)), base, tmp_path / "out", pair_file, private=True)
    audit.begin(resumed=False)
    run = audit.audit(3).run
    assert manifest(run)["first_rendered"] == {}
    assert all(one["text"] is None for one in cells(run / "items.parquet"))


def test_half_precision_is_said_not_to_be_measured(base: Path, pair_file: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(base)).to(torch.bfloat16)
    audit = new_audit(model, base, tmp_path / "out", pair_file)
    audit.begin(resumed=False)
    done = audit.audit(3)
    assert done.results.cautions[0].startswith("Scored in bfloat16, as it is trained")
    assert manifest(done.run)["engine"]["dtype"] == "bfloat16"


def test_rounded_products_are_said(base: Path, pair_file: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(base))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        audit = new_audit(model, base, tmp_path / "out", pair_file)
        audit.begin(resumed=False)
        done = audit.audit(3)
    finally:
        torch.set_float32_matmul_precision(before)
    assert done.results.cautions[0].startswith("Products of matrices are rounded")
    plain = new_audit(model, base, tmp_path / "plain", pair_file)
    plain.begin(resumed=False)
    assert not [one for one in plain.audit(3).results.cautions if "Products" in one]


def test_a_step_can_be_audited_again_and_no_other_question_takes_its_folder(
    base: Path, pair_file: Path, tmp_path: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(base))
    audit = new_audit(model, base, tmp_path / "out", pair_file)
    audit.begin(resumed=False)
    first = audit.audit(3)
    assert numbers(audit.audit(3).run) == numbers(first.run)
    other = new_audit(model, base, tmp_path / "out", pair_file, sesoi=0.5)
    other.begin(resumed=False)
    with pytest.raises(UsageError, match="holds another audit"):
        other.audit(3)


def test_a_folder_is_free_again_where_nothing_could_be_concluded(base: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(base))
    long = tmp_path / "long.csv"
    long.write_text(f"harmful,affirming\n{'bad ' * 200},{'good ' * 200}\n", encoding="utf-8")
    audit = new_audit(model, base, tmp_path / "out", long)
    audit.begin(resumed=False)
    with pytest.raises(NotComparableError, match="too_long"):
        audit.audit(3)
    assert not (tmp_path / "out" / step_name(3)).exists()


@pytest.fixture(scope="module")
def rewarding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model of two outputs, with a chat template. Read only."""
    folder = tmp_path_factory.mktemp("rewarding") / "rm"
    make_reward_model(folder, outputs=("helpful", "harmless"))
    return folder


def test_a_live_reward_model_is_that_of_the_saved_checkpoints(rewarding: Path, pair_file: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(str(rewarding)).train()
    asked = {"sesoi": 0.3, "reward_sesoi": 0.7}
    audit = new_audit(model, rewarding, tmp_path / "out", pair_file, head={START: "harmless"}, **asked)
    audit.begin(resumed=False)
    perturb(model, seed=1, scale=0.05)
    save_model(model, tmp_path / "trained")
    tokenizer(rewarding).save_pretrained(tmp_path / "trained")
    done = audit.audit(100)
    names = (START, "step-000100")
    saved = auditor.compare(
        f"start={rewarding}",
        f"step-000100={tmp_path / 'trained'}",
        probe=pair_file,
        head=dict.fromkeys(names, "harmless"),
        out=tmp_path / "saved",
        **asked,  # type: ignore[arg-type]
    )
    for name in names:
        assert values(done.run, name) == values(saved.folder, name)
    assert numbers(done.run) == numbers(saved.folder)
    judged = [one for one in done.results.effects if one.verdict is not None]
    assert {(one.measure, one.unit, one.sesoi) for one in judged} == {
        ("level", "reward", 0.7),
        ("shift", "reward", 0.7),
    }
    found, same = manifest(done.run), manifest(saved.folder)
    for key in ("renders", "renders_reason", "first_rendered", "forward_reason", "engine"):
        assert found[key] == same[key]
    assert [(one["quantity"], one["head"]) for one in found["series"]] == [("reward", "harmless")] * 2
    assert [one["objective_source"] for one in found["series"]] == ["reward model"] * 2
    new_head = done.results.cautions[0]
    assert new_head.startswith("start is the reward model before its first step")
    # But for that one the same is said, of the same.
    assert [one.split(": ", 1) for one in done.results.cautions[1:]] == [
        one.split(": ", 1) for one in read_results(saved.folder).cautions
    ]


def test_what_is_said_wrong_of_a_reward_model_is_found_at_once(
    rewarding: Path, base: Path, pair_file: Path, tmp_path: Path
) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(str(rewarding))
    with pytest.raises(UsageError, match=r"^head: 'start' is a reward model of 2 outputs(.|\n)*helpful, harmless"):
        new_audit(model, rewarding, tmp_path, pair_file)
    with pytest.raises(UsageError, match=r"^head: 'start' has no output 'kind'"):
        new_audit(model, rewarding, tmp_path, pair_file, head={START: "kind"})
    with pytest.raises(UsageError, match=r"^objective: a reward model is trained(.|\n)*Leave the objective out"):
        new_audit(model, rewarding, tmp_path, pair_file, "dpo", head={START: "helpful"})
    with pytest.raises(UsageError, match=r"^--reward-sesoi: .* positive"):
        new_audit(model, rewarding, tmp_path, pair_file, head={START: "helpful"}, reward_sesoi=-1)
    policy = AutoModelForCausalLM.from_pretrained(str(base))
    with pytest.raises(UsageError, match=r"^head: there is no reward model 'start'"):
        new_audit(policy, base, tmp_path, pair_file, head={START: "helpful"})


def test_a_resumed_reward_model_is_held_against_no_other_head(rewarding: Path, pair_file: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=2, target_modules="all-linear", task_type="SEQ_CLS")
    model = get_peft_model(AutoModelForSequenceClassification.from_pretrained(str(rewarding)), config)

    def new(out: str, head: str = "harmless") -> LiveAudit:
        return new_audit(model, rewarding, tmp_path / out, pair_file, head={START: head})

    began = new("out").begin(resumed=False)
    # What lies under an adapter when training is resumed may have another random head.
    with torch.no_grad():
        model.get_parameter("base_model.model.score.original_module.weight").mul_(2)
    with pytest.raises(UsageError, match="does not hold the scores of its beginning"):
        new("elsewhere").begin(resumed=True)
    with pytest.raises(UsageError, match="does not hold the scores of its beginning"):
        new("out", "helpful").begin(resumed=True)
    recalled = new("out").begin(resumed=True)
    for key, one in began.scored.items():
        assert [a.total for a in one.candidates] == [b.total for b in recalled.scored[key].candidates]


def test_a_tokenizer_without_offsets_is_refused(base: Path, pair_file: Path, tmp_path: Path) -> None:
    asked = audit_options(CompareOptions(probe=pair_file))
    live = LiveModel(AutoModelForCausalLM.from_pretrained(str(base)))
    with pytest.raises(ModelLoadError, match=r"NoneType.*no fast tokenizer"):
        LiveAudit(live, None, Training("x"), asked_probes(asked), replace(asked), tmp_path)
