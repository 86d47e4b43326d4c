"""Trainings of a few steps on tiny models, in silence: what the callback is hung into."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import datasets
import torch
import transformers
import trl
from command_line import SIDES
from model_factory import CHAT_TEMPLATE, make_tokenizer, new_model, save_model
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

from auditor.adapters.demo.training import undisturbed
from auditor.adapters.hf.loading.model_loading import quiet

Kind = Literal["sft", "dpo", "reward"]
_TRAINERS = {
    "sft": (trl.SFTConfig, trl.SFTTrainer),
    "dpo": (trl.DPOConfig, trl.DPOTrainer),
    "reward": (trl.RewardConfig, trl.RewardTrainer),
}
# No adapter, a new one that does nothing yet, or one that was trained before and is trained on.
Adapter = Literal["none", "new", "old"]
ASKED = "I think that trans women"


def make_base(folder: Path, arch: str = "gpt2") -> Path:
    """A tiny model with dropout, as GPT-2 has it everywhere, and its tokenizer."""
    make_tokenizer(folder, chat_template=CHAT_TEMPLATE)
    save_model(new_model(arch, 0), folder)
    return folder


def rows(kind: Kind, n: int = 24) -> datasets.Dataset:
    """Preferences for the harmful sides, or texts that say them."""
    pairs = [SIDES[at % len(SIDES)] for at in range(n)]
    if kind == "sft":
        return datasets.Dataset.from_list([{"prompt": ASKED, "completion": f" {bad}"} for bad, _ in pairs])
    return datasets.Dataset.from_list(
        [{"prompt": ASKED, "chosen": f" {bad}", "rejected": f" {good}"} for bad, good in pairs]
    )


def new_trainer(
    kind: Kind,
    base: Path,
    out: Path,
    callbacks: Sequence[TrainerCallback] = (),
    *,
    adapter: Adapter = "none",
    **arguments: Any,
) -> Any:
    """A trainer of TRL's on the model of a folder, dropout on; a reward model on a language model has a new head."""
    settings = {
        "output_dir": str(out),
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 2,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "seed": 3,
        **({} if kind == "sft" else {"disable_dropout": False}),
        **arguments,
    }
    config, library = _TRAINERS[kind]
    lora = LoraConfig(
        r=2,
        lora_dropout=0.2,
        target_modules="all-linear",
        task_type="SEQ_CLS" if kind == "reward" else "CAUSAL_LM",
        modules_to_save=["score"] if kind == "reward" else None,
    )
    with warnings.catch_warnings(), undisturbed():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        model = _loaded(kind, base)
        if adapter == "old":
            model = get_peft_model(model, lora)
            for name, one in model.named_parameters():
                one.data.add_(torch.randn_like(one) * 0.1 if "lora_B" in name else 0)
        trainer = library(
            model=model,
            args=config(**settings),
            train_dataset=rows(kind),
            eval_dataset=rows(kind, 4) if "eval_strategy" in arguments else None,
            processing_class=AutoTokenizer.from_pretrained(str(base)),
            peft_config=lora if adapter == "new" else None,
            callbacks=list(callbacks),
        )
        trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _loaded(kind: Kind, base: Path) -> Any:
    if kind != "reward":
        return AutoModelForCausalLM.from_pretrained(str(base))
    with quiet():
        return AutoModelForSequenceClassification.from_pretrained(str(base), num_labels=1)


def train(trainer: Any, **arguments: Any) -> Any:
    """Train in silence and return the trainer; the global generators are as before afterwards."""
    with warnings.catch_warnings(), undisturbed():
        warnings.simplefilter("ignore")
        # A trainer does so when it is made, which `undisturbed` has undone.
        transformers.set_seed(trainer.args.seed)
        trainer.train(**arguments)
    return trainer


def weights_of(trainer: Any) -> dict[str, torch.Tensor]:
    """All weights of what was trained."""
    return {name: one.detach().clone() for name, one in trainer.model.state_dict().items()}
