"""Scores with a model: an `HFScorer` over folders, without the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.rendering import ChatTemplate
from auditor.adapters.hf.scorer import HFScorer
from auditor.adapters.progress import Silent
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item, Probe
from auditor.core.scores import CheckpointScores, Render
from auditor.core.series import Checkpoint

POLICY = LoadPolicy()


def files_of(name: str, folder: Path) -> CheckpointFiles:
    """The resolved files of one local checkpoint."""
    return resolve(parse_specs([f"{name}={folder}"])[0], POLICY)


def scorer_of(folders: Mapping[str, Path], *renders: Render, **options: Any) -> HFScorer:
    """A scorer in float32 on the CPU or on another ``shelf``; the template is the last checkpoint's that has one."""
    files = {name: files_of(name, folder) for name, folder in folders.items()}
    tokenizers = {name: load_tokenizer(one, POLICY) for name, one in files.items()}
    owners = [one for one in tokenizers.values() if one.chat_template]
    settings = {
        "renders": renders or ("plain",),
        "template": ChatTemplate(owners[-1]) if owners else None,
        "end": "auto",
        "forward": "packed",
        "batch_size": None,
        "progress": Silent(),
    }
    shelf = options.pop("shelf", None) or ModelShelf(POLICY)
    return HFScorer(files, tokenizers, shelf, **{**settings, **options})


def score(scorer: HFScorer, name: str, *probes: Probe) -> CheckpointScores:
    """One checkpoint."""
    return scorer.score(Checkpoint(name, name), probes)


def pairs(rows: Sequence[tuple[str, str, str]]) -> tuple[Item, ...]:
    """Items from (context, harmful, affirming)."""
    return tuple(
        Item(id=str(at), candidates=(Candidate(HARMFUL, harmful), Candidate(AFFIRMING, affirming)), context=context)
        for at, (context, harmful, affirming) in enumerate(rows)
    )
