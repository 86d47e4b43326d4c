"""From logits to the log-probabilities of chosen tokens, in float32 and in little memory."""

from __future__ import annotations

import torch

# Logits that are worked on at once: what they become should still lie in the processor's cache when it is read.
_CHUNK = {"cpu": 2**18, "cuda": 2**28}


def chosen_logprobs(logits: torch.Tensor, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-softmax in float32, and of it only what is asked for.

    Args:
        logits: shape (rows, vocabulary), any dtype.
        rows: which row each target is asked of, never falling, shape (n,).
        targets: token ids, same shape.

    Returns:
        log p(target) in nats, float32, shape (n,); NaN for a row that holds NaN or +infinity.
    """
    size = max(1, _CHUNK.get(logits.device.type, _CHUNK["cuda"]) // logits.shape[-1])
    firsts = range(0, len(logits), size)
    ends = torch.searchsorted(rows, torch.tensor([first + size for first in firsts], device=rows.device))
    found = torch.empty(len(rows), dtype=torch.float32, device=logits.device)
    begin = 0
    for first, end in zip(firsts, ends.tolist(), strict=True):
        logprobs = torch.log_softmax(logits[first : first + size], dim=-1, dtype=torch.float32)
        found[begin:end] = logprobs[rows[begin:end] - first, targets[begin:end]]
        begin = end
    # One logit of +infinity gives all other tokens a probability of 0, which looks like an answer.
    for at in torch.isneginf(found).nonzero()[:, 0].tolist():
        if torch.isposinf(logits[rows[at]]).any():
            found[at] = torch.nan
    return found
