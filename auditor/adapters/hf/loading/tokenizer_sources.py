"""The files of a checkpoint of which only the tokenizer is needed: its weights may be in any format, or elsewhere."""

from __future__ import annotations

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.hub import Progress
from auditor.adapters.hf.loading.model_configs import context_window, read_tags
from auditor.adapters.hf.loading.specs import Spec
from auditor.adapters.hf.loading.weight_files import WeightFiles, has_tokenizer, has_weights, read_json
from auditor.errors import ModelLoadError


def resolve_tokenizer(spec: Spec, policy: LoadPolicy, progress: Progress | None = None) -> CheckpointFiles:
    """Find the files of a checkpoint; a folder that holds a tokenizer and no weights we know will do.

    Args:
        policy: one that only describes, so that nothing is downloaded or loaded but the tokenizer.

    Raises:
        ModelLoadError: there is no such folder or repository, or no tokenizer in it.
        StorageError: the disk is full.
    """
    folder = spec.model.path
    whole = folder is None or not folder.is_dir() or has_weights(folder)
    if folder is None or whole or spec.adapter is not None or (folder / "adapter_config.json").is_file():
        return resolve(spec, policy, progress)
    if not has_tokenizer(folder):
        raise ModelLoadError(
            "holds no tokenizer",
            where=spec.text,
            fix="Give a folder with tokenizer_config.json and tokenizer.json, or the vocabulary of a slow tokenizer.",
        )
    folder = folder.resolve()
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    return CheckpointFiles(
        name=spec.name,
        source=spec.text,
        base=folder,
        adapter=None,
        base_commit=None,
        adapter_commit=None,
        weights=WeightFiles((), 0),
        adapter_weights=None,
        model_type=str(config.get("model_type", "")),
        context_window=context_window(config),
        dtype=None,
        quantization=None,
        tags=read_tags(folder / "README.md"),
    )
