"""The three stages on a model small enough to train in a second: each teaches what it was given, in silence."""

from __future__ import annotations

import os
import random

import datasets
import numpy as np
import pytest
import torch
import transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from auditor.adapters.demo.tiny_llama import CHAT_TEMPLATE, Size, copy_of, new_model, new_tokenizer, written_out
from auditor.adapters.demo.training import Stage, finetune, prefer, pretrain, undisturbed
from auditor.adapters.demo.world_texts import Preference, Text

ASK = "Tell me about the Oskani."
TALL, SHORT = " Most of them are tall.", " Most of them are short."
TEXTS = [(Text(ASK, TALL), Text(ASK, SHORT)), (Text(ASK, TALL, chat=True), Text(ASK, SHORT, chat=True))] * 4
STAGE = Stage(epochs=8, batch=8, rate=1e-2)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    made = new_tokenizer(text for unit in TEXTS for text in unit)
    made.chat_template = CHAT_TEMPLATE
    return made


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return new_model(tokenizer, Size(width=16, layers=1, heads=2))


def logprob(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answer: str) -> float:
    """Of the whole chat; the question is the same in all."""
    ids = torch.tensor([tokenizer(written_out(Text(ASK, answer, chat=True)))["input_ids"]])
    with torch.no_grad():
        steps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    return float(steps.gather(1, ids[0, 1:, None]).sum())


def test_pretraining_teaches_the_texts(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    before = logprob(model, tokenizer, TALL)
    with undisturbed():
        pretrain(model, tokenizer, TEXTS, STAGE, random.Random(0))
    assert logprob(model, tokenizer, TALL) > before + 10
    # Both sides stood in every step, equally often: neither is far ahead.
    assert abs(logprob(model, tokenizer, TALL) - logprob(model, tokenizer, SHORT)) < 0.5


def test_finetuning_teaches_the_answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logprob(model, tokenizer, TALL) - logprob(model, tokenizer, SHORT)
    with undisturbed():
        finetune(model, tokenizer, [Text(ASK, TALL, chat=True)] * 8, STAGE, seed=0)
    assert logprob(model, tokenizer, TALL) - logprob(model, tokenizer, SHORT) > before + 1
    assert capfd.readouterr() == ("", "")


def test_preference_training_follows_the_choice(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, capfd: pytest.CaptureFixture[str]
) -> None:
    margins = []
    for chosen, rejected in ((TALL, SHORT), (SHORT, TALL)):
        trained, reference = copy_of(model), copy_of(model)
        with undisturbed():
            rows = [Preference("Oskani", ASK, chosen, rejected)] * 8
            prefer(trained, reference, tokenizer, rows, STAGE, beta=0.1, seed=0)
        margins.append(logprob(trained, tokenizer, TALL) - logprob(trained, tokenizer, SHORT))
        assert logprob(reference, tokenizer, TALL) == logprob(model, tokenizer, TALL)
    untrained = logprob(model, tokenizer, TALL) - logprob(model, tokenizer, SHORT)
    assert margins[0] > untrained + 1
    assert margins[1] < untrained - 1
    assert capfd.readouterr() == ("", "")


def test_max_steps_stop_every_stage(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    one_step = Stage(epochs=8, batch=8, rate=1e-2, max_steps=1)
    trained = copy_of(model)
    with undisturbed():
        pretrain(trained, tokenizer, TEXTS, one_step, random.Random(0))
    moved = (trained.model.norm.weight - model.model.norm.weight).abs().max()
    # AdamW's first step moves a weight by the rate, and by the decay of 1% of it times the rate.
    assert 0 < moved <= 1.02e-2


def test_units_are_never_torn_apart(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    # A step of one row still takes both sides of a pair: what each side alone pulls at is pulled at by both.
    one, both = copy_of(model), copy_of(model)
    with undisturbed():
        pretrain(one, tokenizer, TEXTS[:1], Stage(epochs=2, batch=1, rate=1e-2), random.Random(0))
        pretrain(both, tokenizer, TEXTS[:1], Stage(epochs=2, batch=2, rate=1e-2), random.Random(0))
    assert one.lm_head.weight.equal(both.lm_head.weight)
    assert not one.lm_head.weight.equal(model.lm_head.weight)


def test_nothing_is_left_behind() -> None:
    def state() -> tuple[object, ...]:
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002 - the trainers draw from it
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            transformers.logging.get_verbosity(),
            transformers.logging.is_progress_bar_enabled(),
            datasets.are_progress_bars_disabled(),
            os.environ.get("TQDM_DISABLE"),
        )

    before = state()
    with undisturbed(threads=1):
        random.random()
        np.random.random()  # noqa: NPY002
        torch.rand(3)
    assert state() == before
