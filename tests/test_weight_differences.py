"""Twin of auditor.adapters.hf.path.weight_differences."""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_factory import make_model, save_lora, save_model
from path_cases import files_of, save_two, shelf, some_pairs
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.padded import padded_logprobs
from auditor.adapters.hf.path.weight_differences import check_comparable, is_product, moving_weights
from auditor.core.scores import FloatArray
from auditor.errors import NotComparableError

PAIRS = some_pairs()


def margins(model: PreTrainedModel) -> FloatArray:
    sums = np.zeros(len(PAIRS))
    for scored in padded_logprobs(model, PAIRS):
        for at, logprobs in zip(scored.positions, scored.logprobs, strict=True):
            sums[at] = logprobs.sum(dtype=np.float64)
    return sums[::2] - sums[1::2]


def loaded(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(str(folder))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[CheckpointFiles, CheckpointFiles]:
    reference, policy = save_two(tmp_path_factory.mktemp("two"), "llama")
    return files_of("sft", reference), files_of("dpo", policy)


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    make_model(folder / "base", "llama", seed=0)
    make_model(folder / "tied", "llama", seed=0, tie_word_embeddings=True)
    kinds: dict[str, dict[str, Any]] = {
        "lora": {"target_modules": ["q_proj", "o_proj", "down_proj"]},
        "rank-stable": {"use_rslora": True},
        "head": {"target_modules": ["q_proj", "lm_head"]},
        "dora": {"use_dora": True},
        "saved": {"modules_to_save": ["lm_head"]},
        "bias": {"bias": "all"},
        "embedding": {"target_modules": ["embed_tokens"]},
        "bigger": {"vocab_size": 416},
    }
    for base in ("base", "tied"):
        for seed, (kind, settings) in enumerate(kinds.items()):
            save_lora(folder / base, folder / f"{base}-{kind}", seed=seed, **settings)
    return folder


@pytest.mark.parametrize("offload", [False, True])
def test_the_model_goes_from_one_to_the_other(two: tuple[CheckpointFiles, CheckpointFiles], offload: bool) -> None:
    ends = [dict(loaded(one.base).named_parameters()) for one in two]
    held = shelf()
    with moving_weights(*two, held, margins, offload) as moved:
        assert {one.tensor.weight.name for one in moved.moving} == set(ends[0])
        for place in (0.0, 0.25, 1.0, 0.5):
            moved.move_to(place)
            for name, parameter in moved.model.named_parameters():
                expected = ends[0][name].double() * (1 - place) + ends[1][name].double() * place
                torch.testing.assert_close(parameter.double(), expected, rtol=0, atol=3e-7)
                assert parameter.requires_grad
        for found, folder in ((moved.before, two[0].base), (moved.after, two[1].base)):
            np.testing.assert_array_equal(found, margins(loaded(folder)))
        model = moved.model
    assert held.notes == ()
    assert sum(one.numel() for one in model.parameters()) == 0


def test_what_did_not_change_does_not_move(tmp_path: Path, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
    changed = loaded(two[0].base)
    with torch.no_grad():
        changed.model.layers[1].mlp.up_proj.weight[3, 5] += 1e-7
    save_model(changed, tmp_path)
    with moving_weights(two[0], files_of("x", tmp_path), shelf(), margins) as moved:
        (one,) = moved.moving
        assert int((one.difference != 0).sum()) == 1
        assert [name for name, part in moved.model.named_parameters() if part.requires_grad] == [one.tensor.weight.name]
        assert [one.name for one in moved.weights.weights if one.moves] == ["model.layers.1.mlp.up_proj.weight"]


def test_two_copies_of_a_tied_tensor_are_in_memory_and_no_third(tmp_path: Path) -> None:
    """Its earlier state is known by two names, and is let go under both."""
    both = [
        files_of(str(at), folder) for at, folder in enumerate(save_two(tmp_path, "llama", tie_word_embeddings=True))
    ]
    kinds = (torch.Tensor, torch.nn.Parameter)
    # Kept, so that no new tensor takes the place of one of them.
    others = {id(one): one for one in gc.get_objects() if type(one) in kinds}
    with moving_weights(both[0], both[1], shelf(), margins) as moved:
        shape = moved.model.get_input_embeddings().weight.shape
        alive = (one for one in gc.get_objects() if type(one) in kinds and one.shape == shape)
        assert len({one.data_ptr() for one in alive if id(one) not in others}) == 2


def test_a_checkpoint_and_itself(two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
    with moving_weights(two[0], two[0], shelf(), margins) as moved:
        assert moved.moving == ()


def test_half_precision_is_read_and_moved_in_float32(tmp_path: Path) -> None:
    reference, policy = save_two(tmp_path, "llama", scale=0.02, dtype="bfloat16")
    both = files_of("a", reference), files_of("b", policy)
    with moving_weights(*both, shelf(), margins) as moved:
        assert {one.difference.dtype for one in moved.moving} == {torch.float32}
        assert {one.dtype for one in moved.model.parameters()} == {torch.float32}


class TestAdapters:
    def base(self, folder: Path, name: str = "base") -> CheckpointFiles:
        return files_of("base", folder / name)

    def on(self, folder: Path, kind: str, name: str = "base") -> CheckpointFiles:
        return files_of(kind, folder / name, folder / f"{name}-{kind}")

    @pytest.mark.parametrize(
        ("kind", "product"),
        [
            ("lora", True), ("rank-stable", True), ("head", False),
            ("dora", False), ("saved", False), ("bias", False), ("embedding", False), ("bigger", False),
        ],
    )  # fmt: skip
    def test_products(self, adapters: Path, kind: str, product: bool) -> None:
        policy = self.on(adapters, kind)
        assert is_product(self.base(adapters), policy) is product
        assert not is_product(self.base(adapters, "tied"), policy)
        assert not is_product(policy, policy)
        assert not is_product(policy, self.base(adapters))

    def test_only_one_factor_of_each_product_moves(self, adapters: Path) -> None:
        with moving_weights(self.base(adapters), self.on(adapters, "lora"), shelf(), margins) as moved:
            free = {name for name, one in moved.model.named_parameters() if one.requires_grad}
            assert {".".join(name.split(".")[3:-2]) for name in free} == {
                "self_attn.q_proj.lora_B", "self_attn.o_proj.lora_A", "mlp.down_proj.lora_B"
            }  # fmt: skip
            assert len(free) == 6
            assert {one.tensor.weight.name.rpartition(".")[2] for one in moved.moving} == {"weight"}
            assert sum(one.difference.numel() for one in moved.moving) == 2 * 4 * (32 + 32 + 32)
            # Exactly the base: the factor is exactly 0.
            moved.move_to(0)
            np.testing.assert_array_equal(margins(moved.model), moved.before)

    @pytest.mark.parametrize("kind", ["dora", "saved", "bias", "embedding", "head"])
    def test_others_are_merged(self, adapters: Path, kind: str) -> None:
        policy = self.on(adapters, kind)
        with shelf().take(policy) as model:
            expected = margins(model)
        with moving_weights(self.base(adapters), policy, shelf(), margins) as moved:
            np.testing.assert_allclose(moved.after, expected, atol=2e-5)
            assert not any("lora" in name for name, _ in moved.model.named_parameters())
            assert 0 < len(moved.moving) < len(moved.weights.weights)

    def test_from_one_adapter_to_another(self, adapters: Path) -> None:
        both = self.on(adapters, "lora"), self.on(adapters, "rank-stable")
        with moving_weights(*both, shelf(), margins) as moved:
            kinds = {one.tensor.weight.name.split(".")[-2] for one in moved.moving}
            assert kinds == {"q_proj", "o_proj", "down_proj", "v_proj"}

    def test_an_adapter_on_one_use_of_a_tied_tensor_is_apart(self, adapters: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(adapters / "tied-head", tmp_path / "head"))
        # As saved with save_embedding_layers=False.
        tensors = {name: one for name, one in load_file(folder / "adapter_model.safetensors").items() if "lora" in name}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        policy = files_of("head", adapters / "tied", folder)
        with moving_weights(self.base(adapters, "tied"), policy, shelf(), margins) as moved:
            assert moved.moving[-1].tensor.units[0].name("tensor") == "lm_head.weight"
            assert moved.moving[-1].tensor.units[0].name("layer") == "head"
            assert moved.weights.weights[0].tied == ()

    def test_an_adapter_that_resized_the_vocabulary(self, adapters: Path) -> None:
        with (
            pytest.raises(NotComparableError, match="resized from 400 to 416"),
            moving_weights(self.base(adapters), self.on(adapters, "bigger"), shelf(), margins),
        ):
            pass

    def test_an_adapter_that_adds_nothing(self, adapters: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(adapters / "base-lora", tmp_path / "idle"))
        tensors = load_file(folder / "adapter_model.safetensors")
        empty = {name: one * ("lora_A" in name) for name, one in tensors.items()}
        save_file(empty, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        policy = files_of("idle", adapters / "base", folder)
        with moving_weights(self.base(adapters), policy, shelf(), margins) as moved:
            assert moved.moving == ()


class TestRefusals:
    def test_other_architectures(self, tmp_path: Path, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        make_model(tmp_path, "gpt2", seed=0)
        with pytest.raises(NotComparableError, match="llama and gpt2") as caught:
            check_comparable(two[0], files_of("dpo", tmp_path), shelf())
        assert caught.value.where == "sft and dpo"
        assert "--reference" in caught.value.fix

    def test_other_shapes(self, tmp_path: Path, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        make_model(tmp_path, "llama", seed=0, intermediate_size=80)
        self.refused(two[0], files_of("dpo", tmp_path), "has shape")

    def test_resized_vocabulary(self, tmp_path: Path, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        make_model(tmp_path, "llama", seed=0, vocab_size=416)
        self.refused(two[0], files_of("dpo", tmp_path), "resized from 400 to 416")

    @pytest.mark.parametrize("first", [False, True])
    def test_quantised(self, two: tuple[CheckpointFiles, CheckpointFiles], first: bool) -> None:
        packed = replace(two[0], name="packed", quantization={"quant_method": "gptq"})
        with pytest.raises(NotComparableError, match="quantised") as caught:
            check_comparable(*((packed, two[1]) if first else (two[1], packed)), shelf())
        assert caught.value.where == "packed"

    def test_spread_over_devices(self, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        with pytest.raises(NotComparableError, match="--device-map"):
            check_comparable(*two, ModelShelf(LoadPolicy(device_map="auto")))

    @pytest.mark.parametrize(
        "change", [{"rms_norm_eps": 0.1}, {"rope_parameters": {"rope_type": "default", "rope_theta": 10.0}}]
    )
    def test_same_tensors_and_another_computation(
        self, tmp_path: Path, two: tuple[CheckpointFiles, CheckpointFiles], change: dict[str, Any]
    ) -> None:
        folder = Path(shutil.copytree(two[1].base, tmp_path / "other"))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        self.refused(two[0], files_of("dpo", folder), "differ in more than their weights")

    def refused(self, reference: CheckpointFiles, policy: CheckpointFiles, why: str) -> None:
        held = shelf()
        with pytest.raises(NotComparableError, match=why), moving_weights(reference, policy, held, margins):
            pass
        assert held.notes == ()


def test_the_shelf_is_empty_after_an_error(two: tuple[CheckpointFiles, CheckpointFiles], tmp_path: Path) -> None:
    save_lora(two[0].base, tmp_path, seed=0)
    lora = files_of("lora", two[0].base, tmp_path)
    for policy in (two[1], lora):
        held = shelf()
        with pytest.raises(KeyboardInterrupt), moving_weights(two[0], policy, held, margins):
            raise KeyboardInterrupt
        assert held._held is None
