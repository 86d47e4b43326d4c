"""Twin of auditor.adapters.hf.engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from engine_cases import (
    COUNTED,
    COUNTING,
    UNPACKABLE,
    FakeModel,
    alike,
    assert_close,
    build,
    collect,
    model_of,
    plain_forwards,
    unlike,
)
from model_factory import VOCAB_SIZE, make_reward_model
from transformers import AutoConfig, PreTrainedModel

from auditor.adapters.hf import engine, packed, plans
from auditor.adapters.hf.engine import NonFiniteLogitsError, Work, score_sequences
from auditor.adapters.hf.loading.model_configs import packing_obstacle
from auditor.adapters.hf.plans import RowCosts
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.errors import ModelLoadError


def scores(model: Any, sequences: Sequences, **options: Any) -> list[Logprobs]:
    return collect(score_sequences(model, sequences, **options), len(sequences))


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "row_costs", lambda *_: RowCosts(10, 40, 10**6))


@pytest.mark.usefixtures("small_packs")
class TestPacked:
    @pytest.mark.parametrize("texts", [alike, unlike])
    @pytest.mark.parametrize("variant", ["llama", "gpt2", "gemma3_text"])
    def test_against_the_plain_forward(self, variant: str, texts: Any) -> None:
        work = Work()
        found = scores(model_of(variant), texts(), work=work)
        assert_close(found, plain_forwards(model_of(variant), texts()))
        assert work.packs > 3
        assert work.split == 0
        assert work.tokens == len(texts().ids)
        assert 0 < work.nodes < work.tokens
        assert len(work.plan) == 64

    def test_the_same_plan_gives_the_same_bits(self) -> None:
        found = [scores(model_of("llama"), alike()) for _ in range(2)]
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_known_packs_are_left_out_and_the_others_give_the_same_bits(self) -> None:
        whole = scores(model_of("llama"), alike())
        first = next(iter(score_sequences(model_of("llama"), alike())))
        known = np.isin(np.arange(len(alike())), first.positions)
        work = Work()
        rest = list(score_sequences(model_of("llama"), alike(), known=known, work=work))
        assert work.split == 0
        found = {at: own for one in (first, *rest) for at, own in zip(one.positions, one.logprobs, strict=True)}
        assert sorted(found) == list(range(len(alike())))
        assert sum(len(one.positions) for one in rest) == len(alike()) - len(first.positions)
        for at, own in found.items():
            np.testing.assert_array_equal(own, whole[at])

    def test_incomplete_packs_are_counted(self) -> None:
        work = Work()
        known = np.arange(len(alike())) != 4
        found = list(score_sequences(model_of("llama"), alike(), known=known, work=work))
        assert work.split == 1
        assert [sorted(one.positions) for one in found] == [[4]]

    def test_items_beyond_the_largest_mask(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plans, "LONGEST_PACK", 50)
        assert_close(scores(model_of("llama"), unlike()), plain_forwards(model_of("llama"), unlike()))

    @pytest.mark.parametrize("forward", ["packed", "padded"])
    def test_one_text_many_times_goes_through_once(self, forward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = [(alike()[at].tolist(), int(alike().starts[at])) for at in range(len(alike()))]
        many = Sequences.of([row for row in rows for _ in range(3)])
        passed: list[int] = []
        for name in ("packed_logprobs", "padded_logprobs"):
            whole = getattr(engine, name)

            def watched(model: Any, of: Sequences, *rest: Any, whole: Any = whole, **options: Any) -> Any:
                passed.append(len(rest[0]) if rest else len(of))
                return whole(model, of, *rest, **options)

            monkeypatch.setattr(engine, name, watched)
        monkeypatch.setattr(engine, "_checked", lambda _, __, found, ___: found)
        found = scores(model_of("llama"), many, forward=forward)
        # Of texts that are in `alike` itself more than once, one.
        assert sum(passed) == len(alike().distinct()[0])
        for at in range(0, len(many), 3):
            np.testing.assert_array_equal(found[at], found[at + 1])
            np.testing.assert_array_equal(found[at], found[at + 2])
        assert_close(found[::3], plain_forwards(model_of("llama"), alike()))

    def test_of_one_text_only_what_is_not_known_is_told(self) -> None:
        twice = Sequences.of([([3, 4, 5], 1), ([3, 4, 5], 1), ([6, 7], 1)])
        known = np.array([True, False, True])
        (found,) = score_sequences(model_of("llama"), twice, known=known)
        assert list(found.positions) == [1]

    def test_nothing_to_do(self) -> None:
        assert scores(model_of("llama"), Sequences.of([])) == []
        everything = np.ones(len(alike()), dtype=bool)
        assert list(score_sequences(model_of("llama"), alike(), known=everything)) == []


class TestPadded:
    @pytest.mark.parametrize("variant", UNPACKABLE)
    def test_against_the_plain_forward(self, variant: str) -> None:
        found = scores(model_of(variant), alike(), forward="padded", batch_size=4)
        assert_close(found, plain_forwards(model_of(variant), alike()))

    def test_only_what_is_unknown(self) -> None:
        known = np.arange(len(alike())) != 7
        (found,) = score_sequences(model_of("llama"), alike(), forward="padded", known=known)
        assert found.positions == [7]
        assert_close(found.logprobs, plain_forwards(model_of("llama"), alike().take(np.array([7]))))


class TestTheCheckOfTheFirstPack:
    @pytest.mark.parametrize("variant", UNPACKABLE)
    def test_finds_architectures_that_cannot_be_packed(self, variant: str) -> None:
        with pytest.raises(ModelLoadError, match="this architecture") as error:
            scores(model_of(variant), alike())
        assert "--batch-size" in error.value.fix

    @pytest.mark.parametrize("variant", UNPACKABLE)
    def test_they_are_known_beforehand(self, variant: str) -> None:
        architecture, settings = UNPACKABLE[variant]
        config = AutoConfig.for_model(architecture, **settings).to_dict()
        assert packing_obstacle(config)

    @pytest.mark.parametrize("variant", ["mistral", "olmo3", "gemma3_text"])
    def test_finds_a_window_it_was_not_told_of(self, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
        mask = packed._mask
        monkeypatch.setattr(packed, "_mask", lambda model, pack, _: mask(model, pack, None))
        with pytest.raises(ModelLoadError, match="gives other numbers"):
            scores(model_of(variant), alike())

    def test_a_token_of_probability_0_is_no_deviation(self) -> None:
        found = scores(FakeModel(value=200.0), Sequences.of(COUNTING))
        # 200 nats below: exp(-200) is 0 in float32, its logarithm is not.
        assert found[0][-1] == pytest.approx(-200)


class TestNoNumber:
    @pytest.mark.parametrize("forward", ["packed", "padded"])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_stops_and_names_the_sequence(self, forward: Any, value: float) -> None:
        with pytest.raises(NonFiniteLogitsError) as error:
            scores(FakeModel(value=value), Sequences.of(COUNTING), forward=forward)
        assert error.value.position in range(3)
        assert error.value.layer == ""

    def test_names_the_sequence_behind_others_that_are_one_text(self) -> None:
        model = build("llama")
        model.model.embed_tokens.weight.data[9] = float("nan")
        texts = Sequences.of([([3, 4, 5], 1)] * 4 + [([3, 9, 5], 1)])
        with pytest.raises(NonFiniteLogitsError) as error:
            scores(model, texts, forward="padded", batch_size=1)
        assert error.value.position == 4

    @pytest.mark.parametrize("forward", ["packed", "padded"])
    def test_names_the_first_bad_layer(self, forward: Any) -> None:
        model = build("llama")
        model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("inf")
        with pytest.raises(NonFiniteLogitsError) as error:
            scores(model, alike(), forward=forward)
        assert error.value.layer == "model.layers.1.mlp.up_proj"

    def test_token_id_without_an_embedding(self) -> None:
        beyond = Sequences.of([([3, 4, VOCAB_SIZE], 1)])
        with pytest.raises(ModelLoadError, match=f"token id {VOCAB_SIZE}, but the model has only {VOCAB_SIZE}"):
            scores(model_of("llama"), beyond)


@pytest.mark.parametrize("forward", ["packed", "padded"])
def test_arithmetic(forward: Any) -> None:
    found = scores(FakeModel(), Sequences.of(COUNTING), forward=forward)
    for mine, own in zip(found, COUNTED, strict=True):
        np.testing.assert_allclose(mine, own, atol=1e-6)


def test_memory_that_runs_out_splits_packs() -> None:
    class Rows(FakeModel):
        def size(self, input_ids: torch.Tensor) -> int:
            return input_ids.shape[1]

    work = Work()
    found = scores(Rows(largest=4), Sequences.of(COUNTING), work=work)
    for mine, own in zip(found, COUNTED, strict=True):
        np.testing.assert_allclose(mine, own, atol=1e-6)
    assert work.split == 1


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    """A reward model."""
    return make_reward_model(tmp_path_factory.mktemp("rm"))


class TestRewards:
    @pytest.mark.usefixtures("small_packs")
    def test_what_is_known_is_left_out_and_the_rest_gives_the_same_bits(self, model: PreTrainedModel) -> None:
        texts = replace(alike(), starts=alike().lengths - 1)
        whole = scores(model, texts, output=0)
        first = next(iter(score_sequences(model, texts, output=0)))
        known = np.isin(np.arange(len(texts)), first.positions)
        work = Work()
        rest = list(score_sequences(model, texts, known=known, work=work, output=0))
        assert (work.split, work.packs > 3) == (0, True)
        found = {at: own for one in (first, *rest) for at, own in zip(one.positions, one.logprobs, strict=True)}
        assert sorted(found) == list(range(len(texts)))
        for at, own in found.items():
            np.testing.assert_array_equal(own, whole[at])

    def test_a_text_beyond_the_largest_mask(self, model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = replace(unlike(), starts=unlike().lengths - 1)
        monkeypatch.setattr(plans, "LONGEST_PACK", 50)
        with torch.no_grad():
            own = [
                model(input_ids=torch.tensor(texts[at].tolist())[None]).logits[0].numpy() for at in range(len(texts))
            ]
        for one, other in zip(scores(model, texts, output=0), own, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=5e-5)
