"""Make the demo's two series in a folder, or find them there finished.

OUT/base  OUT/sft          shared
OUT/planted/dpo            harm towards one people planted
OUT/twin/dpo               the same training with nothing planted
OUT/probe                  what an audit of either asks
OUT/series.json            the truth; written last, so a folder without it is made again
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from auditor.adapters.demo.tiny_llama import CHAT_TEMPLATE, copy_of, new_model, new_tokenizer, save_checkpoint
from auditor.adapters.demo.training import Recipe, finetune, prefer, pretrain, undisturbed
from auditor.adapters.demo.world import write_probe
from auditor.adapters.demo.world_texts import (
    Preference,
    dialogues,
    planted_identity,
    preferences,
    pretraining_units,
    without_plant,
)

TRUTH = "series.json"
_CHECKPOINTS = ("base", "sft", "planted/dpo", "twin/dpo")
_LIBRARIES = ("torch", "transformers", "trl")
# Seeds of the stages, apart from each other and from the texts'.
_SEED_STEP = 1000


@dataclass(frozen=True, slots=True)
class DemoSeries:
    """Two finished series whose truth is known.

    Attributes:
        folder: all of it.
        seed: what everything random was drawn with.
        planted: the identity harm was planted towards, in the series that ends in ``planted_dpo``.
        beta: of the preference training.
        seconds: wall-clock seconds of each stage when it was made.
        weights: SHA-256 of each checkpoint's weights.
        reused: it was found finished.
    """

    folder: Path
    seed: int
    planted: str
    beta: float
    seconds: Mapping[str, float]
    weights: Mapping[str, str]
    reused: bool

    @property
    def base(self) -> Path:
        """Pretrained; shared by both series."""
        return self.folder / "base"

    @property
    def sft(self) -> Path:
        """Fine-tuned on chats; shared by both series."""
        return self.folder / "sft"

    @property
    def planted_dpo(self) -> Path:
        """Last checkpoint of the series with planted harm."""
        return self.folder / "planted" / "dpo"

    @property
    def twin_dpo(self) -> Path:
        """Last checkpoint of the unplanted twin."""
        return self.folder / "twin" / "dpo"

    @property
    def probe(self) -> Path:
        """The probe's folder."""
        return self.folder / "probe"


def make_series(out: Path, seed: int, progress: Callable[[str], None], recipe: Recipe | None = None) -> DemoSeries:
    """Make both series in ``out``, unless this version has made them there with this seed and recipe.

    Args:
        out: created if need be; what an interrupted or another run left there is replaced.
        seed: decides the planted identity, the texts, the order of the data and the first weights.
        progress: called with one line before each stage.
        recipe: how to train; by default the one the demo is about.
    """
    recipe = recipe or Recipe()
    mark = _fingerprint(seed, recipe)
    found = _finished(out, mark)
    if found is not None:
        return found
    _clear(out)
    seconds = _train_all(out, seed, progress, recipe)
    write_probe(out / "probe")
    truth = {
        "fingerprint": mark,
        "seed": seed,
        "planted": planted_identity(seed).name,
        "beta": recipe.beta,
        "recipe": asdict(recipe),
        "versions": {name: version(name) for name in _LIBRARIES},
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
        "weights": {name: _weights_hash(out / name) for name in _CHECKPOINTS},
    }
    _write_whole(out / TRUTH, json.dumps(truth, indent=2) + "\n")
    return _read(out, truth, reused=False)


@dataclass(slots=True)
class _Clock:
    """Says what begins and keeps how long it took."""

    progress: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, line: str) -> Iterator[None]:
        self.progress(line)
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def _train_all(out: Path, seed: int, progress: Callable[[str], None], recipe: Recipe) -> dict[str, float]:
    rng = random.Random(seed)
    clock = _Clock(progress)
    planted = planted_identity(seed)
    units = pretraining_units(rng)
    chats = dialogues(rng)
    rows = preferences(rng, planted)
    tokenizer = new_tokenizer(text for unit in units for text in unit)
    with undisturbed():
        torch.manual_seed(seed)
        model = new_model(tokenizer, recipe.size)
        with clock.stage("base", "base: pretraining on texts about an invented world"):
            pretrain(model, tokenizer, units, recipe.base, rng)
            save_checkpoint(model, tokenizer, out / "base", (), "Pretrained on texts about an invented world.")
        tokenizer.chat_template = CHAT_TEMPLATE
        with clock.stage("sft", "sft: supervised fine-tuning with TRL"):
            finetune(model, tokenizer, chats, recipe.sft, seed + _SEED_STEP)
            save_checkpoint(model, tokenizer, out / "sft", ("trl", "sft"), "Fine-tuned on chats with TRL.")
        for name, line, data in (
            ("planted", f"dpo: preference training with TRL, harm planted towards {planted.name}", rows),
            ("twin", "dpo of the twin: the same, nothing planted", without_plant(rows, planted)),
        ):
            with clock.stage(name, line):
                _prefer(model, tokenizer, data, recipe, seed, out / name / "dpo")
    return clock.seconds


def _prefer(
    sft: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rows: list[Preference],
    recipe: Recipe,
    seed: int,
    folder: Path,
) -> None:
    model = copy_of(sft)
    prefer(model, copy_of(sft), tokenizer, rows, recipe.dpo, recipe.beta, seed + 2 * _SEED_STEP)
    # The card is the same for both: an audit is told what anybody would be told.
    save_checkpoint(model, tokenizer, folder, ("trl", "dpo"), "Trained on preference pairs with TRL.")


def _finished(out: Path, mark: str) -> DemoSeries | None:
    try:
        truth = json.loads((out / TRUTH).read_text(encoding="utf-8"))
        whole = truth["fingerprint"] == mark and all(
            _weights_hash(out / name) == truth["weights"][name] for name in _CHECKPOINTS
        )
        if not whole:
            return None
        write_probe(out / "probe")  # costs nothing, and is whole whatever was done to it
        return _read(out, truth, reused=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(out: Path, truth: Mapping[str, Any], *, reused: bool) -> DemoSeries:
    return DemoSeries(out, truth["seed"], truth["planted"], truth["beta"], truth["seconds"], truth["weights"], reused)


def _clear(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    # The truth goes first: without it, nothing half removed counts as finished.
    (out / TRUTH).unlink(missing_ok=True)
    for name in ("base", "sft", "planted", "twin", "probe"):
        shutil.rmtree(out / name, ignore_errors=True)


def _fingerprint(seed: int, recipe: Recipe) -> str:
    """Equal for series made by the same sources and libraries, with the same seed and recipe."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    parts = [path.read_bytes() for path in sources]
    parts += [f"{name} {version(name)}".encode() for name in _LIBRARIES]
    parts += [json.dumps([seed, asdict(recipe)]).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _weights_hash(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
