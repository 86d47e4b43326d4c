"""The packed forward pass: every distinct prefix once, in one row, with a mask of what each token may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel

from auditor.adapters.hf.model_calls import input_device, last_logits, memory_errors
from auditor.adapters.hf.packs import Pack
from auditor.adapters.hf.padded import padded_logprobs
from auditor.adapters.hf.sequences import Logprobs, Scored, Sequences
from auditor.adapters.hf.softmax import chosen_logprobs
from auditor.adapters.hf.tree_attention import with_stretches
from auditor.core.scores import IntArray


def packed_logprobs(model: PreTrainedModel, sequences: Sequences, positions: IntArray) -> Iterator[Scored]:
    """Score the sequences at ``positions`` in one pack; out of memory, in halves, and an item alone padded.

    Raises:
        ModelLoadError: a single sequence does not fit into the device's memory.
    """
    yield from in_packs(sequences, positions, partial(_forward, model), partial(padded_logprobs, model))


def in_packs(
    sequences: Sequences,
    positions: IntArray,
    together: Callable[[Sequences], list[Logprobs]],
    alone: Callable[[Sequences], Iterator[Scored]],
) -> Iterator[Scored]:
    """What one pass gives of the sequences at ``positions``; out of memory, in halves, and an item alone without one.

    Args:
        together: scores sequences in one row, one after the other.
        alone: scores each by itself.
    """
    try:
        yield Scored(positions.tolist(), together(sequences.take(positions)))
        return
    except torch.OutOfMemoryError:
        items = sequences.items[positions]
    torch.cuda.empty_cache()
    if items[0] == items[-1]:
        for one in alone(sequences.take(positions)):
            yield Scored(positions[list(one.positions)].tolist(), one.logprobs)
        return
    # Candidates of an item stay together: cut where one ends, nearest the middle.
    ends = np.flatnonzero(np.diff(items)) + 1
    cut = int(ends[np.abs(ends - len(items) / 2).argmin()])
    yield from in_packs(sequences, positions[:cut], together, alone)
    yield from in_packs(sequences, positions[cut:], together, alone)


def _forward(model: PreTrainedModel, sequences: Sequences) -> list[Logprobs]:
    pack = Pack.of(sequences)
    with torch.inference_mode(), memory_errors():
        ids, depths = row_of(pack)
        logits = last_logits(model, ids, depths, masks_of(model, pack), pack.n_predicting)[0]
        rows, targets = (torch.from_numpy(one).to(logits.device) for one in (pack.rows, pack.targets))
        logprobs = chosen_logprobs(logits, rows, targets).cpu().numpy()
    return np.split(logprobs[pack.wanted], pack.bounds[1:-1])


def row_of(pack: Pack) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids of a pack's nodes, and their positions, shape (1, nodes) each."""
    return torch.from_numpy(pack.tokens)[None], torch.from_numpy(pack.depths)[None]


def masks_of(model: PreTrainedModel, pack: Pack) -> torch.Tensor | dict[str, torch.Tensor]:
    """What each node of a pack may look at: itself and its ancestors; in layers with a window those near enough."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or (["sliding_attention"] if window else ["full_attention"]))
    masks = {kind: _mask(model, pack, window if kind == "sliding_attention" else None) for kind in sorted(kinds)}
    # A model whose layers differ takes a mask for each kind, any other just one.
    return masks if len(masks) > 1 else masks.popitem()[1]


def _mask(model: PreTrainedModel, pack: Pack, window: int | None) -> torch.Tensor:
    """0 where a node may look and the lowest number elsewhere, shape (1, 1, nodes, nodes)."""
    device = input_device(model)
    depths, enters, leaves = (torch.from_numpy(one).to(device) for one in (pack.depths, pack.enters, pack.leaves))
    allowed = (enters[None] <= enters[:, None]) & (enters[:, None] < leaves[None])
    if window is not None:
        allowed &= depths[:, None] - depths[None] < window
    mask = torch.zeros(allowed.shape, dtype=model.dtype, device=device)
    mask = mask.masked_fill_(~allowed, torch.finfo(model.dtype).min)[None, None]
    return with_stretches(mask, allowed.numpy()) if device.type == "cpu" else mask
