"""Twin of auditor.adapters.hf.path.parameter_path: parts against an oracle that shares no line with it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_cases import build, collect
from model_factory import make_model, perturb, save_lora, save_model
from path_cases import doubles, files_of, plain_margin, plain_path, save_two, shelf, some_pairs
from peft import PeftModel
from transformers import AutoModelForCausalLM

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf.engine import score_sequences
from auditor.adapters.hf.kept_vectors import KeptVectors
from auditor.adapters.hf.loading import models
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.path import parameter_path
from auditor.adapters.hf.path.parameter_path import PathParts, parts_of, path_attributions
from auditor.adapters.hf.path.path_records import PathRecord
from auditor.adapters.hf.path.weight_differences import Moving, MovingWeights
from auditor.adapters.hf.path.weight_units import Weight, WeightMap, units_of
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.progress import Silent
from auditor.core.scores import FloatArray
from auditor.errors import ModelLoadError, NotComparableError

PAIRS = some_pairs()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[CheckpointFiles, CheckpointFiles]:
    return pair_of(tmp_path_factory.mktemp("two"), "llama")


def pair_of(folder: Path, arch: str, **settings: Any) -> tuple[CheckpointFiles, CheckpointFiles]:
    reference, policy = save_two(folder, arch, **settings)
    return files_of("sft", reference), files_of("dpo", policy)


def parts(both: tuple[CheckpointFiles, CheckpointFiles], **options: Any) -> PathParts:
    return path_attributions(*both, shelf(), PAIRS, **options)


def at_tensors(found: PathParts) -> dict[str, FloatArray]:
    names, values = found.at("tensor")
    return {name.partition(" (")[0]: values[:, at] for at, name in enumerate(names)}


class TestOracle:
    @pytest.mark.parametrize("arch", ["llama", "gpt2", "gpt_neox", "qwen2"])
    def test_each_tensor_and_each_head(self, arch: str, tmp_path: Path) -> None:
        both = pair_of(tmp_path, arch)
        found = parts(both, nodes=8)
        whole = AutoModelForCausalLM.from_pretrained(both[1].base).double()
        ends = [doubles(AutoModelForCausalLM.from_pretrained(one.base)) for one in both]
        expected = plain_path(whole, *ends, PAIRS)
        for name, values in at_tensors(found).items():
            sums = [float(one[name].sum()) for one in expected]
            np.testing.assert_allclose(values, sums, rtol=0, atol=2e-5, err_msg=name)
        heads = [at for at, unit in enumerate(found.units) if unit.head is not None]
        assert len(heads) == {"llama": 2 * (4 + 2 + 2 + 4)}.get(arch, len(heads))
        for at in heads:
            sums = [float(self.stretch(arch, found, at, one).sum()) for one in expected]
            np.testing.assert_allclose(found.values[:, at], sums, rtol=0, atol=2e-5, err_msg=str(found.units[at]))

    def stretch(self, arch: str, found: PathParts, at: int, elements: dict[str, torch.Tensor]) -> torch.Tensor:
        """A head's own elements, by what each architecture's authors write; heads are 8 wide."""
        unit = found.units[at]
        tensor = elements[unit.tensor]
        head, which = unit.head, ("query", "key", "value").index(unit.projection) if unit.projection != "output" else 0
        if unit.projection == "output":
            return tensor[8 * head : 8 * head + 8] if arch == "gpt2" else tensor[:, 8 * head : 8 * head + 8]
        if arch == "gpt2":
            # All queries, keys, values, along what comes out, the last axis.
            return tensor.unflatten(-1, (3, 4, 8))[..., which, head, :]
        if arch == "gpt_neox":
            return tensor.unflatten(0, (4, 3, 8))[head, which]
        return tensor.unflatten(0, (-1, 8))[head]

    def test_layers_modules_and_heads_are_sums_of_tensors(self, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        found = parts(two)
        tensors = at_tensors(found)
        for level, prefix, name in (
            ("layer", "model.layers.1.", "layer 1"),
            ("module", "model.layers.0.self_attn.", "layer 0 attention"),
            ("module", "model.layers.0.mlp.", "layer 0 mlp"),
        ):
            names, values = found.at(level)
            expected = sum(one for key, one in tensors.items() if key.startswith(prefix))
            np.testing.assert_allclose(values[:, names.index(name)], expected, rtol=1e-12, atol=1e-12)
        for level in ("tensor", "head", "module", "layer"):
            np.testing.assert_allclose(found.at(level)[1].sum(axis=1), found.values.sum(axis=1), atol=1e-12)


class TestPartsOf:
    @pytest.mark.parametrize(("axis", "units"), [(None, 1), (0, 3), (1, 5)])
    @pytest.mark.parametrize("chunk", [1, 7, 64, 10**6])
    def test_in_any_chunks(self, monkeypatch: pytest.MonkeyPatch, chunk: int, axis: int | None, units: int) -> None:
        monkeypatch.setitem(parameter_path._CHUNK, "cpu", chunk)
        one, other = torch.randn(2, 12, 20, generator=torch.Generator().manual_seed(0))
        products = (one.double() * other.double()).numpy()
        expected = {
            None: products.sum(keepdims=True).ravel(),
            0: products.reshape(3, -1).sum(axis=1),
            1: products.T.reshape(5, -1).sum(axis=1),
        }[axis]
        np.testing.assert_allclose(parts_of(one, other, axis, units), expected, rtol=1e-12)

    @pytest.mark.parametrize("shape", [(), (6,), (2, 3, 4)])
    def test_of_any_shape(self, shape: tuple[int, ...]) -> None:
        one, other = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        assert parts_of(one, other, None, 1)[0] == pytest.approx(
            float((one.double() * other.double()).sum()), rel=1e-12
        )

    def test_sums_are_in_float64(self) -> None:
        ones = torch.full((1, 2**25), 1.0)
        # In float32 one more than 2^24 is 2^24.
        assert parts_of(ones, torch.cat([torch.tensor([[2.0**25]]), ones[:, 1:]], dim=1), None, 1)[0] == 2**26 - 1


class TestCompleteness:
    @pytest.mark.parametrize(
        "variant", ["llama", "gpt2", "gpt_neox", "gemma2", "qwen3", "olmo2", "phi3", "falcon", "mamba"]
    )
    def test_parts_add_up(self, variant: str, tmp_path: Path) -> None:
        model = build(variant)
        save_model(model, tmp_path / "a")
        save_model(perturb(model, 1, 0.005), tmp_path / "b")
        found = parts((files_of("a", tmp_path / "a"), files_of("b", tmp_path / "b")))
        assert np.abs(found.totals).min() > 1e-3
        assert (np.abs(found.errors) <= 1e-3 * np.abs(found.totals)).all()
        assert (found.nodes == 8).all()

    def test_the_error_falls_with_the_nodes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parameter_path, "_FINER", ())
        both = pair_of(tmp_path, "llama", scale=0.04)
        errors = [np.abs(parts(both, nodes=nodes).errors).sum() for nodes in (1, 2, 4, 8, 16)]
        assert errors[0] > errors[1] > errors[2] > errors[3]
        assert errors[4] < 1e-3 * errors[0]

    def test_corners_take_more_nodes(self, tmp_path: Path) -> None:
        # OPT's ReLU: the gradient jumps on the way, and no rule for smooth functions is quick then.
        model = build("opt")
        save_model(model, tmp_path / "a")
        save_model(perturb(model, 1, 0.005), tmp_path / "b")
        found = parts((files_of("a", tmp_path / "a"), files_of("b", tmp_path / "b")))
        assert found.nodes.max() > 8
        assert (np.abs(found.errors) < 2e-3).all()

    def test_items_that_do_not_add_up_get_more_nodes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        both = pair_of(tmp_path, "llama", scale=0.02)
        with monkeypatch.context() as patch:
            patch.setattr(parameter_path, "_FINER", ())
            rough, finer = parts(both, nodes=2), parts(both, nodes=4)
        assert 0 < len(rough.rough) <= len(PAIRS) // 2
        found = parts(both, nodes=2)
        again = found.nodes == 4
        np.testing.assert_array_equal(np.flatnonzero(found.nodes > 2), rough.rough)
        np.testing.assert_array_equal(found.values[again], finer.values[again])
        np.testing.assert_array_equal(found.values[found.nodes == 2], rough.values[found.nodes == 2])
        assert set(found.nodes.tolist()) <= {2, 4, 8}
        assert np.abs(found.errors).max() < np.abs(rough.errors).max()

    def test_totals_are_margins_as_saved(self, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        found = parts(two)
        for values, files in ((found.before, two[0]), (found.after, two[1])):
            model = AutoModelForCausalLM.from_pretrained(files.base).double()
            with torch.no_grad():
                weights = doubles(model)
                expected = [float(plain_margin(model, weights, PAIRS, at)) for at in range(3)]
            np.testing.assert_allclose(values, expected, atol=2e-5)

    def test_parts_add_up_to_the_change_of_what_an_audit_stores(
        self, two: tuple[CheckpointFiles, CheckpointFiles]
    ) -> None:
        stored = []
        for files in two:
            with shelf().take(files) as model:
                found = collect(score_sequences(model, PAIRS), len(PAIRS))
            sums = [float(one.sum(dtype=np.float64)) for one in found]
            stored.append(np.array(sums[::2]) - np.array(sums[1::2]))
        change = stored[1] - stored[0]
        found = parts(two)
        np.testing.assert_allclose(found.totals, change, atol=2e-5)
        np.testing.assert_allclose(found.values.sum(axis=1), change, rtol=1e-3)


def test_of_a_small_shift_parts_may_miss_more_than_a_thousandth() -> None:
    units = units_of(WeightMap((Weight("w", (1,)),), None, "", ""))[0].units
    totals = np.array([0.01, 0.01, 5.0, 5.0, np.nan])
    missed = np.array([1.9e-4, 2.1e-4, 4.9e-3, 5.1e-3, 0.0])
    found = PathParts(units, (totals + missed)[:, None], np.zeros(5), totals, np.full(5, 8))
    assert found.rough.tolist() == [1, 3]


def test_a_tensor_that_an_item_does_not_read_has_no_part_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As experts have that no token of a text is sent to."""
    weights = WeightMap((Weight("one", (1,)), Weight("other", (1,))), None, "", "")
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    moving = [
        Moving(tensor, own, (own,), torch.full((1,), 3.0), None)
        for tensor, own in zip(units_of(weights), parameters, strict=True)
    ]
    ends = np.zeros(2)
    moved = MovingWeights(torch.nn.Module(), weights, moving, ends, ends)  # type: ignore[arg-type]
    monkeypatch.setattr(parameter_path, "_margin", lambda _, __, members: 2 * parameters[members[0] // 2].sum())
    record = PathRecord(KeptVectors(()), ["", ""], [b"", b""])
    record.begin(weights, ends, ends)
    parameter_path._walk(moved, some_pairs(items=2), record, Silent(), "")
    assert record.integral().tolist() == [[6, 0], [0, 6]]


class TestWhatMoves:
    def test_a_checkpoint_against_itself_is_exactly_0(self, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        found = parts((two[0], two[0]))
        assert not found.values.any()
        assert not found.totals.any()
        assert len(found.units) == 37

    def test_what_is_equal_gets_exactly_0(self, tmp_path: Path, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        changed = AutoModelForCausalLM.from_pretrained(two[0].base)
        with torch.no_grad():
            changed.model.layers[1].self_attn.v_proj.weight[8:16] += 0.05
        save_model(changed, tmp_path)
        found = parts((two[0], files_of("x", tmp_path)))
        moved = {unit.name("head") for unit, one in zip(found.units, found.values.T, strict=True) if one.any()}
        assert moved == {"layer 1 kv head 1"}
        assert (np.abs(found.errors) < 1e-5).all()

    def test_back_is_minus_there(self, two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
        there, back = parts(two), parts(two[::-1])
        np.testing.assert_allclose(back.values, -there.values, atol=1e-5)
        np.testing.assert_array_equal(back.totals, -there.totals)

    def test_tied_weights_count_once(self, tmp_path: Path) -> None:
        found = parts(pair_of(tmp_path, "llama", tie_word_embeddings=True))
        assert found.units[0].name("tensor") == "model.embed_tokens.weight (tied: lm_head.weight)"
        assert not any(unit.tensor == "lm_head.weight" for unit in found.units)
        assert (np.abs(found.errors) < 2e-5).all()


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_from_files_as_from_memory(arch: str, tmp_path: Path) -> None:
    both = pair_of(tmp_path, arch)
    found = [parts(both, nodes=3, offload=offload) for offload in (False, True)]
    np.testing.assert_array_equal(found[0].values, found[1].values)


def test_one_gradient_at_a_time(two: tuple[CheckpointFiles, CheckpointFiles], monkeypatch: pytest.MonkeyPatch) -> None:
    """When a gradient is multiplied, no other is left of those before it."""
    held: list[int] = []
    loaded: list[torch.nn.Module] = []
    real = parameter_path.moving_weights

    @contextmanager
    def watched(*arguments: Any) -> Iterator[Any]:
        with real(*arguments) as moved:
            loaded.append(moved.model)
            yield moved

    def counted(*arguments: Any) -> FloatArray:
        held.append(sum(one.grad is not None for one in loaded[-1].parameters()))
        return parts_of(*arguments)

    monkeypatch.setattr(parameter_path, "moving_weights", watched)
    monkeypatch.setattr(parameter_path, "parts_of", counted)
    parts(two, nodes=1)
    assert len(held) >= 21 * 3
    assert set(held) == {0}


def save_merged(base: Path, adapter: Path, folder: Path) -> None:
    """What a user gets who merges an adapter with peft by hand."""
    with warnings.catch_warnings():
        # peft asks transformers for a name that is on its way out.
        warnings.simplefilter("ignore")
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
        save_model(model.merge_and_unload(), folder)


ADAPTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"]}),
    "some": ("llama", {"target_modules": ["v_proj"], "layers_to_transform": [1], "lora_alpha": 32}),
    "gpt2": ("gpt2", {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
    "gpt_neox": ("gpt_neox", {"target_modules": ["query_key_value", "dense"]}),
}


class TestAdapters:
    @pytest.mark.parametrize("kind", ADAPTERS)
    def test_an_adapter_is_its_merged_model(self, kind: str, tmp_path: Path) -> None:
        arch, settings = ADAPTERS[kind]
        make_model(tmp_path / "base", arch, seed=0)
        save_lora(tmp_path / "base", tmp_path / "lora", seed=1, **settings)
        save_merged(tmp_path / "base", tmp_path / "lora", tmp_path / "merged")
        reference = files_of("base", tmp_path / "base")
        lora = files_of("lora", tmp_path / "base", tmp_path / "lora")
        merged = files_of("merged", tmp_path / "merged")
        found = {one.name: parts((reference, one)) for one in (lora, merged)}
        assert found["lora"].units == found["merged"].units
        np.testing.assert_allclose(found["lora"].values, found["merged"].values, atol=2e-5)
        assert np.abs(found["lora"].values).max() > 0.01
        assert found["lora"].rough.size == 0
        back = parts((lora, reference))
        np.testing.assert_allclose(back.values, -found["merged"].values, atol=2e-5)

    def test_from_one_adapter_to_another(self, tmp_path: Path) -> None:
        make_model(tmp_path / "base", "llama", seed=0)
        for seed, name in enumerate(("one", "other")):
            save_lora(tmp_path / "base", tmp_path / name, seed=seed)
            save_merged(tmp_path / "base", tmp_path / name, tmp_path / f"{name}-whole")
        found = [
            parts((files_of("one", *one), files_of("other", *other)))
            for one, other in (
                ((tmp_path / "base", tmp_path / "one"), (tmp_path / "base", tmp_path / "other")),
                ((tmp_path / "one-whole",), (tmp_path / "base", tmp_path / "other")),
                ((tmp_path / "one-whole",), (tmp_path / "other-whole",)),
            )
        ]
        for one in found[:2]:
            np.testing.assert_allclose(one.values, found[2].values, atol=2e-5)


class Stopping:
    """Progress that is interrupted after so many passes."""

    def __init__(self, after: int = 10**9) -> None:
        self.left, self.totals, self.labels = after, list[int](), list[str]()

    @contextmanager
    def task(self, label: str, total: int, unit: str) -> Iterator[None]:
        self.labels.append(label)
        self.totals.append(total)
        assert unit == "passes"
        yield

    def advance(self, amount: int) -> None:
        self.left -= amount
        if self.left <= 0:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        """Nothing to say."""


class TestKept:
    @pytest.fixture
    def kept(self, tmp_path: Path) -> Iterator[KeptVectors]:
        with ScoreStore.open(tmp_path / "cache") as store:
            yield KeptVectors([store])

    def test_killed_and_resumed(
        self, two: tuple[CheckpointFiles, CheckpointFiles], kept: KeptVectors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = parts(two, nodes=4)
        left = []
        for after in (5, 2, 10**9):
            progress = Stopping(after)
            if after < 100:
                with pytest.raises(KeyboardInterrupt):
                    parts(two, nodes=4, kept=kept, progress=progress)
            else:
                found = parts(two, nodes=4, kept=kept, progress=progress)
            left += progress.totals
            assert progress.labels == ["path sft to dpo, 4 nodes"]
        assert left == [12, 7, 5]
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.totals, expected.totals)

        def none(*_: object) -> None:
            raise AssertionError("a model is loaded")

        monkeypatch.setattr(models, "load_base", none)
        again = parts(two, nodes=4, kept=kept)
        assert again.units == expected.units
        np.testing.assert_array_equal(again.values, expected.values)

    def test_only_the_same_question_is_found(
        self, two: tuple[CheckpointFiles, CheckpointFiles], kept: KeptVectors
    ) -> None:
        parts(two, nodes=2, kept=kept)
        for both, nodes in ((two, 3), (two[::-1], 2)):
            progress = Stopping()
            parts(both, nodes=nodes, kept=kept, progress=progress)
            assert progress.totals[0] == 3 * nodes

    def test_the_audits_own_number_format_does_not_matter(
        self, two: tuple[CheckpointFiles, CheckpointFiles], kept: KeptVectors
    ) -> None:
        expected = parts(two, nodes=2, kept=kept)
        half = ModelShelf(LoadPolicy(dtype="bfloat16"))
        progress = Stopping()
        found = path_attributions(*two, half, PAIRS, nodes=2, kept=kept, progress=progress)
        np.testing.assert_array_equal(found.values, expected.values)
        assert progress.totals == []


def test_pairs_are_pairs(two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
    with pytest.raises(ValueError, match="two sequences of one item"):
        path_attributions(*two, shelf(), Sequences.of([([1, 2], 1)] * 3, [0, 0, 0]))


def test_nothing_asked(two: tuple[CheckpointFiles, CheckpointFiles]) -> None:
    assert path_attributions(*two, shelf(), Sequences.of([])).values.shape == (0, 37)


def test_refusals_come_before_anything_is_loaded(
    two: tuple[CheckpointFiles, CheckpointFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load_base", None)
    with pytest.raises(NotComparableError, match="quantised"):
        parts((two[0], replace(two[1], quantization={"quant_method": "awq"})))


def test_memory_that_runs_out(two: tuple[CheckpointFiles, CheckpointFiles], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(parameter_path, "parts_of", full)
    with pytest.raises(ModelLoadError, match=r"a pair of 7 tokens .* do not fit"):
        parts(two)


def test_weights_that_were_really_trained(hh_mini: Path) -> None:
    sft, dpo = (files_of(name, hh_mini / name) for name in ("sft", "dpo"))
    vocabulary = AutoModelForCausalLM.from_pretrained(sft.base).config.vocab_size
    pairs = some_pairs(items=4, vocabulary=vocabulary)
    found = path_attributions(sft, dpo, shelf(), pairs)
    assert (np.abs(found.errors) <= 1e-3 * np.maximum(np.abs(found.totals), 0.01)).all()
