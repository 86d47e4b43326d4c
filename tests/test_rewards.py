"""Twin of auditor.adapters.hf.rewards: the oracle is each model's own forward of one text at a time."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from model_factory import ARCHITECTURES, make_reward_model
from numpy.typing import NDArray
from transformers import PreTrainedModel

from auditor.adapters.hf.engine import NonFiniteLogitsError, Work, score_sequences
from auditor.adapters.hf.loading.model_configs import packing_obstacle
from auditor.adapters.hf.padded import PaddingSide
from auditor.adapters.hf.plans import RowCosts
from auditor.adapters.hf.rewards import packed_rewards, reward_values
from auditor.adapters.hf.sequences import Sequences
from auditor.errors import ModelLoadError

EOS, PAD = 1, 2
_SMALL = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}
# Decoders whose classifier is written out in transformers.
WRITTEN_OUT: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "falcon": _SMALL,
    "gpt_bigcode": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 8,
        "max_position_embeddings": 256,
    },
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "rotary_dim": 4},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 256},
    "opt": {**_SMALL, "ffn_dim": 64, "max_position_embeddings": 256, "word_embed_proj_dim": 32},
}


def texts(ends: Sequence[int], seed: int = 0) -> list[list[int]]:
    """Texts of unequal lengths, each with an end of its own."""
    random = np.random.default_rng(seed)
    return [[0, *random.integers(3, 380, size=int(random.integers(1, 40))).tolist(), end] for end in ends]


def sequences(rows: Sequence[Sequence[int]]) -> Sequences:
    return Sequences.of([(row, len(row) - 1) for row in rows])


def found(model: PreTrainedModel, rows: Sequence[Sequence[int]], output: int = 0, **options: Any) -> NDArray[Any]:
    values = np.full(len(rows), np.nan, dtype=np.float32)
    for scored in reward_values(model, sequences(rows), output, **options):
        for position, own in zip(scored.positions, scored.logprobs, strict=True):
            assert own.shape == (1,)
            assert own.dtype == np.float32
            values[position] = own[0]
    return values


def alone(model: PreTrainedModel, rows: Sequence[Sequence[int]], output: int = 0) -> NDArray[Any]:
    with torch.no_grad():
        return np.array([float(model(input_ids=torch.tensor([row])).logits[0, output]) for row in rows])


def assert_close(ours: NDArray[Any], truth: NDArray[Any]) -> None:
    assert np.ptp(truth) > 0.05, "the texts have to differ for their agreement to say anything"
    np.testing.assert_allclose(ours, truth, rtol=0, atol=5e-5)


@pytest.mark.parametrize("arch", [*ARCHITECTURES, *WRITTEN_OUT])
def test_equals_the_models_own_forward(arch: str, tmp_path: Path) -> None:
    model = make_reward_model(tmp_path, arch, **WRITTEN_OUT.get(arch, {}))
    rows = texts([EOS, 7, EOS, 9, 11, EOS])
    truth = alone(model, rows)
    assert_close(found(model, rows), truth)
    assert_close(found(model, rows, batch_size=2), truth)


def alike(seed: int = 0) -> list[list[int]]:
    """Texts that begin alike; one begins another, one stands twice."""
    random = np.random.default_rng(seed)
    rows: list[list[int]] = []
    for length in (1, 12, 30):
        context = [0, *random.integers(3, 380, size=length).tolist()]
        ends = [random.integers(3, 380, size=int(random.integers(1, 9))).tolist() for _ in range(3)]
        rows += [[*context, *end, EOS] for end in ends]
    return [*rows, rows[4][:-1], rows[4], [0, EOS]]


def shared(model: PreTrainedModel, rows: Sequence[Sequence[int]], output: int = 0, **options: Any) -> NDArray[Any]:
    """Rewards by way of rows that texts share."""
    values = np.full(len(rows), np.nan, dtype=np.float32)
    for scored in score_sequences(model, sequences(rows), output=output, **options):
        for position, own in zip(scored.positions, scored.logprobs, strict=True):
            assert (own.shape, own.dtype, np.isnan(values[position])) == ((1,), np.float32, True)
            values[position] = own[0]
    return values


def prefixes() -> list[list[int]]:
    """Texts of one token and more that are beginnings of each other, some ending in padding, or in the id 0, thrice."""
    whole = [0, *np.random.default_rng(3).integers(3, 380, size=25).tolist()]
    ends = [[end] * times for end in (0, EOS, PAD) for times in (1, 2, 3)]
    return [*(whole[:end] for end in (1, 2, 5, 9, 20, 26)), *([*whole, *end] for end in ends), [7], [0, 0], [PAD] * 3]


def at_the_last(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> NDArray[Any]:
    """The head at each text's last token, of the text alone: as `alone`, but no token is passed over."""
    head, decoder = model.get_submodule("score"), model.base_model
    with torch.no_grad():
        given = ((torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)) for row in rows)
        return np.array([float(head(decoder(ids, attention_mask=mask)[0][0, -1])[0]) for ids, mask in given])


