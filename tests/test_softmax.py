"""Twin of auditor.adapters.hf.softmax."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from auditor.adapters.hf import softmax
from auditor.adapters.hf.softmax import chosen_logprobs

ROWS, TARGETS = torch.tensor([0, 1, 2, 2, 4]), torch.tensor([3, 1, 0, 6, 2])


@pytest.mark.parametrize("chunk", [1, 14, 2**24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_equals_scipys(chunk: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(softmax._CHUNK, "cpu", chunk)
    logits = (torch.randn(5, 7, generator=torch.Generator().manual_seed(0)) * 20).to(dtype)
    expected = log_softmax(logits.double().numpy(), axis=1)[ROWS, TARGETS]
    found = chosen_logprobs(logits, ROWS, TARGETS)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=2e-6)


def test_what_is_no_number() -> None:
    logits = torch.zeros(5, 7)
    logits[0, 5] = torch.inf
    logits[1, 5] = torch.nan
    # A logit of -infinity is a probability of 0, which is an answer.
    logits[2, 6] = -torch.inf
    found = chosen_logprobs(logits, ROWS, TARGETS).numpy()
    np.testing.assert_allclose(found, [np.nan, np.nan, -np.log(6), -np.inf, -np.log(7)], rtol=1e-6)
