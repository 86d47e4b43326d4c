"""From a parsed argument to the local files of one checkpoint, checked before anything is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from auditor.adapters.cache.weight_hashes import hash_file
from auditor.adapters.hf.loading.hub import Progress, Snapshot, describe_weights, fetch
from auditor.adapters.hf.loading.model_configs import (
    context_window,
    packing_obstacle,
    read_adapter_config,
    read_model_config,
    read_tags,
    saved_dtype,
)
from auditor.adapters.hf.loading.reward_configs import check_reads_tokens, is_reward_model, output_names, own_pad
from auditor.adapters.hf.loading.specs import Source, Spec
from auditor.adapters.hf.loading.weight_files import (
    WeightFiles,
    find_weights,
    has_tokenizer,
    has_weights,
    read_json,
    tokenizer_files,
)
from auditor.core.series import Quantity
from auditor.errors import ModelLoadError

Dtype = Literal["float32", "bfloat16", "float16"]

_NAME_BASE = "Name its base in the argument: name=BASE+ADAPTER"


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """How every checkpoint of an audit is loaded.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; see `auditor.adapters.hf.devices.pick_device`.
        device_map: ``auto`` lets accelerate spread a model over cards, memory and disk.
        max_memory: limit by device for ``device_map``, such as ``{0: "20GiB", "cpu": "60GiB"}``.
        dtype: of the weights that are not quantised.
        offline: use local folders and the cache only.
        trust_remote_code: run the Python files of a checkpoint.
        allow_pickle: load pickled weights.
        describe_only: nothing will be loaded, so no weights are downloaded.
    """

    device: str = "cpu"
    device_map: str | None = None
    max_memory: Mapping[int | str, int | str] | None = None
    dtype: Dtype = "float32"
    offline: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False
    describe_only: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """The local files of one checkpoint and what they say about it.

    Attributes:
        name: of the checkpoint.
        source: the argument it was given as.
        base: folder of the whole model.
        adapter: folder of the adapter on it, None for a whole model.
        base_commit: of a model from the hub, None for a local folder.
        adapter_commit: of an adapter from the hub.
        weights: weight files of the base.
        adapter_weights: weight files of the adapter.
        model_type: as in config.json, such as ``llama``.
        context_window: positions the model was made for, None where config.json doesn't say.
        dtype: the weights were saved in, as config.json says.
        quantization: the quantization_config of config.json, None where not quantised.
        tags: of the model card; an adapter's own, since its base's card is about another stage.
        packing_obstacle: why texts cannot share a row in it, "" where nothing is known to stand in the way.
        heads: names of a reward model's outputs, in their order; none of a language model.
        head: the one that is its reward, None where it is one of several and none was chosen.
        pad_id: the token that a reward model's own forward takes for padding.
    """

    name: str
    source: str
    base: Path
    adapter: Path | None
    base_commit: str | None
    adapter_commit: str | None
    weights: WeightFiles
    adapter_weights: WeightFiles | None
    model_type: str
    context_window: int | None
    dtype: str | None
    quantization: Mapping[str, Any] | None
    tags: tuple[str, ...]
    packing_obstacle: str = ""
    heads: tuple[str, ...] = ()
    head: str | None = None
    pad_id: int | None = None

    @property
    def quantity(self) -> Quantity:
        """What it gives: log-probabilities, or the reward of a whole text."""
        return "reward" if self.heads else "logprob"

    @property
    def output(self) -> int | None:
        """Which of a reward model's outputs is its reward; None of a language model."""
        return self.heads.index(self.head) if self.head is not None else None

    @property
    def weight_bytes(self) -> int:
        """Size of all weight files, bytes; 0 where weights that are only described have no known size."""
        return self.weights.n_bytes + (self.adapter_weights.n_bytes if self.adapter_weights else 0)

    @property
    def n_parameters(self) -> int | None:
        """Parameters, the adapter's included; None where pickled or packed by quantisation."""
        parts = [self.weights, *([self.adapter_weights] if self.adapter_weights else [])]
        counts = [part.n_elements for part in parts]
        if self.quantization is not None or None in counts:
            return None
        return sum(count for count in counts if count is not None)

    @property
    def tokenizer(self) -> Path:
        """The folder the tokenizer comes from: the adapter's if it has one, else the base's."""
        return self.adapter if self.adapter is not None and has_tokenizer(self.adapter) else self.base


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    hub: Snapshot | None = None

    @property
    def is_adapter(self) -> bool:
        return (self.folder / "adapter_config.json").is_file()


