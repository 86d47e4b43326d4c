"""Attention over a pack that leaves out what no token of a stretch may look at.

A pack's mask is mostly empty: a token looks at its own ancestors, a few dozen of many hundred. Cut into stretches of
neighbours, who share most of their ancestors, a row costs what its stretches and those ancestors cost. It is
transformers' own ``sdpa`` attention, called for each stretch; registered under a name as its documentation says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from auditor.adapters.hf.loading.model_loading import quiet

NAME = "auditor_tree"
# Rows of a stretch: fewer share more of their ancestors, more are computed faster.
_STRETCH = 48


class Stretch(NamedTuple):
    """Neighbouring rows and all they look at.

    Attributes:
        rows: of the pack.
        columns: that one of them may look at.
        mask: as of the pack, shape (1, 1, rows, columns).
    """

    rows: slice
    columns: torch.Tensor
    mask: torch.Tensor


def with_stretches(mask: torch.Tensor, allowed: NDArray[np.bool_]) -> torch.Tensor:
    """The mask of a pack, which carries its stretches along.

    Args:
        mask: shape (1, 1, nodes, nodes).
        allowed: which node may look at which, shape (nodes, nodes).
    """
    stretches = []
    for first in range(0, len(allowed), _STRETCH):
        rows = slice(first, first + _STRETCH)
        columns = torch.from_numpy(np.flatnonzero(allowed[rows].any(axis=0)))
        stretches.append(Stretch(rows, columns, mask[:, :, rows][..., columns]))
    mask.__dict__["stretches"] = stretches
    return mask


@contextmanager
def tree_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the model's attention use the stretches of a mask, where it is ``sdpa`` on a processor.

    Elsewhere many small products are slower than a large one, and other kinds of attention do more than a mask says.
    """
    if model.device.type != "cpu" or getattr(model.config, "_attn_implementation", None) != "sdpa":
        yield
        return
    with quiet():
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        with quiet():
            model.set_attn_implementation("sdpa")


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """As ``sdpa``, query, key and value of shape (batch, heads, nodes, width); what it gives has nodes before heads."""
    stretches: Sequence[Stretch] = getattr(attention_mask, "stretches", ())
    if not stretches or options.get("position_bias") is not None:
        # A mask that was copied on its way has lost them, and is as right as before.
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    parts = [
        sdpa_attention_forward(
            module,
            query[:, :, rows],
            key.index_select(2, columns),
            value.index_select(2, columns),
            mask,
            **options,
        )[0]
        for rows, columns, mask in stretches
    ]
    return torch.cat(parts, dim=1), None


AttentionInterface.register(NAME, _forward)
# Only for masks of padding, which the plain forward gives.
AttentionMaskInterface.register(NAME, sdpa_mask)
