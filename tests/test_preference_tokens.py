"""Preference pairs in tokens, held against the data set that TRL's DPOTrainer makes of the same rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from model_factory import CHAT_TEMPLATE, make_model, make_tokenizer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from auditor.adapters.hf.preference_tokens import UntrainableRowError, preference_sequences, sums_by_row

# TRL 1.16 still reads the name that transformers 5.23 gave up.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

TEXTS = (
    {"prompt": "They are", "chosen": " kind and honest.", "rejected": " rude"},
    # A token over the boundary, an answer that ends in EOS, an empty prompt, a long row, a long prompt.
    {"prompt": "a caf", "chosen": "\u00e9 scene", "rejected": "e scene"},
    {"prompt": "What?", "chosen": "\nYes.</s>", "rejected": "\nNo."},
    {"prompt": "", "chosen": "People are friendly.", "rejected": "People are rude."},
    {"prompt": "They are", "chosen": " kind" * 40, "rejected": " rude" * 60},
    {"prompt": "They are kind. " * 20, "chosen": " Yes.", "rejected": " No."},
)
WHOLE = tuple({side: f"\n\nHuman: Hi {row['prompt']}" + row[side] for side in ("chosen", "rejected")} for row in TEXTS)


def turns(row: dict[str, str]) -> dict[str, Any]:
    answers = {side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}
    return {"prompt": [{"role": "user", "content": row["prompt"]}], **answers}


CHATS = tuple(map(turns, TEXTS))
CHATS_WHOLE = tuple({side: row["prompt"] + row[side] for side in ("chosen", "rejected")} for row in CHATS)
# A generation prompt that the whole conversation does not hold.
THOUGHTFUL = CHAT_TEMPLATE.replace("<|assistant|>\n{% endif", "<|assistant|>\n<think></think>{% endif")
LENGTH = 48


def by_trl(rows: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> list[tuple[list[int], list[int], int]]:
    """Chosen and rejected ids and how many of them are the prompt's, of the rows TRL keeps, as its collator cuts."""
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        ref_model=AutoModelForCausalLM.from_pretrained(folder),
        args=DPOConfig(
            output_dir=str(folder / "out"),
            max_length=LENGTH,
            bf16=False,
            use_cpu=True,
            activation_checkpointing=False,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=tokenizer,
    )
    found = []
    for row in trainer.train_dataset:
        batch = trainer.data_collator([row])
        ids = [own[mask.bool()].tolist() for own, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
        scored = [int(mask.sum()) for mask in batch["completion_mask"]]
        starts = {len(own) - count for own, count in zip(ids, scored, strict=True)}
        assert len(starts) == 1
        found.append((ids[0], ids[1], min(starts)))
    return found


@pytest.mark.parametrize("kind", ["byte_bpe", "metaspace"])
@pytest.mark.parametrize("rows", [TEXTS, WHOLE, CHATS, CHATS_WHOLE], ids=["texts", "whole", "chats", "chats whole"])
def test_they_are_trls(kind: Any, rows: Any, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path, kind, CHAT_TEMPLATE)
    make_model(tmp_path, "llama", seed=1)
    sequences, kept = preference_sequences(rows, tokenizer, LENGTH)
    expected = by_trl(rows, tokenizer, tmp_path)
    assert len(kept) == len(expected) < len(rows)
    ours = [
        (sequences[2 * at].tolist(), sequences[2 * at + 1].tolist(), int(sequences.starts[2 * at]))
        for at in range(len(kept))
    ]
    # The first token of all has no predecessor, so scoring begins behind it.
    assert ours == [(chosen, rejected, max(start, 1)) for chosen, rejected, start in expected]
    assert sequences.items.tolist() == [at for at in range(len(kept)) for _ in range(2)]


def test_a_prompt_that_reads_otherwise_alone_is_cut_where_they_part(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path, "byte_bpe", THOUGHTFUL)
    make_model(tmp_path, "llama", seed=1)
    sequences, _ = preference_sequences(CHATS, tokenizer, LENGTH)
    assert [int(one) for one in sequences.starts[::2]] == [start for _, _, start in by_trl(CHATS, tokenizer, tmp_path)]


def test_a_first_token_without_bos_is_nobodys(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path, bos=False)
    make_model(tmp_path, "llama", seed=1)
    sequences, _ = preference_sequences(TEXTS[3:4], tokenizer, LENGTH)
    ((chosen, rejected, start),) = by_trl(TEXTS[3:4], tokenizer, tmp_path)
    assert [sequences[0].tolist(), sequences[1].tolist()] == [chosen, rejected]
    assert (start, sequences.starts.tolist()) == (0, [1, 1])


def test_a_prompt_that_fills_the_length_is_dropped(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path)
    rows, fills = (TEXTS[0], TEXTS[3]), len(tokenizer(TEXTS[0]["prompt"])["input_ids"])
    kept = {length: preference_sequences(rows, tokenizer, length)[1].tolist() for length in (fills, fills + 1)}
    assert kept == {fills: [1], fills + 1: [0, 1]}


def test_sums_are_those_of_each_side(tmp_path: Path) -> None:
    sequences, _ = preference_sequences(TEXTS, make_tokenizer(tmp_path), LENGTH)
    logprobs = np.random.default_rng(0).normal(size=int(sequences.scored_bounds[-1])).astype(np.float32)
    parts = np.split(logprobs, sequences.scored_bounds[1:-1])
    expected = [math.fsum(part.tolist()) for part in parts]
    assert sums_by_row(sequences, logprobs).ravel().tolist() == np.float32(expected).tolist()


def test_rows_without_an_answer_are_named(tmp_path: Path) -> None:
    without_eos = make_tokenizer(tmp_path / "a", eos=False)
    with pytest.raises(UntrainableRowError, match="row 1: the tokenizer has no EOS token"):
        preference_sequences(TEXTS, without_eos, LENGTH)
    silent = make_tokenizer(tmp_path / "b", chat_template="{% for m in messages[:1] %}{{ m.content }}{% endfor %}")
    with pytest.raises(UntrainableRowError, match="row 1: an answer has no token of its own"):
        preference_sequences(CHATS, silent, LENGTH)
    strict = make_tokenizer(
        tmp_path / "c",
        chat_template=CHAT_TEMPLATE + "{% if messages[2] %}{{ raise_exception('two turns only') }}{% endif %}",
    )
    system = [{"role": "system", "content": "Be kind."}]
    with pytest.raises(UntrainableRowError, match="row 2: the chat template cannot render it: two turns only"):
        preference_sequences([CHATS[0], {**CHATS[1], "prompt": system + CHATS[1]["prompt"]}], strict, LENGTH)
