"""The plain forward pass: whole sequences of like length side by side, padded to the longest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from auditor.adapters.hf.model_calls import last_logits, memory_errors
from auditor.adapters.hf.sequences import Logprobs, Scored, Sequences
from auditor.adapters.hf.softmax import chosen_logprobs
from auditor.errors import ModelLoadError

# Padded tokens and logits of one batch: large enough to keep a core busy, small enough to stay in
# a laptop's memory with a vocabulary of 256k.
BATCH_TOKENS = {"cpu": 2048, "mps": 4096, "cuda": 32768}
BATCH_LOGITS = {"cpu": 2**25, "mps": 2**27, "cuda": 2**30}

PaddingSide = Literal["right", "left"]


def padded_logprobs(
    model: PreTrainedModel,
    sequences: Sequences,
    *,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
) -> Iterator[Scored]:
    """Score sequences batch by batch; out of memory, a batch is halved.

    Args:
        batch_size: sequences a batch; None fills batches up to a number of padded tokens.

    Raises:
        ModelLoadError: a single sequence does not fit into the device's memory.
    """
    for batch in _batches(sequences, model, batch_size):
        yield Scored(
            batch, in_parts(model, sequences, batch, lambda part: _forward(model, sequences, part, padding_side))
        )


def _batches(sequences: Sequences, model: PreTrainedModel, batch_size: int | None) -> Iterator[list[int]]:
    """Positions of sequences of like length, longest first so that memory runs out early or never."""
    device = model.device.type
    max_logits = BATCH_LOGITS.get(device, BATCH_LOGITS["cpu"])
    max_tokens = BATCH_TOKENS.get(device, BATCH_TOKENS["cpu"])
    vocabulary = int(model.config.get_text_config().vocab_size)
    lengths, starts = sequences.lengths, sequences.starts
    batch: list[int] = []
    longest = first = 0
    for position in np.lexsort((starts, -lengths)).tolist():
        length, start = int(lengths[position]), int(starts[position])
        rows = len(batch) + 1
        full = (
            rows > batch_size
            if batch_size is not None
            else rows * longest > max_tokens or rows * (longest - min(first, start)) * vocabulary > max_logits
        )
        if batch and full:
            yield batch
            batch = []
        if not batch:
            longest, first = length, start
        first = min(first, start)
        batch.append(position)
    if batch:
        yield batch


def in_parts(
    model: PreTrainedModel,
    sequences: Sequences,
    batch: Sequence[int],
    forward: Callable[[Sequence[int]], list[Logprobs]],
) -> list[Logprobs]:
    """What a forward pass gives of one batch; out of memory, of its halves.

    Raises:
        ModelLoadError: a single sequence does not fit into the device's memory.
    """
    try:
        return forward(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise ModelLoadError(
                f"a single sequence of {len(sequences[batch[0]])} tokens does not fit into the memory of "
                f"{model.device}",
                fix="Use --dtype bfloat16, a larger card, or --device-map auto.",
            ) from error
    torch.cuda.empty_cache()
    half = len(batch) // 2
    first, second = (in_parts(model, sequences, part, forward) for part in (batch[:half], batch[half:]))
    return first + second


def scored_logprobs(
    model: PreTrainedModel, sequences: Sequences, batch: Sequence[int], padding_side: PaddingSide = "right"
) -> torch.Tensor:
    """One pass over some sequences side by side; gradients flow through it where the caller lets them.

    Args:
        batch: positions of the sequences.

    Returns:
        log p of their scored tokens in nats, one sequence after the other, float32, on the model's device,
        shape (tokens,).
    """
    rows = [sequences[position] for position in batch]
    starts = sequences.starts[list(batch)]
    lengths = np.array([len(row) for row in rows])
    width = int(lengths.max())
    shifts = width - lengths if padding_side == "left" else np.zeros_like(lengths)
    ids, positions, mask = side_by_side(rows, padding_side)
    # The token at t is predicted at t - 1.
    row_of = np.repeat(np.arange(len(rows)), lengths - starts)
    columns = np.concatenate([np.arange(*span) for span in zip(starts + shifts - 1, lengths + shifts - 1, strict=True)])
    targets = np.concatenate([row[start:] for row, start in zip(rows, starts, strict=True)])
    first = int(columns.min())
    logits = last_logits(model, ids, positions, mask, width - first)
    wanted = logits[torch.from_numpy(row_of), torch.from_numpy(columns - first)]
    asked = torch.from_numpy(targets).long().to(wanted.device)
    return chosen_logprobs(wanted, torch.arange(len(asked), device=wanted.device), asked)


def _forward(
    model: PreTrainedModel, sequences: Sequences, batch: Sequence[int], padding_side: PaddingSide
) -> list[Logprobs]:
    with torch.inference_mode(), memory_errors():
        logprobs = scored_logprobs(model, sequences, batch, padding_side).cpu().numpy()
    counts = sequences.lengths[list(batch)] - sequences.starts[list(batch)]
    return np.split(logprobs, np.cumsum(counts)[:-1])


def side_by_side(
    rows: Sequence[NDArray[np.integer]], padding_side: PaddingSide = "right"
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sequences padded to the longest.

    Returns:
        Token ids; the position of each token in its own sequence; 1 for a token and 0 for padding, each of shape
        (rows, width).
    """
    mask = _pad([np.ones(len(row), dtype=np.int64) for row in rows], padding_side)
    return _pad(rows, padding_side), (mask.cumsum(dim=1) - 1).clamp(min=0), mask


def _pad(rows: Sequence[NDArray[np.integer]], padding_side: PaddingSide) -> torch.Tensor:
    return pad_sequence(
        [torch.from_numpy(row).long() for row in rows], batch_first=True, padding_value=0, padding_side=padding_side
    )