def resolve(spec: Spec, policy: LoadPolicy, progress: Progress | None = None) -> CheckpointFiles:
    """Find the files of a checkpoint, downloading them if they are on the hub, and check them.

    Raises:
        ModelLoadError: a folder, file, repository or base is missing or broken, is in a format that
            does not load, needs a permission the policy doesn't give, or is neither a causal language model nor a
            reward model that is read at a text's last token.
        StorageError: the disk is full.
    """
    adapter, base = _places(spec, policy, progress)
    config = read_model_config(
        base.folder, allow_pickle=policy.allow_pickle, trust_remote_code=policy.trust_remote_code
    )
    adapter_config = read_adapter_config(adapter.folder) if adapter else None
    weights = _weights(base, policy, "model.safetensors", str(config.get("transformers_weights") or ""))
    adapter_weights = _weights(adapter, policy, "adapter_model.safetensors") if adapter else None
    heads = _heads((adapter or base).folder, config, adapter_config, adapter_weights, policy)
    return CheckpointFiles(
        name=spec.name,
        source=spec.text,
        base=base.folder,
        adapter=adapter.folder if adapter else None,
        base_commit=base.hub.commit if base.hub else None,
        adapter_commit=adapter.hub.commit if adapter and adapter.hub else None,
        weights=weights,
        adapter_weights=adapter_weights,
        model_type=str(config.get("model_type", "")),
        context_window=context_window(config),
        dtype=saved_dtype(config),
        quantization=config.get("quantization_config") or config.get("compression_config"),
        tags=read_tags((adapter or base).folder / "README.md"),
        packing_obstacle=packing_obstacle(config),
        heads=heads,
        head=heads[0] if len(heads) == 1 else None,
        pad_id=own_pad(config) if heads else None,
    )


def _weights(place: _Place, policy: LoadPolicy, usual: str, entry: str = "") -> WeightFiles:
    """The weights of a folder; of one on the hub that is only described, what the hub says of them."""
    kind, pickles = "adapter" in usual, policy.allow_pickle
    try:
        return find_weights(place.folder, adapter=kind, allow_pickle=pickles, entry=entry or None)
    except ModelLoadError:
        if place.hub is None or not policy.describe_only:
            raise
    return describe_weights(place.hub, entry or usual, offline=policy.offline)


def _heads(
    folder: Path,
    config: Mapping[str, Any],
    adapter: Mapping[str, Any] | None,
    brought: WeightFiles | None,
    policy: LoadPolicy,
) -> tuple[str, ...]:
    """Names of a reward model's outputs, none where it is none."""
    # Of weights that are only described nothing may be known; what is loaded must bring its head for certain.
    unknown = brought is None or (policy.describe_only and not brought.shapes)
    shapes = None if unknown or brought is None else brought.shapes
    if not is_reward_model(config, adapter, shapes):
        return ()
    check_reads_tokens(config, folder)
    return output_names(config, folder, shapes)


