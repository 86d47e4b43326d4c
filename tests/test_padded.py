"""Twin of auditor.adapters.hf.padded: log-probabilities against each model's own plain forward."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from engine_cases import (
    COUNTED,
    COUNTING,
    LENGTHS,
    UNPACKABLE,
    VARIANTS,
    FakeModel,
    FakeSpread,
    assert_close,
    build,
    collect,
    make,
    model_of,
    plain_forward,
    plain_forwards,
    unlike,
)

from auditor.adapters.hf import padded
from auditor.adapters.hf.padded import padded_logprobs
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.core.scores import FloatArray
from auditor.errors import ModelLoadError


@cache
def expected_of(variant: str) -> tuple[FloatArray, ...]:
    return plain_forwards(model_of(variant), unlike())


def scores(model: Any, sequences: Sequences, **options: Any) -> list[Logprobs]:
    return collect(padded_logprobs(model, sequences, **options), len(sequences))


class TestAgainstThePlainForward:
    @pytest.mark.parametrize("variant", VARIANTS | UNPACKABLE)
    @pytest.mark.parametrize("batch_size", [1, 4, 16, None])
    def test_any_batch_size(self, variant: str, batch_size: int | None) -> None:
        assert_close(scores(model_of(variant), unlike(), batch_size=batch_size), expected_of(variant))

    # A recurrence runs over padding on its left.
    @pytest.mark.parametrize("variant", [one for one in VARIANTS | UNPACKABLE if one != "mamba"])
    def test_left_padding(self, variant: str) -> None:
        found = scores(model_of(variant), unlike(), batch_size=16, padding_side="left")
        assert_close(found, expected_of(variant))


class TestTheOracleWouldNotice:
    """The models are such that leaving out what is particular to them moves the numbers."""

    @pytest.mark.parametrize(
        ("variant", "without"),
        [
            ("mistral", {"sliding_window": None}),
            ("olmo3", {"sliding_window": 128}),
            ("gemma2", {"final_logit_softcapping": None}),
            ("gemma2_eager", {"attn_logit_softcapping": None}),
            ("gemma3_text", {"sliding_window": 128}),
            ("granite", {"logits_scaling": 1.0}),
        ],
    )
    def test_particulars(self, variant: str, without: dict[str, Any]) -> None:
        architecture, settings = VARIANTS[variant]
        other = make(architecture, {**settings, **without})
        longest = plain_forward(other, unlike()[9].tolist(), int(unlike().starts[9]))
        assert np.abs(longest - expected_of(variant)[9]).max() > 1e-3

    def test_tied_head(self) -> None:
        tied = model_of("llama_tied")
        assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight


class TestBatches:
    def tokens(self) -> list[int]:
        found = padded_logprobs(model_of("llama"), unlike())
        return [sum(LENGTHS[at] for at in one.positions) for one in found]

    def test_are_filled_up_to_a_number_of_tokens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # 1 x 120, then 1 x 61, then 2 x 40 = 80 of at most 100 padded tokens; 9, 7, 5, 4, 3, 2 fit in 6 x 9.
        monkeypatch.setitem(padded.BATCH_TOKENS, "cpu", 100)
        assert self.tokens() == [120, 61, 40 + 33, 12 + 9 + 7 + 5 + 4 + 3 + 2]

    def test_are_filled_up_to_a_number_of_logits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(padded.BATCH_LOGITS, "cpu", 1)
        assert self.tokens() == sorted(LENGTHS, reverse=True)
        assert_close(scores(model_of("llama"), unlike()), expected_of("llama"))

    def test_order_of_sequences(self) -> None:
        order = np.array([0, 2, 4, 6, 9, 10])
        for batch_size in (1, 3, None):
            found = scores(model_of("llama"), unlike().take(order), batch_size=batch_size)
            assert_close(found, [expected_of("llama")[at] for at in order])

    def test_nothing_to_do(self) -> None:
        assert scores(model_of("llama"), Sequences.of([])) == []


class TestNumberFormat:
    def test_bfloat16_runs_near_float32(self) -> None:
        found = scores(build("llama").to(torch.bfloat16), unlike())
        worst = max(np.abs(one - own).max() for one, own in zip(found, expected_of("llama"), strict=True))
        # bfloat16 keeps 8 bits: logits of some nats are off by hundredths, never by whole nats.
        assert 0 < worst < 0.5

    def test_log_softmax_of_a_bfloat16_model_is_in_float32(self) -> None:
        model = build("llama").to(torch.bfloat16)
        for at, found in enumerate(scores(model, unlike(), batch_size=1)):
            ids = torch.from_numpy(unlike()[at]).long()
            with torch.no_grad():
                logits = model(input_ids=ids[None]).logits[0]
            assert logits.dtype == torch.bfloat16
            places = torch.arange(int(unlike().starts[at]), len(ids))
            own = torch.log_softmax(logits.float(), dim=-1)[places - 1, ids[places]].double().numpy()
            np.testing.assert_allclose(found, own, rtol=0, atol=2e-6)
        # In bfloat16 itself the same logits give other numbers.
        rounded = torch.log_softmax(logits, dim=-1)[places - 1, ids[places]].double().numpy()
        assert np.abs(rounded - own).max() > 1e-3


class TestFakeModels:
    @pytest.mark.parametrize("kind", [FakeModel, FakeSpread])
    @pytest.mark.parametrize("padding_side", ["right", "left"])
    def test_arithmetic(self, kind: type[FakeModel], padding_side: Any) -> None:
        found = scores(kind(), Sequences.of(COUNTING), padding_side=padding_side)
        for mine, own in zip(found, COUNTED, strict=True):
            np.testing.assert_allclose(mine, own, atol=1e-6)

    def test_out_of_memory_halves_the_batch(self) -> None:
        model = FakeModel(largest=2)
        found = scores(model, Sequences.of(COUNTING * 3), batch_size=9)
        # 9 fails, 4 fails into 2 + 2, 5 fails into 2 and 3, which fails into 1 + 2.
        assert model.sizes == [9, 4, 2, 2, 5, 2, 3, 1, 2]
        for mine, own in zip(found, COUNTED * 3, strict=True):
            np.testing.assert_allclose(mine, own, atol=1e-6)

    def test_single_sequence_that_does_not_fit(self) -> None:
        with pytest.raises(ModelLoadError, match="a single sequence of 4 tokens does not fit"):
            scores(FakeModel(largest=0), Sequences.of(COUNTING))

    def test_nan_is_passed_on(self) -> None:
        assert np.isnan(scores(FakeModel(value=float("nan")), Sequences.of(COUNTING))[0]).all()