@pytest.mark.parametrize("arch", ["llama", "mistral", "gemma3_text"])
@pytest.mark.parametrize("longest", [8192, 20])
def test_a_text_that_begins_another_is_read_at_its_own_end(
    arch: str, longest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them share a row, a row holds, or are known; windows of 8 tokens are shorter than most."""
    monkeypatch.setattr("auditor.adapters.hf.plans.LONGEST_PACK", longest)
    if longest == 20:
        # A row is one text, and half of them are too long for one.
        monkeypatch.setattr("auditor.adapters.hf.engine.row_costs", lambda *_: RowCosts(1, 1, 1))
    model, rows = make_reward_model(tmp_path, arch), prefixes()
    truth = at_the_last(model, rows)
    assert_close(shared(model, rows), truth)
    for known in (np.arange(len(rows)) % 2 == 0, np.arange(len(rows)) > 4):
        values = shared(model, rows, known=known)
        assert_close(values[~known], truth[~known])
        assert np.isnan(values[known]).all()
    assert_close(found(model, rows), truth)


# bloom and mpt take no positions; local layers of gpt_neo have a mask of their own.
UNPACKABLE = ("bloom", "gpt_neo", "mpt")


@pytest.mark.parametrize("arch", [*ARCHITECTURES, *(one for one in WRITTEN_OUT if one not in UNPACKABLE)])
def test_in_rows_that_texts_share_they_are_those_of_the_models_own_forward(arch: str, tmp_path: Path) -> None:
    model = make_reward_model(tmp_path, arch, **WRITTEN_OUT.get(arch, {}))
    work = Work()
    assert_close(shared(model, alike(), work=work), alone(model, alike()))
    assert packing_obstacle(model.config.to_dict()) == ""
    # What three texts have in common is read once; every text's last token is read too.
    read = {tuple(row[:end]) for row in alike() for end in range(1, len(row) + 1)}
    assert work.nodes == len(read) < work.tokens


@pytest.mark.parametrize("arch", UNPACKABLE)
def test_what_cannot_share_rows_is_known_beforehand_and_would_be_found_out(arch: str, tmp_path: Path) -> None:
    model = make_reward_model(tmp_path, arch, **WRITTEN_OUT[arch])
    assert packing_obstacle(model.config.to_dict())
    with pytest.raises(ModelLoadError, match="this architecture") as error:
        shared(model, alike())
    assert "--batch-size" in error.value.fix


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    return make_reward_model(tmp_path_factory.mktemp("rm"), outputs=("helpful", "harmless", "brief"))


@pytest.mark.parametrize("batch_size", [1, 2, 4, None])
@pytest.mark.parametrize("side", ["right", "left"])
def test_any_batch_and_padding(llama: PreTrainedModel, batch_size: int | None, side: PaddingSide) -> None:
    rows = texts([EOS] * 9)
    assert_close(found(llama, rows, batch_size=batch_size, padding_side=side), alone(llama, rows))


@pytest.mark.parametrize("output", [0, 1, 2])
def test_the_output_that_is_asked_for(llama: PreTrainedModel, output: int) -> None:
    rows = texts([EOS] * 5)
    assert_close(found(llama, rows, output), alone(llama, rows, output))


def test_so_many_texts_side_by_side_as_were_asked_for(llama: PreTrainedModel) -> None:
    rows = texts([EOS] * 5)
    passes = list(score_sequences(llama, sequences(rows), forward="padded", batch_size=2, output=0))
    assert [len(one.positions) for one in passes] == [2, 2, 1]


def test_long_texts_fill_several_batches(llama: PreTrainedModel) -> None:
    rows = texts([EOS] * 200)
    batches = list(reward_values(llama, sequences(rows), 0))
    assert len(batches) > 1
    assert sorted(at for one in batches for at in one.positions) == list(range(200))
    assert_close(found(llama, rows), alone(llama, rows))


def test_padding_that_also_ends_a_text_is_read_where_it_stands(llama: PreTrainedModel) -> None:
    rows = texts([EOS] * 6)
    truth = alone(llama, rows)
    llama.config.pad_token_id = EOS
    try:
        # Its own forward reads the token before; ours what it read when padding was another token.
        assert np.abs(alone(llama, rows) - truth).max() > 0.05
        assert_close(found(llama, rows), truth)
        only_padding = [[EOS], *rows]
        assert np.isfinite(found(llama, only_padding)).all()
    finally:
        llama.config.pad_token_id = PAD


def test_without_a_padding_token(llama: PreTrainedModel) -> None:
    rows = texts([EOS] * 6)
    llama.config.pad_token_id = None
    try:
        assert_close(found(llama, rows), alone(llama, rows))
    finally:
        llama.config.pad_token_id = PAD


def test_half_precision_keeps_the_head_in_float32(tmp_path: Path) -> None:
    model = make_reward_model(tmp_path)
    rows = texts([EOS] * 12)
    exact = alone(model, rows)
    model.to(torch.bfloat16)
    ours, own = found(model, rows), alone(model, rows)
    assert np.abs(ours - exact).max() < 0.1
    # Seven bits of a fraction: what the head gave in half precision lies on a coarser grid.
    assert not np.array_equal(ours, torch.tensor(ours).bfloat16().float().numpy())
    assert np.array_equal(own, torch.tensor(own).bfloat16().double().numpy())


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_is_nan(tmp_path: Path, bad: float) -> None:
    model = make_reward_model(tmp_path)
    with torch.no_grad():
        model.get_parameter("score.weight")[0, 0] = bad
    assert np.isnan(found(model, texts([EOS] * 3))).all()


def test_a_model_that_reads_another_token_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = make_reward_model(tmp_path)
    decoder = model.base_model

    def first_token(input_ids: torch.Tensor, **_: Any) -> Any:
        return SimpleNamespace(logits=model.score(decoder(input_ids).last_hidden_state[:, 1]))

    monkeypatch.setattr(model, "forward", first_token)
    with pytest.raises(ModelLoadError, match=r"\(llama\) gives a text alone another reward .*\n.*--quantity reward"):
        found(model, texts([EOS] * 3))


def test_memory_that_runs_out_halves_the_batch(llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = texts([EOS] * 7)
    truth = alone(llama, rows)
    decoder = llama.base_model
    plain = decoder.forward

    def short_of_memory(input_ids: torch.Tensor, **options: Any) -> Any:
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("too many")
        return plain(input_ids=input_ids, **options)

    monkeypatch.setattr(decoder, "forward", short_of_memory)
    assert_close(found(llama, rows), truth)
    monkeypatch.setattr(decoder, "forward", lambda **_: (_ for _ in ()).throw(torch.OutOfMemoryError("none")))
    with pytest.raises(ModelLoadError, match="does not fit into the memory"):
        list(reward_values(llama, sequences(rows[:1] * 2), 0))


def test_a_row_that_does_not_fit_is_halved_and_an_item_goes_alone(
    llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = alike()
    truth = alone(llama, rows, 1)
    plain = llama.base_model.forward
    longest: list[int] = []

    @functools.wraps(plain)
    def short_of_memory(input_ids: torch.Tensor, **options: Any) -> Any:
        if options["attention_mask"].dim() == 4 and input_ids.shape[1] > 20:
            raise torch.OutOfMemoryError("too long a row")
        longest.append(input_ids.shape[1])
        return plain(input_ids=input_ids, **options)

    monkeypatch.setattr(llama.base_model, "forward", short_of_memory)
    values = np.full(len(rows), np.nan)
    for scored in packed_rewards(llama, sequences(rows), np.arange(len(rows)), 1):
        values[list(scored.positions)] = np.concatenate(scored.logprobs)
    assert_close(values, truth)
    assert max(longest) > 20, "a single text is scored without a mask"


def test_half_precision_keeps_the_head_in_float32_in_shared_rows(tmp_path: Path) -> None:
    model = make_reward_model(tmp_path)
    exact = alone(model, alike())
    model.to(torch.bfloat16)
    ours = shared(model, alike())
    assert np.abs(ours - exact).max() < 0.1
    assert np.abs(ours - found(model, alike())).max() < 0.03, "side by side they are as exact"
    assert not np.array_equal(ours, torch.tensor(ours).bfloat16().float().numpy())


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_no_number_in_a_shared_row_stops_there(tmp_path: Path, bad: float) -> None:
    model = make_reward_model(tmp_path)
    with torch.no_grad():
        model.get_parameter("score.weight")[0, 0] = bad
    with pytest.raises(NonFiniteLogitsError):
        shared(model, alike())


def test_a_mask_that_is_not_kept_to_is_found_out(llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(model: PreTrainedModel, pack: Any) -> torch.Tensor:
        nodes = len(pack.tokens)
        mask = torch.full((nodes, nodes), torch.finfo(model.dtype).min).triu(1)
        return mask[None, None]

    monkeypatch.setattr("auditor.adapters.hf.rewards.masks_of", everything)
    with pytest.raises(ModelLoadError, match=r"a row with other texts .* the reward\)"):
        shared(llama, alike())
