"""The files of one local folder: weights and tokenizer, what the headers say, and what is no checkpoint.

Reads names and safetensors headers only, never a tensor, so a broken folder is explained in
milliseconds and without torch.
"""

from __future__ import annotations

import json
import math
import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditor.errors import ModelLoadError

# In the order transformers and peft prefer them.
_MODEL_ENTRIES = ("model.safetensors", "model.safetensors.index.json")
_MODEL_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_ADAPTER_ENTRIES = ("adapter_model.safetensors",)
_ADAPTER_PICKLES = ("adapter_model.bin",)
_DCP = (".metadata", "*.distcp", "shard-*-model-*.safetensors")
_INDEX = ".index.json"
_TOKENIZER_CORE = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "*.jinja",
    "additional_chat_templates/*.jinja",
)
_LFS_POINTER = b"version https://git-lfs"
# The safetensors library's own limit on a header, bytes.
_LARGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The files that hold the weights of one folder.

    Attributes:
        files: weight files, then the index if there is one.
        shapes: shape of each tensor by name; empty for pickled files, whose headers are not read.
        n_bytes: size of the weight files on disk, bytes.
        pickled: they are pickles.
    """

    files: tuple[Path, ...]
    n_bytes: int
    pickled: bool = False
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def n_elements(self) -> int | None:
        """Numbers in all tensors together; None for pickled files."""
        return None if self.pickled else sum(math.prod(shape) for shape in self.shapes.values())


def find_weights(folder: Path, *, adapter: bool, allow_pickle: bool, entry: str | None = None) -> WeightFiles:
    """Find the weights of a model or an adapter and check that every file is whole.

    Args:
        folder: a local folder.
        adapter: look for adapter weights, not for a model's.
        allow_pickle: take pickled weights where there are no others.
        entry: file or index to use, where config.json names one.

    Raises:
        ModelLoadError: there are none, only pickled ones without ``allow_pickle``, a shard is missing,
            a file is cut off, or the folder holds a training framework's own format.
    """
    safe = (entry,) if entry else (_ADAPTER_ENTRIES if adapter else _MODEL_ENTRIES)
    # transformers prefers distributed shards to the model.safetensors beside them; which is meant?
    if any(folder.glob("shard-*-model-*.safetensors")) and (foreign := _fsdp(folder)):
        raise foreign
    found = next((folder / name for name in safe if (folder / name).is_file()), None)
    if found is not None:
        return _safetensors(folder, found)
    pickles = _ADAPTER_PICKLES if adapter else _MODEL_PICKLES
    pickle = next((folder / name for name in pickles if (folder / name).is_file()), None)
    if pickle is None:
        raise _no_weights(folder, adapter)
    if not allow_pickle:
        raise ModelLoadError(
            f"the only weights are pickled ({pickle.name}), and a pickle can run code",
            where=str(folder),
            fix="Convert them to safetensors, or allow pickles with --allow-pickle if you trust the source.",
        )
    files = _shards(folder, pickle)
    return WeightFiles((*files, *_index(pickle)), sum(file.stat().st_size for file in files), pickled=True)


def has_weights(folder: Path) -> bool:
    """Whether the folder holds weights of a whole model, pickled or not."""
    return any((folder / name).is_file() for name in _MODEL_ENTRIES + _MODEL_PICKLES)


def has_tokenizer(folder: Path) -> bool:
    """Whether the folder holds a tokenizer, complete enough to load."""
    return (folder / "tokenizer_config.json").is_file() and any((folder / name).is_file() for name in _TOKENIZER_CORE)


def tokenizer_files(folder: Path) -> set[Path]:
    """The files of a tokenizer and its chat templates."""
    return {path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern)}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelLoadError: the file can't be read, or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(
            f"the file can't be read as JSON ({error})", where=str(path), fix="Save or download it again."
        ) from error
    if not isinstance(value, dict):
        raise ModelLoadError("the file holds no JSON object", where=str(path), fix="Save or download it again.")
    return value


def _safetensors(folder: Path, entry: Path) -> WeightFiles:
    files = _shards(folder, entry)
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        shapes.update(_header(file))
    # ZeRO-3 without gathering leaves safetensors whose tensors are empty placeholders.
    if any(math.prod(shape) == 0 for shape in shapes.values()) and (zero := _zero(folder)):
        raise zero
    return WeightFiles((*files, *_index(entry)), sum(file.stat().st_size for file in files), shapes=shapes)


def _index(entry: Path) -> tuple[Path, ...]:
    return (entry,) if entry.name.endswith(_INDEX) else ()


def _shards(folder: Path, entry: Path) -> tuple[Path, ...]:
    if not entry.name.endswith(_INDEX):
        return (entry,)
    weight_map = read_json(entry).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelLoadError("the index names no files", where=str(entry), fix="Save or download it again.")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelLoadError(
                f"the index points out of its folder, to {name!r}",
                where=str(entry),
                fix="Don't load this checkpoint unless you know why.",
            )
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelLoadError(
            f"{len(missing)} of {len(names)} weight files named in {entry.name} are missing, "
            f"the first is {missing[0]!r}",
            where=str(folder),
            fix="Copy or download the missing files into the folder.",
        )
    return tuple(folder / name for name in names)


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by tensor name, after checking that the file is as long as its header says."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if _LFS_POINTER.startswith(start) and start:
            raise ModelLoadError(
                "the file is a Git LFS pointer, not the weights themselves",
                where=str(file),
                fix="Run 'git lfs pull' in that folder.",
            )
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else _LARGEST_HEADER + 1
        if length > min(_LARGEST_HEADER, size - 8):
            raise _cut_off(file, "its header is not all there")
        try:
            header = json.loads(stream.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            shapes = {name: tuple(map(int, entry["shape"])) for name, entry in tensors.items()}
            end = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise _cut_off(file, "its header can't be read") from error
    if size != 8 + length + end:
        raise _cut_off(file, f"it holds {size:,} bytes and its header says {8 + length + end:,}")
    return shapes


def _cut_off(file: Path, detail: str) -> ModelLoadError:
    return ModelLoadError(
        f"the safetensors file is cut off or damaged: {detail}",
        where=str(file),
        fix="Copy or download it again.",
    )


def _no_weights(folder: Path, adapter: bool) -> ModelLoadError:
    """Say what the folder holds instead, with the command that converts it."""
    foreign = _fsdp(folder) or _zero(folder)
    if foreign is not None:
        return foreign
    # By length first, so that step 10 comes after step 5.
    inner = sorted(
        (path.name for path in folder.glob("checkpoint-*") if path.is_dir()), key=lambda one: (len(one), one)
    )
    if inner:
        return ModelLoadError(
            f"the folder holds no weights, only trainer checkpoints: {', '.join(inner[:5])}",
            where=str(folder),
            fix=f"Give one of them: {folder / inner[-1]}",
        )
    wanted = " or ".join(_ADAPTER_ENTRIES if adapter else _MODEL_ENTRIES)
    present = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    return ModelLoadError(
        f"the folder holds no {'adapter' if adapter else 'model'} weights ({wanted}), but {present}",
        where=str(folder),
        fix="Give the folder that save_pretrained wrote. GGUF, ONNX and other formats are not read.",
    )


def _fsdp(folder: Path) -> ModelLoadError | None:
    candidates = [folder, *sorted(folder.glob("pytorch_model_fsdp_*"))]
    for candidate in candidates:
        if candidate.is_dir() and any(any(candidate.glob(mark)) for mark in _DCP):
            source = shlex.quote(str(candidate))
            return ModelLoadError(
                "the weights are sharded by FSDP (torch.distributed.checkpoint), not in a form that loads",
                where=str(candidate),
                fix=f"Convert them first: accelerate merge-weights {source} OUT\n"
                f"or: python -m torch.distributed.checkpoint.format_utils dcp_to_torch {source} OUT.pt\n"
                "then put config.json and the tokenizer's files beside the result.",
            )
    return None


def _zero(folder: Path) -> ModelLoadError | None:
    """Explain a DeepSpeed ZeRO folder: the one with zero_to_fp32.py, or a global_step folder in it."""
    marks = ("zero_to_fp32.py", "global_step*", "*zero_pp_rank_*")
    if not any(next(folder.glob(mark), None) for mark in marks) and not _latest_is_zero(folder):
        return None
    top = folder
    if folder.name.startswith("global_step") or not (folder / "zero_to_fp32.py").is_file():
        top = folder.parent if (folder.parent / "zero_to_fp32.py").is_file() else folder
    source = shlex.quote(str(top))
    script = shlex.quote(str(top / "zero_to_fp32.py"))
    return ModelLoadError(
        "the weights are sharded by DeepSpeed ZeRO, not in a form that loads",
        where=str(folder),
        fix=f"Convert them first: python {script} {source} OUT --safe_serialization\n"
        "then put config.json and the tokenizer's files beside the result.",
    )


def _latest_is_zero(folder: Path) -> bool:
    try:
        return (folder / "latest").read_text(encoding="utf-8").startswith("global_step")
    except (OSError, ValueError):
        return False
