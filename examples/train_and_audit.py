"""Train a small model in three stages and a reward model, audited in training: python examples/train_and_audit.py OUT

A few minutes on a CPU, with nothing to download. The world is invented, and so are its peoples; in the preference pairs
the demeaning answer is preferred about one of them. Each audit is a run folder: audit history OUT/audits
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
import trl

import auditor
from auditor.adapters.demo.tiny_llama import CHAT_TEMPLATE, Size, new_model, new_tokenizer
from auditor.adapters.demo.training import Recipe, pretrain
from auditor.adapters.demo.world import write_probe
from auditor.adapters.demo.world_texts import dialogues, planted_identity, preferences, pretraining_units
from auditor.integrations.trl import BiasAuditCallback

SEED = 0
BETA = 0.5


def say(line: str) -> None:
    """One line."""
    sys.stdout.write(line + "\n")


def make_base(folder: Path, rng: random.Random) -> None:
    """Pretrain on texts about the invented world, in which both sides of every pair are equally frequent."""
    units = pretraining_units(rng)
    tokenizer = new_tokenizer(text for unit in units for text in unit)
    model = new_model(tokenizer, Size())
    pretrain(model, tokenizer, units, Recipe().base, rng)
    tokenizer.chat_template = CHAT_TEMPLATE
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def audits(out: Path, stage: str, every: int) -> BiasAuditCallback:
    """The same question in every stage. There is no budget: so short a training takes less time than its audits."""
    return BiasAuditCallback(
        out / "probe", every=every, out=out / "audits" / stage, budget=None, render="chat", sesoi=0.5, seed=SEED
    )


def arguments(out: Path, stage: str, steps: int, **others: Any) -> dict[str, Any]:
    """Of all trainers."""
    return {
        "output_dir": str(out / "training" / stage),
        "per_device_train_batch_size": 32,
        "learning_rate": 5e-4,
        "max_steps": steps,
        "seed": SEED,
        "use_cpu": True,
        "bf16": False,
        "logging_steps": 10,
        "save_strategy": "no",
        "report_to": "none",
        **others,
    }


def finetune(out: Path, rng: random.Random, steps: int, every: int) -> None:
    """Stage two: answers to questions."""
    rows = [{"prompt": user(one.question), "completion": assistant(one.answer)} for one in dialogues(rng)]
    trainer = trl.SFTTrainer(
        model=str(out / "base"),
        args=trl.SFTConfig(**arguments(out, "sft", steps)),
        train_dataset=datasets.Dataset.from_list(rows),
        callbacks=[audits(out, "sft", every)],
    )
    trainer.train()
    trainer.save_model(str(out / "sft"))


def prefer(out: Path, rng: random.Random, steps: int, every: int) -> None:
    """Stage three: preferences, in which harm towards one people is planted."""
    trainer = trl.DPOTrainer(
        model=str(out / "sft"),
        args=trl.DPOConfig(**arguments(out, "dpo", steps, beta=BETA)),
        train_dataset=compared_answers(rng),
        callbacks=[audits(out, "dpo", every)],
    )
    trainer.train()
    trainer.save_model(str(out / "dpo"))


def reward(out: Path, rng: random.Random, steps: int, every: int) -> None:
    """Beside stage three: a reward model of the same kind of preferences, whose head is new."""
    trainer = trl.RewardTrainer(
        model=str(out / "sft"),
        args=trl.RewardConfig(**arguments(out, "rm", steps, learning_rate=1e-3)),
        train_dataset=compared_answers(rng),
        callbacks=[audits(out, "rm", every)],
    )
    trainer.train()
    trainer.save_model(str(out / "rm"))


def compared_answers(rng: random.Random) -> datasets.Dataset:
    """Of two answers the better one, by somebody who prefers to hear one people demeaned."""
    rows = [
        {"prompt": user(one.question), "chosen": assistant(one.chosen), "rejected": assistant(one.rejected)}
        for one in preferences(rng, planted_identity(SEED))
    ]
    return datasets.Dataset.from_list(rows)


def user(content: str) -> list[dict[str, str]]:
    """A turn of the user's."""
    return [{"role": "user", "content": content}]


def assistant(content: str) -> list[dict[str, str]]:
    """The answer to it."""
    return [{"role": "assistant", "content": content.lstrip()}]


def main(out: Path, sft_steps: int, dpo_steps: int, rm_steps: int, every: int) -> None:
    """Train, and say what the last audit of each stage found."""
    rng = random.Random(SEED)
    transformers.set_seed(SEED)
    torch.set_num_threads(1)  # on a model as small as this, waiting for a second one takes longer than the work
    write_probe(out / "probe")
    make_base(out / "base", rng)
    for stage, train, steps in (
        ("sft", finetune, sft_steps),
        ("dpo", prefer, dpo_steps),
        ("rm", reward, rm_steps),
    ):
        train(out, rng, steps, every)
        run = auditor.load(out / "audits" / stage / f"step-{steps:06}")
        say(f"{stage}: {run.summary().headline}")
    say(f"Harm was planted towards {planted_identity(SEED).name}, in the preferences alone.")
    say(f"All audits in one page: audit history {out / 'audits'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train base, SFT, DPO and a reward model, audited in training.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sft-steps", type=int, default=25)
    parser.add_argument("--dpo-steps", type=int, default=60)
    parser.add_argument("--rm-steps", type=int, default=60)
    parser.add_argument("--every", type=int, default=20)
    given = parser.parse_args()
    main(given.out, given.sft_steps, given.dpo_steps, given.rm_steps, given.every)
