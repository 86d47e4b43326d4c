"""Twin of auditor.adapters.hf.input_gradients, against captum's layer integrated gradients called by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from model_factory import VOCAB_SIZE, make_model, make_tokenizer, new_model
from real_scores import POLICY, files_of
from transformers import PreTrainedModel

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf import input_gradients as module
from auditor.adapters.hf.input_gradients import (
    MOST_STEPS,
    Gradients,
    GradientText,
    gradient_scope,
    input_gradients,
    integrated_gradients,
    mean_embedding,
    pair_gradients,
)
from auditor.adapters.hf.kept_vectors import KeptVectors
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.progress import Silent
from auditor.core.scores import FloatArray
from auditor.errors import ModelLoadError

NOTHING_KEPT = KeptVectors(())


def text_of(length: int = 12, start: int = 8, seed: int = 0, still: tuple[int, ...] = (0,)) -> GradientText:
    moved = np.ones(length, dtype=bool)
    moved[list(still)] = False
    return GradientText(np.random.default_rng(seed).integers(3, VOCAB_SIZE, length), start, moved)


def own_logprob(model: PreTrainedModel, ids: torch.Tensor, start: int) -> torch.Tensor:
    """The model's own forward over whole sequences, shape (batch,)."""
    logprobs = torch.log_softmax(model(input_ids=ids).logits.double(), dim=-1)[:, :-1]
    return logprobs.gather(-1, ids[:, 1:, None])[:, start - 1 :, 0].sum(dim=1)


def by_hand(model: PreTrainedModel, text: GradientText, absent: int, steps: int) -> tuple[FloatArray, float, float]:
    """Parts and both ends where moved tokens begin as another token."""
    ids = torch.tensor(text.ids)[None]
    begin = torch.where(torch.tensor(text.moved)[None], absent, ids)

    def forward(given: torch.Tensor) -> torch.Tensor:
        # Targets stay what they are; only what the embedding layer gives changes.
        logprobs = torch.log_softmax(model(input_ids=given).logits.double(), dim=-1)[:, :-1]
        targets = ids[:, 1:, None].expand(len(given), -1, -1)
        return logprobs.gather(-1, targets)[:, text.start - 1 :, 0].sum(dim=1)

    layer = LayerIntegratedGradients(forward, model.get_input_embeddings())
    found = layer.attribute(ids, baselines=begin, method="gausslegendre", n_steps=steps)
    with torch.no_grad():
        ends = float(forward(ids)), float(forward(begin))
    parts: FloatArray = found.sum(dim=-1)[0].detach().double().numpy()
    return parts, *ends


# Scaled inside the embedding layer (gemma3), after it (gemma2), with learnt positions (gpt2), tied (qwen2).
@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2", "gemma3_text", "qwen2"])
def test_parts_are_those_of_captums_layer_integrated_gradients(arch: str) -> None:
    model, text = new_model(arch, seed=1), text_of(still=(0, 3))
    layer: Any = model.get_input_embeddings()
    absent = layer(torch.tensor([[7]]))[0, 0].detach().float()
    found = integrated_gradients(model, text, absent, 64)
    expected, whole, bare = by_hand(model, text, 7, found.steps)
    np.testing.assert_allclose(found.parts, expected, atol=2e-4)
    assert found.whole == pytest.approx(whole, abs=1e-4)
    assert found.bare == pytest.approx(bare, abs=1e-4)
    own = own_logprob(model, torch.tensor(text.ids)[None], text.start).item()
    assert found.whole == pytest.approx(own, abs=1e-4)
    assert found.parts[[0, 3, -1]].tolist() == [0, 0, 0]


def errors(pair: tuple[Gradients, Gradients]) -> list[float]:
    """What each side's parts, and the margin's, miss, as a share of what is allowed."""
    one, other = pair
    checks = (
        (one.parts.sum(), one.whole - one.bare),
        (other.parts.sum(), other.whole - other.bare),
        (one.parts.sum() - other.parts.sum(), (one.whole - one.bare) - (other.whole - other.bare)),
    )
    return [abs(found - change) / max(0.01 * abs(change), 0.01) for found, change in checks]


def test_parts_add_up_to_the_difference_of_both_ends_and_so_do_the_margins() -> None:
    model = new_model("llama", seed=2)
    mean = mean_embedding(model)
    for seed in range(6):
        assert max(errors(pair_gradients(model, (text_of(seed=seed), text_of(seed=seed + 50)), mean))) <= 1


def test_steps_are_doubled_only_while_it_takes_more() -> None:
    model = new_model("llama", seed=2, initializer_range=0.3)
    mean = mean_embedding(model)
    pairs = [(text_of(seed=seed), text_of(seed=seed + 50)) for seed in range(5)]
    found = [pair_gradients(model, one, mean, steps=4) for one in pairs]
    steps = [one.steps for one, _ in found]
    assert [other.steps for _, other in found] == steps
    assert len(set(steps)) > 1
    for each, pair in zip(found, pairs, strict=True):
        assert max(errors(each)) <= 1 or each[0].steps == MOST_STEPS
        fewer = each[0].steps // 2
        if fewer >= 4:
            one, other = (integrated_gradients(model, side, mean, fewer) for side in pair)
            assert max(errors((one, other))) > 1


