"""Preference pairs in tokens as TRL's DPOTrainer cuts them, so that sums over them are its reference log-probabilities.

Read off trl 1.16, `DPOTrainer._prepare_dataset` and `DataCollatorForPreference`. It differs from an audit's own rule
(`auditor.adapters.hf.tokens`) in three respects: the answer begins where the tokens of the prompt alone and those of
prompt and answer part, in either answer; plain answers end in EOS; what goes beyond a length is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.packs import shared_beginning
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.core.scores import IntArray
from auditor.errors import one_line

# A row's prompt, chosen and rejected side: texts, or lists of messages.
Record = Mapping[str, Any]
SIDES = ("chosen", "rejected")


class UntrainableRowError(Exception):
    """TRL could not train on a row; the text says why."""


def preference_sequences(
    records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[Sequences, IntArray]:
    """Both sides of every row that TRL keeps, chosen first.

    Args:
        records: all texts, or all messages; a prompt that is missing is taken from what both sides begin with.
        max_length: tokens of prompt and answer beyond which TRL cuts, at least 2; a row whose prompt is that long is
            dropped.

    Returns:
        The sequences, of which the two of a row are one item; and which rows they are of, shape (n,).

    Raises:
        UntrainableRowError: a row has no answer, or the template or tokenizer cannot end one.
    """
    rows: list[tuple[Sequence[int], int]] = []
    kept: list[int] = []
    for number, record in enumerate(records):
        try:
            prompt, sides = _ids_of(record, tokenizer)
        except UntrainableRowError as error:
            raise UntrainableRowError(f"row {number + 1}: {error}") from error
        if prompt >= max_length:
            continue
        # The very first token has no predecessor: TRL leaves it out of its sum too.
        start = max(prompt, 1)
        if any(len(ids) <= start for ids in sides):
            raise UntrainableRowError(f"row {number + 1}: an answer has no token of its own")
        rows += [(ids[:max_length], start) for ids in sides]
        kept.append(number)
    return Sequences.of(rows, np.repeat(np.arange(len(kept)), 2)), np.array(kept, dtype=np.int64)


def sums_by_row(sequences: Sequences, logprobs: Logprobs) -> Logprobs:
    """Log-probability of each answer, nats: summed in float64, kept in float32 as TRL keeps it.

    Args:
        logprobs: of all scored tokens, shape (k,).

    Returns:
        Chosen and rejected of each row, shape (rows, 2).
    """
    sums = np.add.reduceat(logprobs.astype(np.float64), sequences.scored_bounds[:-1])
    return sums.reshape(-1, len(SIDES)).astype(np.float32)


def _ids_of(record: Record, tokenizer: PreTrainedTokenizerBase) -> tuple[int, list[list[int]]]:
    """How many tokens belong to the prompt, and the token ids of prompt and answer for both sides."""
    from trl import extract_prompt

    parts: Record = record if "prompt" in record else extract_prompt(dict(record))
    if isinstance(parts["chosen"], str):
        if tokenizer.eos_token is None:
            raise UntrainableRowError("the tokenizer has no EOS token, with which TRL ends every plain answer")
        prompt, whole = parts["prompt"], [parts["prompt"] + _ended(parts[side], tokenizer.eos_token) for side in SIDES]
        before, *sides = (list(tokenizer(text)["input_ids"]) for text in (prompt, *whole))
    else:
        before = _chat_ids(tokenizer, parts["prompt"], add_generation_prompt=True)
        sides = [_chat_ids(tokenizer, parts["prompt"] + parts[side]) for side in SIDES]
    return min(shared_beginning(before, ids) for ids in sides), sides


def _ended(text: str, eos: str) -> str:
    return text if text.endswith(eos) else text + eos


def _chat_ids(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool = False
) -> list[int]:
    conversation: Any = list(turns)
    try:
        ids: Any = tokenizer.apply_chat_template(
            conversation, tokenize=True, return_dict=True, add_generation_prompt=add_generation_prompt
        )
    except Exception as error:  # a template is a program and can fail in any way
        raise UntrainableRowError(f"the chat template cannot render it: {one_line(error)}") from error
    return list(ids["input_ids"])
