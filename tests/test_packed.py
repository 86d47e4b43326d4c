"""Twin of auditor.adapters.hf.packed: many texts in one row against each model's own plain forward."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from engine_cases import (
    COUNTING,
    VARIANTS,
    FakeModel,
    alike,
    assert_close,
    collect,
    model_of,
    plain_forwards,
    unlike,
)

from auditor.adapters.hf.packed import packed_logprobs
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.adapters.hf.tree_attention import tree_attention
from auditor.core.scores import FloatArray
from auditor.errors import ModelLoadError

BOTH = {"alike": alike, "unlike": unlike}


@cache
def expected_of(variant: str, texts: str) -> tuple[FloatArray, ...]:
    return plain_forwards(model_of(variant), BOTH[texts]())


def scores(model: Any, sequences: Sequences) -> list[Logprobs]:
    return collect(packed_logprobs(model, sequences, np.arange(len(sequences))), len(sequences))


@pytest.mark.parametrize("texts", BOTH)
@pytest.mark.parametrize("variant", VARIANTS)
def test_against_the_plain_forward(variant: str, texts: str) -> None:
    assert_close(scores(model_of(variant), BOTH[texts]()), expected_of(variant, texts))
    with tree_attention(model_of(variant)):
        assert_close(scores(model_of(variant), BOTH[texts]()), expected_of(variant, texts))


@pytest.mark.parametrize("variant", ["mistral", "olmo3", "gemma2", "gemma3_text"])
def test_a_mask_without_the_window_would_be_seen(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, expected = model_of(variant), expected_of(variant, "unlike")
    monkeypatch.setattr(model.config, "sliding_window", 10**6)
    found = scores(model, unlike())
    worst = max(np.abs(one - own).max() for one, own in zip(found, expected, strict=True))
    assert worst > 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("variant", ["llama", "gemma3_text", "gemma2_eager"])
def test_half_precision(variant: str, dtype: torch.dtype) -> None:
    model = copy.deepcopy(model_of(variant)).to(dtype)
    for one, own in zip(scores(model, alike()), expected_of(variant, "alike"), strict=True):
        np.testing.assert_allclose(one, own, atol=0.3)


class Rows(FakeModel):
    """Runs out of memory by the length of a row, as packs do, or by a batch of more than one."""

    def size(self, input_ids: torch.Tensor) -> int:
        return input_ids.shape[1]


class RowsOfAProcessor(Rows):
    """Runs out of a processor's memory: what its allocator raises is a mere RuntimeError."""

    def run_out(self) -> None:
        torch.empty(2**48)


class TestOutOfMemory:
    @pytest.mark.parametrize("kind", [Rows, RowsOfAProcessor])
    def test_halves_the_pack_between_items(self, kind: type[Rows]) -> None:
        # Six items of two candidates; each row holds its items' own 3 nodes.
        rows = [([item, 0, candidate, 5], 2) for item in range(1, 7) for candidate in (1, 1)]
        sequences = Sequences.of(rows, [at // 2 for at in range(12)])
        model = kind(largest=7)
        found = packed_logprobs(model, sequences, np.arange(12))  # type: ignore[arg-type]
        parts = [one.positions for one in found]
        # 18 nodes fail, 9 fail into 3 and 6.
        assert model.sizes == [18, 9, 3, 6, 9, 3, 6]
        assert parts == [[0, 1], [2, 3, 4, 5], [6, 7], [8, 9, 10, 11]]

    def test_an_item_alone_is_scored_text_by_text(self) -> None:
        model = FakeModel(largest=0)
        with pytest.raises(ModelLoadError, match="a single sequence of 4 tokens"):
            scores(model, Sequences.of(COUNTING[:1]))
        # A row of both candidates (5 nodes) fails; padded, a batch of 4 tokens each fits.
        pair = Sequences.of([([1, 2, 3, 3], 1), ([1, 4, 5, 5], 1)], [0, 0])
        model = Rows(largest=4)
        found = scores(model, pair)
        assert model.sizes == [5, 4]
        assert_close(found, [one.astype(float) for one in scores(Rows(), pair)])

    def test_no_number_is_lost(self) -> None:
        for largest in range(3, 20):
            found = scores(Rows(largest=largest), Sequences.of(COUNTING))
            assert_close(found, [one.astype(float) for one in scores(Rows(), Sequences.of(COUNTING))])
