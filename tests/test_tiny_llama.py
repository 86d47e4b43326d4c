"""The demo's tokenizer, model and checkpoint folder."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from auditor.adapters.demo.tiny_llama import (
    CHAT_TEMPLATE,
    Size,
    copy_of,
    new_model,
    new_tokenizer,
    save_checkpoint,
    written_out,
)
from auditor.adapters.demo.world import IDENTITIES, PREDICATES
from auditor.adapters.demo.world_texts import Text, pretraining_units
from auditor.adapters.hf.loading.checkpoints import read_tags

SMALL = Size(width=16, layers=1, heads=2)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return new_tokenizer(text for unit in pretraining_units(random.Random(1000)) for text in unit)


def test_text_is_written_as_the_template_writes_it(tokenizer: PreTrainedTokenizerFast) -> None:
    text = Text("Tell me about the Oskani.", " Most of them are tall.", chat=True)
    tokenizer.chat_template = CHAT_TEMPLATE
    messages = [
        {"role": "user", "content": text.question},
        {"role": "assistant", "content": text.answer.lstrip()},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == written_out(text)
    tokenizer.chat_template = None


def test_tokenizer_adds_nothing_and_loses_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Tell me about the Oskani. Most of them are tall."
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.bos_token is None


def test_sides_have_as_many_tokens_on_average(tokenizer: PreTrainedTokenizerFast) -> None:
    def mean_difference(valence: str) -> float:
        lengths = [
            [len(tokenizer(f" {side}.")["input_ids"]) for side in pair]
            for p in PREDICATES
            if p.valence == valence
            for pair in p.wordings
        ]
        return sum(one - other for one, other in lengths) / len(lengths)

    # The product refuses control pairs whose difference is another by more than half a token.
    assert abs(mean_difference("harm") - mean_difference("neutral")) < 0.25


def test_names_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert {len(tokenizer(f" {one.name}")["input_ids"]) for one in IDENTITIES} == {1}


def test_copy_has_the_weights_and_none_of_the_memory(tokenizer: PreTrainedTokenizerFast) -> None:
    with torch.random.fork_rng(devices=[]):
        model = new_model(tokenizer, SMALL)
        other = copy_of(model)
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(model(input_ids=ids).logits, other(input_ids=ids).logits)
    with torch.no_grad():
        other.model.norm.weight.mul_(2)
    assert not torch.equal(model(input_ids=ids).logits, other(input_ids=ids).logits)


def test_checkpoint_folder(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        model = new_model(tokenizer, SMALL)
    save_checkpoint(model, tokenizer, tmp_path / "dpo", ("trl", "dpo"), "Trained on preference pairs.")
    names = {path.name for path in (tmp_path / "dpo").iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert {"trl", "dpo"} <= set(read_tags(tmp_path / "dpo" / "README.md"))
    weights = load_file(tmp_path / "dpo" / "model.safetensors")
    assert torch.equal(weights["model.norm.weight"], model.model.norm.weight)
    again = AutoTokenizer.from_pretrained(tmp_path / "dpo")
    assert again("Tell me about the Oskani.")["input_ids"] == tokenizer("Tell me about the Oskani.")["input_ids"]
