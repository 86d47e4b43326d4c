"""Twin of auditor.adapters.hf.loading.models."""

from __future__ import annotations

import gc
import json
import shutil
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from model_factory import CHAT_TEMPLATE, make_model, make_reward_model, make_series, make_tokenizer, save_lora
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, ByT5Tokenizer, PreTrainedModel

from auditor.adapters.hf.loading import models
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.errors import ModelLoadError

IDS = torch.arange(3, 60)[None]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_series(folder, n=2)
    save_lora(folder / "base", folder / "lora", seed=1)
    save_lora(folder / "base", folder / "head", seed=2, modules_to_save=["lm_head"])
    save_lora(folder / "base", folder / "bigger", seed=3, vocab_size=416)
    return folder


@pytest.fixture
def shelf() -> Iterator[ModelShelf]:
    shelf = ModelShelf(LoadPolicy())
    yield shelf
    shelf.clear()


def _files(folder: Path) -> CheckpointFiles:
    return resolve(parse_specs([str(folder)])[0], LoadPolicy())


def _logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def _fresh(folder: Path) -> torch.Tensor:
    with ModelShelf(LoadPolicy()).take(_files(folder)) as model:
        return _logits(model)


@pytest.mark.parametrize(
    ("order", "loads"),
    [
        (["base", "base"], 1),
        (["lora", "base", "head"], 1),
        (["base", "head", "lora", "head", "base"], 1),
        (["base", "sft", "base"], 3),
        (["bigger", "base"], 2),
        (["base", "bigger", "lora"], 2),
    ],
)
def test_shared_bases_give_what_fresh_loads_give(made: Path, shelf: ModelShelf, order: list[str], loads: int) -> None:
    for name in order:
        with shelf.take(_files(made / name)) as model:
            assert torch.equal(_logits(model), _fresh(made / name)), name
            assert not model.training
            assert not any(parameter.requires_grad for parameter in model.parameters())
    assert shelf.loads == loads


def test_checkpoints_differ_at_all(made: Path) -> None:
    results = [_fresh(made / name) for name in ("base", "sft", "lora", "head", "bigger")]
    for position, result in enumerate(results):
        for other in results[:position]:
            assert result.shape != other.shape or (result - other).abs().max() > 0.01


def test_vocabulary_grows_with_the_adapter_and_not_for_the_next(made: Path, shelf: ModelShelf) -> None:
    sizes = []
    for name in ("lora", "bigger", "base"):
        with shelf.take(_files(made / name)) as model:
            sizes.append((model.config.vocab_size, _logits(model).shape[-1]))
    assert sizes == [(400, 400), (416, 416), (400, 400)]


