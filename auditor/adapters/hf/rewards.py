"""The reward of whole texts: what a reward model's head makes of each text's last token.

Which token is the last is told by the attention mask. Transformers' own forward looks for the last token that is no
padding token, and so reads another one where a text ends with what is also used for padding; and it takes no batch at
all where there is no padding token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call
from transformers import PreTrainedModel

from auditor.adapters.hf.model_calls import hidden_states, input_device, memory_errors
from auditor.adapters.hf.packed import in_packs, masks_of, row_of
from auditor.adapters.hf.packs import Pack
from auditor.adapters.hf.padded import BATCH_TOKENS, PaddingSide, in_parts, side_by_side
from auditor.adapters.hf.sequences import Logprobs, Scored, Sequences
from auditor.core.scores import IntArray
from auditor.errors import ModelLoadError

# How far a text beside others may be off the model's own forward of it alone, relative to max(1, |reward|).
_TOLERANCE = {torch.float32: 5e-5, torch.float16: 0.05, torch.bfloat16: 0.3}


def reward_values(
    model: PreTrainedModel,
    sequences: Sequences,
    output: int,
    *,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
) -> Iterator[Scored]:
    """One number a sequence, float32, batch by batch, longest first; out of memory, a batch is halved.

    The first texts are held against the model's own forward of one of them alone.

    Args:
        output: which of the head's outputs is the reward.
        batch_size: sequences a batch; None fills batches up to a number of padded tokens.

    Yields:
        NaN for a reward that is NaN or infinity.

    Raises:
        ModelLoadError: the model's own forward gives another reward, or a single sequence does not fit into memory.
    """
    for number, batch in enumerate(_batches(sequences, model.device.type, batch_size)):
        if not number:
            _check_own(model, sequences.take(np.array([batch[-1], batch[0]])), output, padding_side)
        yield Scored(batch, _score(model, sequences, batch, output, padding_side))


def packed_rewards(model: PreTrainedModel, sequences: Sequences, positions: IntArray, output: int) -> Iterator[Scored]:
    """Score the sequences at ``positions`` in one pack; out of memory, in halves, and an item alone side by side.

    Raises:
        ModelLoadError: see `reward_values`.
    """
    yield from in_packs(
        sequences,
        positions,
        lambda some: _forward_pack(model, Pack.of(some.read_to_the_end()), output),
        lambda some: reward_values(model, some, output),
    )


def _forward_pack(model: PreTrainedModel, pack: Pack, output: int) -> list[Logprobs]:
    with torch.inference_mode(), memory_errors():
        # Something is asked at each text's last token alone, and one thing there: predictions are nodes.
        states = hidden_states(model, *row_of(pack), masks_of(model, pack))[0, -pack.n_predicting :]
        rewards = _head(model, states)[:, output].cpu().numpy()
    return np.split(_finite(rewards)[pack.wanted], pack.bounds[1:-1])


def _batches(sequences: Sequences, device: str, batch_size: int | None) -> Iterator[list[int]]:
    """Positions of sequences of like length, longest first."""
    order = np.argsort(-sequences.lengths, kind="stable").tolist()
    tokens = BATCH_TOKENS.get(device, BATCH_TOKENS["cpu"])
    while order:
        rows = batch_size or max(1, tokens // len(sequences[order[0]]))
        yield order[:rows]
        order = order[rows:]


def _score(
    model: PreTrainedModel, sequences: Sequences, batch: Sequence[int], output: int, padding_side: PaddingSide
) -> list[Logprobs]:
    return in_parts(
        model, sequences, batch, lambda part: _forward(model, [sequences[at] for at in part], output, padding_side)
    )


def _forward(
    model: PreTrainedModel, rows: Sequence[NDArray[np.integer]], output: int, padding_side: PaddingSide
) -> list[Logprobs]:
    with torch.inference_mode(), memory_errors():
        rewards = _rewards(model, rows, output, padding_side).cpu().numpy()
    return list(_finite(rewards).reshape(-1, 1))


def _finite(rewards: Logprobs) -> Logprobs:
    """Infinity is no reward either, and a difference of two is NaN."""
    return np.where(np.isfinite(rewards), rewards, np.float32(np.nan))


def _rewards(
    model: PreTrainedModel, rows: Sequence[NDArray[np.integer]], output: int, padding_side: PaddingSide
) -> torch.Tensor:
    """Shape (rows,), float32."""
    ids, positions, mask = side_by_side(rows, padding_side)
    states = hidden_states(model, ids, positions, mask)
    # The last 1 of each row of the mask.
    last = (mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)).to(states.device)
    return _head(model, states[torch.arange(len(rows), device=states.device), last])[:, output]


def _head(model: PreTrainedModel, states: torch.Tensor) -> torch.Tensor:
    """The head of some hidden states in float32: in half precision a reward would keep 8 bits.

    Args:
        states: shape (n, width).
    """
    head: Any = model.get_submodule("score")
    weights = dict(head.named_parameters())
    if any(one.is_meta for one in weights.values()):
        # Accelerate brings it in from the disk for its own call only.
        return torch.as_tensor(head(states)).float()
    wide = {name: one.float() for name, one in weights.items()}
    return torch.as_tensor(functional_call(head, wide, (states.float(),)))


def _check_own(model: PreTrainedModel, pair: Sequences, output: int, padding_side: PaddingSide) -> None:
    """Hold the first of two texts, beside the other, against the model's own forward of it alone."""
    config: Any = model.config.get_text_config()
    text, other = pair[0], pair[1]
    # What ends in padding tokens would be read elsewhere by its own forward, and is no mistake of ours.
    while len(text) and text[-1] == config.pad_token_id:
        text = text[:-1]
    if not len(text):
        return
    beside = Sequences.of([(one.tolist(), len(one) - 1) for one in (text, other)])
    ours = float(_score(model, beside, [0, 1], output, padding_side)[0][0])
    alone = torch.from_numpy(text).long()[None].to(input_device(model))
    with torch.inference_mode():
        own = float(model(input_ids=alone, attention_mask=torch.ones_like(alone), use_cache=False).logits[0, output])
    off = abs(ours - own) / max(1.0, abs(own))
    # NaN is told by whoever looks at the rewards.
    if off > _TOLERANCE.get(model.dtype, _TOLERANCE[torch.bfloat16]):
        raise ModelLoadError(
            f"this architecture ({config.model_type}) gives a text alone another reward than its last token has beside "
            f"other texts (off by {off:.2g}, relative to the larger of 1 and the reward)",
            where=str(config.name_or_path),
            fix="Let its own code score the texts, and read the rewards: audit analyse FILE --quantity reward.",
        )
