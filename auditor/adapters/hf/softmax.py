"""From logits to the log-probabilities of chosen tokens, in float32 and in little memory."""

from __future__ import annotations

import torch

# Logits that are turned to float32 at once.
_CHUNK = 2**24


def chosen_logprobs(logits: torch.Tensor, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-softmax in float32, and of it only what is asked for.

    Args:
        logits: shape (rows, vocabulary), any dtype.
        rows: which row each target is asked of, shape (n,).
        targets: token ids, same shape.

    Returns:
        log p(target) in nats, float32, shape (n,); NaN for a row that holds NaN or +infinity.
    """
    size = max(1, _CHUNK // logits.shape[-1])
    norms = torch.cat([part.float().logsumexp(dim=-1) for part in torch.split(logits, size)])
    # One logit of +infinity would give all other tokens a probability of 0, which looks like an answer.
    norms[norms.isposinf()] = torch.nan
    return logits[rows, targets].float() - norms[rows]