def fingerprint(files: CheckpointFiles, digest: Callable[[Path], str] = hash_file) -> str:
    """SHA-256 over the names and contents of everything that decides a score.

    Weights, config, code, adapter and tokenizer count, and which of its outputs is a model's reward; folder names,
    model cards and whether a file is a link into the hub's cache do not.

    Args:
        digest: SHA-256 of a file's contents in hex, such as `WeightHashes.digest`, which remembers it.

    Raises:
        StorageError: a file can't be read.
    """
    model = (files.base / "config.json", *files.weights.files, *files.base.glob("*.py"))
    parts = [("model", path, files.base) for path in model]
    if files.adapter is not None and files.adapter_weights is not None:
        adapter = (files.adapter / "adapter_config.json", *files.adapter_weights.files)
        parts += [("adapter", path, files.adapter) for path in adapter]
    parts += [("tokenizer", path, files.tokenizer) for path in tokenizer_files(files.tokenizer)]
    lines = sorted(f"{role} {path.relative_to(folder)} {digest(path)}" for role, path, folder in parts)
    if files.head is not None:
        lines.append(f"reward {files.output} of {len(files.heads)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _places(spec: Spec, policy: LoadPolicy, progress: Progress | None) -> tuple[_Place | None, _Place]:
    place = _place(spec.model, policy, progress)
    if spec.adapter is not None:
        adapter = _place(spec.adapter, policy, progress)
        if not adapter.is_adapter:
            raise ModelLoadError(
                "what stands after the '+' is no adapter, it has no adapter_config.json",
                where=str(adapter.folder),
                fix="Write the base first and the adapter second: name=BASE+ADAPTER",
            )
        base = place
    elif place.is_adapter:
        adapter, base = place, _base_of(place, policy, progress)
    else:
        return None, place
    if base.is_adapter:
        raise ModelLoadError(
            "the base is itself an adapter, and one adapter on another is not supported",
            where=str(base.folder),
            fix="Merge it into its own base first (peft: merge_and_unload, then save_pretrained).",
        )
    return adapter, base


def _place(source: Source, policy: LoadPolicy, progress: Progress | None) -> _Place:
    place = _local(source) or _downloaded(source, policy, progress)
    if place.is_adapter and has_weights(place.folder):
        raise ModelLoadError(
            "the folder holds both a whole model and an adapter; which one is meant can't be told",
            where=str(place.folder),
            fix="Move adapter_config.json and the adapter's weights into a folder of their own.",
        )
    return place


def _local(source: Source) -> _Place | None:
    path = source.path
    if path is None and source.looks_like_path:
        raise ModelLoadError(
            "there is no such folder", where=str(source), fix="Check the path; ~ and relative paths work."
        )
    if path is not None and not path.is_dir():
        raise ModelLoadError(
            "this is a file, and a checkpoint is a folder",
            where=str(source),
            fix="Give the folder that save_pretrained wrote. Single files (GGUF too) are not read.",
        )
    return _Place(path.resolve()) if path is not None else None


def _downloaded(source: Source, policy: LoadPolicy, progress: Progress | None) -> _Place:
    found = fetch(
        source.location,
        source.revision,
        offline=policy.offline,
        allow_pickle=policy.allow_pickle,
        trust_remote_code=policy.trust_remote_code,
        weights=not policy.describe_only,
        progress=progress,
    )
    return _Place(found.folder, found)


def _base_of(adapter: _Place, policy: LoadPolicy, progress: Progress | None) -> _Place:
    """The base an adapter's own config names."""
    config = read_json(adapter.folder / "adapter_config.json")
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ModelLoadError(
            "the adapter's config doesn't say which base it belongs to",
            where=str(adapter.folder / "adapter_config.json"),
            fix=_NAME_BASE,
        )
    for candidate in (Source(str(adapter.folder.parent / name)), Source(name)):
        if candidate.path is not None:
            return _place(candidate, policy, progress)
    revision = config.get("revision")
    try:
        return _place(Source(name, revision if isinstance(revision, str) else None), policy, progress)
    except ModelLoadError as error:
        raise ModelLoadError(
            f"the adapter's base {name!r} could not be found: {error.what}",
            where=str(adapter.folder / "adapter_config.json"),
            fix=f"{_NAME_BASE}\n{error.fix}",
        ) from error
