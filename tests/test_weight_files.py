"""Twin of auditor.adapters.hf.loading.weight_files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from model_factory import make_model
from safetensors.torch import save_file

from auditor.adapters.hf.loading.weight_files import WeightFiles, find_weights, has_weights, read_json
from auditor.errors import ModelLoadError


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weight-files")
    make_model(folder, "llama", seed=0)
    return folder


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "model"))


def _find(folder: Path, allow_pickle: bool = False, adapter: bool = False) -> WeightFiles:
    return find_weights(folder, adapter=adapter, allow_pickle=allow_pickle)


def _shard(folder: Path) -> None:
    one = {"a": torch.zeros(2, 3)}
    save_file(one, folder / "model-00001-of-00002.safetensors")
    save_file({"b": torch.zeros(5)}, folder / "model-00002-of-00002.safetensors")
    index = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def test_one_file_counts_its_parameters(llama: Path) -> None:
    found = _find(llama)
    assert [path.name for path in found.files] == ["model.safetensors"]
    assert found.n_elements == 44192
    assert found.n_bytes == (llama / "model.safetensors").stat().st_size
    assert found.shapes["model.embed_tokens.weight"] == (400, 32)
    assert not found.pickled


def test_shards_and_their_index(tmp_path: Path) -> None:
    _shard(tmp_path)
    found = _find(tmp_path)
    assert [path.name for path in found.files][-1] == "model.safetensors.index.json"
    assert len(found.files) == 3
    assert found.n_elements == 11


def test_missing_shard_is_named(tmp_path: Path) -> None:
    _shard(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"1 of 2 weight files .* 'model-00002-of-00002.safetensors'"):
        _find(tmp_path)


@pytest.mark.parametrize("name", ["../model.safetensors", "/model.safetensors"])
def test_index_may_not_point_out_of_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelLoadError, match="points out of its folder"):
        _find(tmp_path)


@pytest.mark.parametrize("cut", [1, 1000, 100_000])
def test_cut_off_file(copy: Path, cut: int) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(ModelLoadError, match="cut off or damaged: it holds"):
        _find(copy)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"\xff" * 8,
        b"\x02" + bytes(7) + b"[]",
        b"\x04" + bytes(7) + b'{"a"',
        b"\x0a" + bytes(7) + b'{"a": [1]}',
    ],
)
def test_damaged_header(copy: Path, content: bytes) -> None:
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelLoadError, match="cut off or damaged"):
        _find(copy)


def test_git_lfs_pointer(copy: Path) -> None:
    (copy / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ModelLoadError, match="Git LFS pointer") as caught:
        _find(copy)
    assert "git lfs pull" in caught.value.fix


def test_pickles_only_by_name(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "pytorch_model.bin")
    assert has_weights(tmp_path)
    with pytest.raises(ModelLoadError, match="a pickle can run code") as caught:
        _find(tmp_path)
    assert "--allow-pickle" in caught.value.fix
    found = _find(tmp_path, allow_pickle=True)
    assert found.pickled
    assert found.n_elements is None
    assert found.n_bytes == (tmp_path / "pytorch_model.bin").stat().st_size


def test_safetensors_win_over_pickles(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"not read")
    assert not _find(copy, allow_pickle=True).pickled


def test_model_weights_are_no_adapter_weights(llama: Path) -> None:
    with pytest.raises(ModelLoadError, match="no adapter weights"):
        _find(llama, adapter=True)


@pytest.mark.parametrize("inner", ["", "pytorch_model_fsdp_0"])
def test_fsdp_folder_names_both_commands(tmp_path: Path, inner: str) -> None:
    folder = tmp_path / "my run" / inner
    folder.mkdir(parents=True)
    (folder / ".metadata").write_bytes(b"")
    (folder / "__0_0.distcp").write_bytes(b"")
    with pytest.raises(ModelLoadError, match="sharded by FSDP") as caught:
        _find(tmp_path / "my run")
    assert f"accelerate merge-weights '{folder}' OUT" in caught.value.fix
    assert f"python -m torch.distributed.checkpoint.format_utils dcp_to_torch '{folder}' OUT.pt" in caught.value.fix


def test_distributed_shards_beside_whole_weights_are_refused(copy: Path) -> None:
    (copy / "shard-00000-model-00001-of-00001.safetensors").write_bytes(b"")
    with pytest.raises(ModelLoadError, match="sharded by FSDP"):
        _find(copy)


@pytest.mark.parametrize(
    "mark", ["zero_to_fp32.py", "global_step40/", "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", "latest"]
)
def test_zero_folder_names_the_command(tmp_path: Path, mark: str) -> None:
    if mark.endswith("/"):
        (tmp_path / mark).mkdir()
    else:
        (tmp_path / mark).write_text("global_step40")
    with pytest.raises(ModelLoadError, match="DeepSpeed ZeRO") as caught:
        _find(tmp_path)
    assert f"python {tmp_path}/zero_to_fp32.py {tmp_path} OUT" in caught.value.fix


def test_zero_inner_folder_names_the_outer_one(tmp_path: Path) -> None:
    (tmp_path / "zero_to_fp32.py").write_text("")
    inner = tmp_path / "global_step40"
    inner.mkdir()
    (inner / "zero_pp_rank_0_mp_rank_00_model_states.pt").write_bytes(b"")
    with pytest.raises(ModelLoadError, match="DeepSpeed ZeRO") as caught:
        _find(inner)
    assert f"zero_to_fp32.py {tmp_path} OUT" in caught.value.fix


def test_placeholders_that_zero3_leaves_are_not_weights(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(0)}, tmp_path / "model.safetensors")
    assert _find(tmp_path).n_elements == 0
    (tmp_path / "zero_to_fp32.py").write_text("")
    with pytest.raises(ModelLoadError, match="DeepSpeed ZeRO"):
        _find(tmp_path)


def test_whole_weights_beside_zero_files_load(copy: Path) -> None:
    (copy / "global_step40").mkdir()
    (copy / "zero_to_fp32.py").write_text("")
    assert _find(copy).n_elements == 44192


def test_trainer_output_folder_points_to_its_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-10").mkdir()
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(ModelLoadError, match="only trainer checkpoints") as caught:
        _find(tmp_path)
    assert caught.value.fix.endswith("checkpoint-10")


def test_folder_without_weights_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(ModelLoadError, match=r"no model weights .* but model.gguf"):
        _find(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_broken_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"can't be read as JSON|no JSON object"):
        read_json(tmp_path / "config.json")


def test_file_named_in_the_config_wins(copy: Path) -> None:
    save_file({"a": torch.zeros(7)}, copy / "other.safetensors")
    found = find_weights(copy, adapter=False, allow_pickle=False, entry="other.safetensors")
    assert found.n_elements == 7