def test_a_margin_much_smaller_than_its_sides_takes_as_many_steps_as_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def of(_: object, text: GradientText, __: object, steps: int) -> Gradients:
        """Sides of 100 and 99 nats, off by 8 / steps each, less than 1%; the margin of 1 nat is off by 16 / steps."""
        asked.append(steps)
        harmful = text.start == 8
        return Gradients(np.array([100 + 8 / steps if harmful else 99 - 8 / steps]), 100 if harmful else 99, 0, steps)

    monkeypatch.setattr(module, "integrated_gradients", of)
    sides: Any = (text_of(start=8), text_of(start=7))
    model: Any = None
    assert pair_gradients(model, sides, torch.zeros(1), 16)[0].steps == MOST_STEPS
    assert asked == [16, 16, 32, 32, 64, 64, 128, 128, 256, 256]


def test_an_error_that_stays_is_told() -> None:
    model = new_model("llama", seed=2, initializer_range=0.8)
    found = integrated_gradients(model, text_of(), mean_embedding(model), 2)
    assert abs(found.error) > 1
    assert found.error == float(found.parts.sum()) - (found.whole - found.bare)


@pytest.mark.parametrize("arch", ["llama", "gemma3_text"])
def test_the_mean_embedding_is_that_of_all_rows_as_the_layer_gives_them(arch: str) -> None:
    model = new_model(arch, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", 7)
        found = mean_embedding(model)
    layer: Any = model.get_input_embeddings()
    scale = float(getattr(layer, "embed_scale", 1.0))
    torch.testing.assert_close(found, layer.weight.detach().mean(dim=0) * scale)
    assert (scale > 1) == (arch == "gemma3_text")


def test_batches_and_memory_that_runs_out_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = new_model("llama", seed=4), text_of()
    mean = mean_embedding(model)
    expected = integrated_gradients(model, text, mean, 32)
    sizes: list[int] = []
    whole = module.last_logits

    def short_of_memory(*arguments: Any) -> torch.Tensor:
        sizes.append(len(arguments[1]))
        if sizes[-1] > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(*arguments)

    monkeypatch.setattr(module, "last_logits", short_of_memory)
    found = integrated_gradients(model, text, mean, 32)
    assert max(sizes) > 5
    np.testing.assert_allclose(found.parts, expected.parts, atol=1e-5)
    # The layer gives what it gave before, even after an error.
    layer: Any = model.get_input_embeddings()
    assert not layer._forward_hooks


@pytest.mark.parametrize("gradients", [False, True])
def test_a_text_that_does_not_fit_is_no_error_of_the_program(gradients: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = module.last_logits

    def full(*arguments: Any) -> torch.Tensor:
        if torch.is_grad_enabled() == gradients:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return whole(*arguments)

    monkeypatch.setattr(module, "last_logits", full)
    with pytest.raises(ModelLoadError, match="a text of 12 tokens and its gradients do not fit") as caught:
        integrated_gradients(new_model("llama", seed=4), text_of(), torch.zeros(32), 4)
    assert "--dtype" in caught.value.fix


def test_half_precision_says_what_it_misses() -> None:
    exact, half = new_model("llama", seed=4), new_model("llama", seed=4, dtype="bfloat16")
    text = text_of()
    expected = integrated_gradients(exact, text, mean_embedding(exact), 32)
    found = integrated_gradients(half, text, mean_embedding(half), 32)
    assert abs(found.error) < 0.5
    np.testing.assert_allclose(found.parts, expected.parts, atol=0.5)
    assert not np.allclose(found.parts, expected.parts, atol=1e-4)


def test_nothing_moves_and_nothing_is_left() -> None:
    found = integrated_gradients(new_model("llama", seed=4), text_of(still=tuple(range(12))), torch.zeros(32), 32)
    assert not found.parts.any()
    assert found.whole == found.bare
    assert found.error == 0


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The first sides of the pairs that are followed."""
    made: list[bytes] = []
    own = module.pair_gradients

    def note(model: PreTrainedModel, pair: Any, *rest: Any) -> tuple[Gradients, Gradients]:
        made.append(pair[0].key)
        return own(model, pair, *rest)

    monkeypatch.setattr(module, "pair_gradients", note)
    yield made


def test_what_is_kept_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tokenizer(tmp_path / "m")
    make_model(tmp_path / "m", "llama", seed=5)
    one, other = [text_of(seed=0), text_of(length=9)], [text_of(seed=1), text_of(length=9)]
    files, texts = files_of("m", tmp_path / "m"), [*one, *other, *one]
    scope = gradient_scope("f", {"dtype": "float32"})
    with ScoreStore.open(tmp_path / "cache") as store, counted(monkeypatch) as made:
        shelf, kept = ModelShelf(POLICY), KeptVectors([store])
        first = input_gradients(files, shelf, one, kept, scope, Silent())
        loads = shelf.loads
        second = input_gradients(files, shelf, texts, kept, scope, Silent())
        third = input_gradients(files, shelf, texts, kept, scope, Silent())
        assert made == [one[0].key, other[0].key]
        assert len({gradient_scope("f", {}), gradient_scope("g", {}), gradient_scope("f", {}, steps=8), scope}) == 4
    assert shelf.loads == loads == 1
    plain = input_gradients(files, ModelShelf(POLICY), texts, NOTHING_KEPT, scope, Silent())
    both = (*zip(first, second, strict=False), *zip(second, third, strict=True), *zip(third, plain, strict=True))
    for before, after in both:
        np.testing.assert_array_equal(before.parts, after.parts)
        assert (before.whole, before.bare, before.steps) == (after.whole, after.bare, after.steps)


def test_keys_tell_all_that_differs() -> None:
    one = text_of()
    others = [text_of(start=7), text_of(still=(0, 1)), text_of(seed=1), text_of(length=13)]
    assert len({one.key, *(other.key for other in others)}) == 5
    assert one.key == text_of().key
    assert len(one.key) == 32