def test_one_base_in_memory(made: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf.take(_files(made / "base")) as model:
        first = weakref.ref(model)
    del model
    alive_at_next_load: list[bool] = []
    load = models.load_base

    def watched(*arguments: Any) -> Any:
        alive_at_next_load.append(first() is not None)
        return load(*arguments)

    monkeypatch.setattr(models, "load_base", watched)
    gc.disable()  # the shelf itself has to collect
    try:
        with shelf.take(_files(made / "sft")):
            pass
    finally:
        gc.enable()
    assert alive_at_next_load == [False]


def test_a_shelf_in_float32_is_alone_in_memory(made: Path) -> None:
    shelf = ModelShelf(LoadPolicy(dtype="bfloat16"))
    files = _files(made / "lora")
    with shelf.take(files) as model:
        assert model.dtype == torch.bfloat16
        held = weakref.ref(model)
    del model
    with shelf.in_float32(files) as exact:
        assert held() is None
        with exact.take(files) as model:
            assert model.dtype == torch.float32
            assert torch.equal(_logits(model), _fresh(made / "lora"))
    # Emptied of its weights, though this test still holds it.
    assert all(parameter.numel() == 0 for parameter in model.parameters())
    with shelf.take(files) as again:
        assert again.dtype == torch.bfloat16
    assert shelf.loads == 2


def test_what_would_not_fit_in_float32_is_refused_before_it_is_loaded(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _files(made / "base")
    assert files.n_parameters
    shelf = ModelShelf(LoadPolicy(dtype="bfloat16"))
    monkeypatch.setattr(models, "available_memory", lambda: 4 * files.n_parameters - 1)
    with pytest.raises(ModelLoadError, match="in float32"), shelf.in_float32(files):
        pass
    monkeypatch.setattr(models, "available_memory", lambda: None)
    with shelf.in_float32(files) as exact, exact.take(files) as model:
        assert model.dtype == torch.float32


def test_weights_go_even_if_the_caller_still_holds_the_model(made: Path, shelf: ModelShelf) -> None:
    with shelf.take(_files(made / "base")) as model:
        weights = weakref.ref(model.get_input_embeddings().weight.untyped_storage())
    assert weights() is not None
    with shelf.take(_files(made / "sft")) as other:
        assert weights() is None
        assert sum(parameter.numel() for parameter in model.parameters()) == 0
        assert sum(parameter.numel() for parameter in other.parameters()) > 0


def test_adapter_is_off_again_after_an_error_inside(made: Path, shelf: ModelShelf) -> None:
    with pytest.raises(KeyboardInterrupt), shelf.take(_files(made / "lora")):
        raise KeyboardInterrupt
    with shelf.take(_files(made / "base")) as model:
        assert torch.equal(_logits(model), _fresh(made / "base"))
    assert shelf.loads == 1


def test_failed_adapter_empties_the_shelf(
    made: Path, tmp_path: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ModelLoadError("broken", where=str(tmp_path))

    with shelf.take(_files(made / "base")):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(models, "attach", broken)
        with pytest.raises(ModelLoadError, match="broken"), shelf.take(_files(made / "lora")):
            pass
    with shelf.take(_files(made / "lora")) as model:
        assert torch.equal(_logits(model), _fresh(made / "lora"))
    assert shelf.loads == 2


@pytest.mark.parametrize("name", ["base", "lora"])
def test_a_whole_model_is_the_callers_to_change(made: Path, shelf: ModelShelf, name: str) -> None:
    with shelf.take_whole(_files(made / name)) as model:
        torch.testing.assert_close(_logits(model), _fresh(made / name), rtol=1e-4, atol=1e-4)
        assert not any("lora" in key for key, _ in model.named_parameters())
        with torch.no_grad():
            next(model.parameters()).zero_()
    with shelf.take(_files(made / "base")) as model:
        assert torch.equal(_logits(model), _fresh(made / "base"))
    assert shelf.loads == 2
    with pytest.raises(KeyboardInterrupt), shelf.take_whole(_files(made / name)) as model:
        raise KeyboardInterrupt
    assert sum(one.numel() for one in model.parameters()) == 0


def test_offloaded_bases_are_loaded_anew_and_leave_no_files(made: Path) -> None:
    shelf = ModelShelf(LoadPolicy(device_map="auto", max_memory={"cpu": 80_000}))
    with shelf.take(_files(made / "base")) as model:
        assert torch.equal(_logits(model), _fresh(made / "base"))
    with pytest.raises(ModelLoadError, match="Merge the adapter"), shelf.take(_files(made / "lora")):
        pass
    folder = shelf._offload
    assert folder.is_dir()
    shelf.clear()
    assert list(folder.iterdir()) == []
    del shelf, model
    gc.collect()
    assert not folder.exists()


def test_progress_and_notes(made: Path) -> None:
    seen: list[str] = []
    shelf = ModelShelf(LoadPolicy(), progress=lambda label, _done, _total: seen.append(label))
    assert shelf.notes == ()
    with shelf.take(_files(made / "base")):
        assert shelf.notes == ()
    assert set(seen) == {"loading base"}


@pytest.mark.parametrize("kind", ["byte_bpe", "metaspace"])
def test_tokenizer(tmp_path: Path, kind: Any) -> None:
    made = make_tokenizer(tmp_path, kind)
    make_model(tmp_path, "llama", seed=0)
    tokenizer = load_tokenizer(_files(tmp_path), LoadPolicy(offline=True))
    text = "They are \U0001f468\u200d\U0001f469\u200d\U0001f467 kind."
    assert tokenizer(text).input_ids == made(text).input_ids
    assert len(tokenizer(text, return_offsets_mapping=True).offset_mapping) == len(made(text).input_ids)


def test_tokenizer_of_an_adapter_wins(made: Path, tmp_path: Path) -> None:
    save_lora(made / "base", tmp_path / "lora", seed=1)
    assert load_tokenizer(_files(tmp_path / "lora"), LoadPolicy()).chat_template is None
    make_tokenizer(tmp_path / "lora", chat_template=CHAT_TEMPLATE)
    assert load_tokenizer(_files(tmp_path / "lora"), LoadPolicy()).chat_template == CHAT_TEMPLATE


def test_no_tokenizer(tmp_path: Path) -> None:
    make_model(tmp_path, "llama", seed=0)
    with pytest.raises(ModelLoadError, match="holds no tokenizer") as caught:
        load_tokenizer(_files(tmp_path), LoadPolicy())
    assert caught.value.where == str(tmp_path)


def test_slow_tokenizer(tmp_path: Path) -> None:
    make_model(tmp_path, "llama", seed=0)
    ByT5Tokenizer().save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("")
    with pytest.raises(ModelLoadError, match=r"ByT5Tokenizer.* no character offsets"):
        load_tokenizer(_files(tmp_path), LoadPolicy())


def test_broken_tokenizer(tmp_path: Path) -> None:
    make_tokenizer(tmp_path)
    make_model(tmp_path, "llama", seed=0)
    (tmp_path / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(ModelLoadError, match="could not be loaded"):
        load_tokenizer(_files(tmp_path), LoadPolicy())


@pytest.fixture(scope="session")
def rewards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model, and adapters that make reward models of one language model."""
    folder = tmp_path_factory.mktemp("rewards")
    make_series(folder, n=1)
    make_reward_model(folder / "rm", outputs=("helpful", "harmless"))
    for seed, name in enumerate(("one", "two"), start=1):
        save_lora(folder / "base", folder / name, seed=seed, task_type="SEQ_CLS")
    # As TRL's examples do: nothing says what it is but the head it brings.
    save_lora(folder / "base", folder / "untold", seed=3, task_type=None, modules_to_save=["score"])
    return folder


class TestRewardModels:
    def test_a_whole_one(self, rewards: Path, shelf: ModelShelf) -> None:
        own = AutoModelForSequenceClassification.from_pretrained(str(rewards / "rm")).eval()
        with shelf.take(_files(rewards / "rm")) as model:
            assert type(model) is type(own)
            assert not any(one.requires_grad for one in model.parameters())
            assert torch.equal(_logits(model), _logits(own))
        assert shelf.notes == ()

    def test_adapters_on_a_language_model_share_it_and_bring_their_heads(
        self, rewards: Path, shelf: ModelShelf
    ) -> None:
        found = {}
        for name in ("one", "two", "one", "untold"):
            with shelf.take(_files(rewards / name)) as model:
                logits = _logits(model)
            assert found.setdefault(name, logits) is logits or torch.equal(found[name], logits)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                base = AutoModelForSequenceClassification.from_pretrained(str(rewards / "base"), num_labels=1)
                peft = PeftModel.from_pretrained(base, str(rewards / name)).eval()
            with torch.no_grad():
                assert torch.equal(logits, peft(input_ids=IDS).logits)
        assert not torch.equal(found["one"], found["two"])
        assert shelf.loads == 1

    def test_the_language_model_itself_is_another_model(self, rewards: Path, shelf: ModelShelf) -> None:
        for name, width in (("base", 400), ("one", 1), ("base", 400)):
            with shelf.take(_files(rewards / name)) as model:
                assert _logits(model).shape[-1] == width
        assert shelf.loads == 3

    @pytest.mark.parametrize("named", [None, [], "LlamaForSequenceClassification"])
    def test_one_that_hides_what_it_is_is_no_language_model(
        self, named: object, shelf: ModelShelf, tmp_path: Path
    ) -> None:
        """With tied embeddings nothing is missing from it that a language model has."""
        make_reward_model(tmp_path / "rm", tie_word_embeddings=True)
        path = tmp_path / "rm" / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**config, "architectures": named}), encoding="utf-8")
        with (
            pytest.raises(ModelLoadError, match=r"head of a classifier \(score\.weight\).*\n.*architectures"),
            shelf.take(_files(tmp_path / "rm")),
        ):
            pass

    def test_a_head_that_would_be_random_is_an_error(self, rewards: Path, shelf: ModelShelf, tmp_path: Path) -> None:
        shutil.copytree(rewards / "rm", tmp_path / "rm")
        weights = load_file(tmp_path / "rm" / "model.safetensors")
        del weights["score.weight"]
        save_file(weights, tmp_path / "rm" / "model.safetensors", {"format": "pt"})
        with (
            pytest.raises(ModelLoadError, match=r"1 tensors .* would be random: score\.weight"),
            shelf.take(_files(tmp_path / "rm")),
        ):
            pass
