"""The three stages of the demo: causal pretraining, then TRL's SFTTrainer and DPOTrainer, on the CPU and silent.

Each stage is a function from a model to the same model trained further. The order of everything comes
from the seeds given, so equal seeds give equal weights on one machine.
"""

from __future__ import annotations

import logging
import os
import random
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from auditor.adapters.demo.tiny_llama import Size, written_out
from auditor.adapters.demo.world_texts import Preference, Text, Unit

# Sums are taken in the same order whatever the machine's number of cores.
THREADS = 1
# DPOTrainer's bar over the reference's log-probabilities knows no other switch.
_NO_BARS = "TQDM_DISABLE"
_IGNORED = -100  # label of a position that carries no loss


@dataclass(frozen=True, slots=True)
class Stage:
    """How one stage is trained.

    Attributes:
        epochs: passes over its data.
        batch: rows of one step: texts, dialogues or preference pairs.
        rate: learning rate at the start.
        max_steps: stop after so many steps; None for all of them.
    """

    epochs: int
    batch: int
    rate: float
    max_steps: int | None = None

    @property
    def most_rows(self) -> int | None:
        """No more rows than these are seen, so no others need be prepared; None for all of them."""
        return None if self.max_steps is None else self.max_steps * self.batch


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a series is trained.

    Attributes:
        beta: of DPO's loss. At the usual 0.1 the pairs that are already learned go on pulling, and all peoples
            drift far; at 0.5 they let go, and the difference between peoples stands out.
    """

    size: Size = field(default_factory=Size)
    base: Stage = Stage(epochs=4, batch=32, rate=4e-3)
    sft: Stage = Stage(epochs=1, batch=32, rate=5e-4)
    dpo: Stage = Stage(epochs=5, batch=32, rate=5e-4)
    beta: float = 0.5


@contextmanager
def undisturbed(threads: int = THREADS) -> Iterator[None]:
    """Train without a word and without a trace: generators, threads and log levels are as before afterwards."""
    python, numpy, before = random.getstate(), np.random.get_state(), torch.get_num_threads()  # noqa: NPY002
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), _silent_libraries():
            # TRL and what it stands on announce changes of their own API, which nobody here can act on.
            warnings.simplefilter("ignore")
            torch.set_num_threads(threads)
            yield
    finally:
        torch.set_num_threads(before)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - the trainers draw from the global generator


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Turn off the bars and messages of transformers, datasets and TRL; whoever calls reports progress."""
    log: Any = transformers.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    dataset_bars = not datasets.are_progress_bars_disabled()
    trl_log = logging.getLogger("trl")
    level, disabled = trl_log.level, os.environ.get(_NO_BARS)
    try:
        log.set_verbosity_error()
        log.disable_progress_bar()
        datasets.disable_progress_bars()
        trl_log.setLevel(logging.ERROR)
        os.environ[_NO_BARS] = "1"
        yield
    finally:
        if disabled is None:
            del os.environ[_NO_BARS]
        else:
            os.environ[_NO_BARS] = disabled
        trl_log.setLevel(level)
        if dataset_bars:
            datasets.enable_progress_bars()
        if bars:
            log.enable_progress_bar()
        log.set_verbosity(verbosity)


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    units: Sequence[Unit],
    stage: Stage,
    rng: random.Random,
) -> None:
    """Next-token prediction on whole texts; the texts of a unit always meet in one step."""
    batches = list(_batches(units, stage, rng))[: stage.max_steps]
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01)
    warm = max(1, len(batches) // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (len(batches) - step) / len(batches))
    )
    model.train(True)
    for texts in batches:
        ids = _padded(tokenizer, texts)
        labels = ids.masked_fill(ids == tokenizer.pad_token_id, _IGNORED)
        # Padding is on the right, where a causal model's real positions never look.
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.train(False)


def _batches(units: Sequence[Unit], stage: Stage, rng: random.Random) -> Iterator[list[Text]]:
    for _ in range(stage.epochs):
        batch: list[Text] = []
        for unit in rng.sample(list(units), len(units)):
            batch += unit
            if len(batch) >= stage.batch:
                yield batch
                batch = []
        if batch:
            yield batch


def _padded(tokenizer: PreTrainedTokenizerFast, texts: Sequence[Text]) -> torch.Tensor:
    ids: list[list[int]] = tokenizer([written_out(text) for text in texts])["input_ids"]
    longest = max(map(len, ids))
    return torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in ids])


def finetune(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Text], stage: Stage, seed: int
) -> None:
    """TRL's supervised fine-tuning on the answers of chats."""
    import trl

    library: Any = trl  # it marks itself as typed and exports nothing

    seen = dialogues[: stage.most_rows]
    rows = [{"prompt": _user(text.question), "completion": _assistant(text.answer)} for text in seen]
    with tempfile.TemporaryDirectory() as scratch:
        trainer = library.SFTTrainer(
            model=model,
            args=library.SFTConfig(**_arguments(stage, seed, scratch)),
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        _train(trainer)


def prefer(
    model: LlamaForCausalLM,
    reference: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[Preference],
    stage: Stage,
    beta: float,
    seed: int,
) -> None:
    """TRL's direct preference optimisation.

    Args:
        reference: the checkpoint training starts from, another copy of it.
    """
    import trl

    library: Any = trl

    pairs = [
        {"prompt": _user(row.question), "chosen": _assistant(row.chosen), "rejected": _assistant(row.rejected)}
        for row in rows[: stage.most_rows]
    ]
    with tempfile.TemporaryDirectory() as scratch:
        trainer = library.DPOTrainer(
            model=model,
            ref_model=reference,
            args=library.DPOConfig(
                beta=beta,
                precompute_ref_log_probs=True,
                precompute_ref_batch_size=4 * stage.batch,
                **_arguments(stage, seed, scratch),
            ),
            train_dataset=datasets.Dataset.from_list(pairs),
            processing_class=tokenizer,
        )
        _train(trainer)


def _user(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


def _assistant(content: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": content.lstrip()}]


def _arguments(stage: Stage, seed: int, scratch: str) -> dict[str, Any]:
    return {
        "output_dir": scratch,
        "num_train_epochs": stage.epochs,
        "max_steps": stage.max_steps or -1,
        "per_device_train_batch_size": stage.batch,
        "learning_rate": stage.rate,
        "lr_scheduler_type": "linear",
        "seed": seed,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def _train(trainer: Any) -> None:
    # Without its bar the trainer prints its timings instead.
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    trainer.model.train(False)
