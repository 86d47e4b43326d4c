"""Integrated gradients of a candidate's log-probability, token by token (Sundararajan, Taly and Yan 2017), by captum.

The path runs in what the embedding layer gives, from the mean embedding to the token's own, so that a model that scales
its embeddings there is met as it is. Tokens that belong to no word stay themselves all along the path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from captum.attr import IntegratedGradients
from transformers import PreTrainedModel

from auditor.adapters.hf.kept_vectors import KeptVectors, vector_scope
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.model_calls import input_device, last_logits, memory_errors
from auditor.adapters.hf.sequences import Logprobs
from auditor.adapters.progress import Progress
from auditor.core.score_columns import Mask
from auditor.core.scores import FloatArray, IntArray
from auditor.errors import ModelLoadError

# Gauss-Legendre nodes of the first try; doubled while the parts miss more than this share of what they add up to.
STEPS = 32
MOST_STEPS = 256
_SHARE = 0.01
_NATS = 0.01  # an error that nobody need care about, however small the difference is
# Tokens, and logits, of one forward pass.
_TOKENS = 4096
_LOGITS = 2**25
# Rows of the embedding matrix that go through its module together.
_ROWS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class GradientText:
    """One sequence.

    Attributes:
        ids: shape (n,).
        start: the first scored token; all from there on are scored.
        moved: which tokens start the path at the mean embedding, shape (n,).
    """

    ids: IntArray
    start: int
    moved: Mask

    @property
    def key(self) -> bytes:
        """32 bytes that stand for all of it."""
        start = self.start.to_bytes(8, "little")
        content = start + self.ids.astype("<i4").tobytes() + self.moved.astype("u1").tobytes()
        return hashlib.blake2b(content, digest_size=32).digest()


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """What the tokens of one sequence add to its log-probability.

    Attributes:
        parts: nats, shape (n,); 0 where a token did not move, and for the last, which nothing follows.
        whole: log-probability of the scored tokens, nats.
        bare: the same with the mean embedding in place of the tokens that move.
        steps: nodes that were taken.
    """

    parts: FloatArray
    whole: float
    bare: float
    steps: int

    @property
    def change(self) -> float:
        """What the parts are to add up to, nats."""
        return self.whole - self.bare

    @property
    def error(self) -> float:
        """What they miss of it, nats."""
        return float(self.parts.sum()) - self.change


# The harmful and the affirming side.
Pair: TypeAlias = tuple[GradientText, GradientText]
PairGradients: TypeAlias = tuple[Gradients, Gradients]


def gradient_scope(fingerprint: str, engine: Mapping[str, str], steps: int = STEPS) -> str:
    """The scope in which a checkpoint's parts are kept: all that decides them besides the sequence.

    Args:
        fingerprint: of the checkpoint; ``engine``: everything else that decides a number, as in the manifest.
        steps: nodes of the first try.
    """
    rule = f"{steps} to {MOST_STEPS} until sides and margin are within {_SHARE} or {_NATS} nats"
    return vector_scope("integrated gradients 2", {"from": "mean embedding", "steps": rule}, [fingerprint], engine)


def input_gradients(
    files: CheckpointFiles,
    shelf: ModelShelf,
    texts: Sequence[GradientText],
    kept: KeptVectors,
    scope: str,
    progress: Progress,
    steps: int = STEPS,
) -> list[Gradients]:
    """Integrated gradients of all sequences at one checkpoint, in their order; what is kept is not made again.

    Args:
        texts: the harmful and the affirming side of each pair, one after the other.
        scope: as `gradient_scope` gives it.
        steps: nodes of the first try.

    Raises:
        ModelLoadError: the checkpoint cannot be loaded, or the gradients of one text do not fit into memory.
        StorageError: parts cannot be kept because the disk is full or fails.
    """
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    keys = [_key(pair) for pair in pairs]
    kept_before = zip(keys, pairs, kept.find(scope, keys), strict=True)
    known = {key: _unpacked(vector, pair) for key, pair, vector in kept_before if vector is not None}
    left = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
    if left:
        with shelf.take(files) as model, progress.task(f"integrated gradients {files.name}", len(left), "pairs"):
            mean = mean_embedding(model)
            for key, pair in left.items():
                vector = _packed(pair_gradients(model, pair, mean, steps))
                kept.keep(scope, [(key, vector)])
                # As it is read when it is kept, so that a second call says the same.
                known[key] = _unpacked(vector, pair)
                progress.advance(1)
    return [side for key in keys for side in known[key]]


def unknown_pairs(texts: Sequence[GradientText], kept: KeptVectors, scope: str) -> int:
    """How many pairs nothing is kept of, and so would go through the model; the arguments are `input_gradients`'."""
    keys = {_key(pair) for pair in zip(texts[::2], texts[1::2], strict=True)}
    return sum(one is None for one in kept.find(scope, list(keys)))


def pair_gradients(model: PreTrainedModel, pair: Pair, mean: torch.Tensor, steps: int = STEPS) -> PairGradients:
    """Parts of both sides of a pair, with as many nodes as it takes or `MOST_STEPS`.

    Each side's parts are to add up to its difference, and those of the margin to the margin's, which is often much
    smaller than either.

    Args:
        mean: where the path begins, shape (width,).
        steps: nodes of the first try.
    """
    while True:
        harmful, affirming = (integrated_gradients(model, side, mean, steps) for side in pair)
        change = harmful.change - affirming.change
        error = harmful.error - affirming.error
        checks = ((harmful.error, harmful.change), (affirming.error, affirming.change), (error, change))
        complete = all(abs(missed) <= max(_SHARE * abs(whole), _NATS) for missed, whole in checks)
        if complete or not np.isfinite(error) or 2 * steps > MOST_STEPS:
            return harmful, affirming
        steps *= 2


def mean_embedding(model: PreTrainedModel) -> torch.Tensor:
    """The mean over the vocabulary of what the embedding layer gives, float32, shape (width,)."""
    layer: Any = model.get_input_embeddings()
    count, device = int(layer.weight.shape[0]), input_device(model)
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for first in range(0, count, _ROWS):
            ids = torch.arange(first, min(count, first + _ROWS), device=device)[None]
            total = total + layer(ids)[0].to("cpu", torch.float64).sum(dim=0)
    return (total / count).float()


def integrated_gradients(model: PreTrainedModel, text: GradientText, mean: torch.Tensor, steps: int) -> Gradients:
    """Parts of one sequence's log-probability with so many nodes.

    Args:
        mean: where the path begins, shape (width,).

    Raises:
        ModelLoadError: the gradients of one text do not fit into memory.
    """
    ids = torch.as_tensor(text.ids[None, :-1], device=input_device(model))
    with torch.no_grad():
        own = model.get_input_embeddings()(ids).float()
    moved = torch.as_tensor(text.moved[:-1], device=own.device)
    begin = torch.where(moved[None, :, None], mean.to(own.device), own)
    forward = _Logprob(model, ids, text)
    parts = np.zeros(len(text.ids))
    try:
        with torch.no_grad(), memory_errors():
            whole, bare = (float(forward(one)) for one in (own, begin))
        if moved.any():
            parts[:-1] = _along(forward, own, begin, steps).sum(dim=-1, dtype=torch.float64).cpu().numpy()[0]
    except torch.OutOfMemoryError as error:
        raise ModelLoadError(
            f"a text of {len(text.ids)} tokens and its gradients do not fit beside the model into the memory of "
            f"{model.device}",
            fix="Use --dtype bfloat16, a larger card, or --device cpu.",
        ) from error
    return Gradients(parts, whole, bare, steps)


def _along(forward: _Logprob, own: torch.Tensor, begin: torch.Tensor, steps: int) -> torch.Tensor:
    """captum's parts of every component of the embeddings, shape (1, n - 1, width)."""
    method: Any = IntegratedGradients(forward)
    batch = min(steps, forward.batch)
    while True:
        try:
            with memory_errors():
                found: torch.Tensor = method.attribute(
                    own, begin, method="gausslegendre", n_steps=steps, internal_batch_size=batch
                )
                return found
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
            batch //= 2


class _Logprob:
    """Log-probability of the scored tokens as a function of what the embedding layer gives.

    Attributes:
        batch: sequences that go through the model at a time.
    """

    def __init__(self, model: PreTrainedModel, ids: torch.Tensor, text: GradientText) -> None:
        self._model = model
        self._ids = ids
        self._kept = len(text.ids) - text.start
        self._targets = torch.as_tensor(text.ids[text.start :])
        vocabulary = int(model.config.get_text_config().vocab_size)
        self.batch = max(1, min(_TOKENS // ids.shape[1], _LOGITS // (self._kept * vocabulary)))

    def __call__(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Sums in nats, shape (batch,), from embeddings of shape (batch, n - 1, width)."""
        ids = self._ids.expand(len(embeddings), -1)
        positions = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)
        with _embeddings(self._model, embeddings):
            logits = last_logits(self._model, ids, positions, torch.ones_like(ids), self._kept)
        logprobs = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
        targets = self._targets.to(logits.device).expand(len(embeddings), -1)[..., None]
        return logprobs.gather(-1, targets)[..., 0].sum(dim=-1, dtype=torch.float64)


@contextmanager
def _embeddings(model: PreTrainedModel, embeddings: torch.Tensor) -> Iterator[None]:
    """Put these in place of what the embedding layer gives, in its own number format."""

    def instead(_: torch.nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        return embeddings.to(output)

    handle = model.get_input_embeddings().register_forward_hook(instead)
    try:
        yield
    finally:
        handle.remove()


def _key(pair: Pair) -> bytes:
    return hashlib.blake2b(pair[0].key + pair[1].key, digest_size=32).digest()


def _packed(found: PairGradients) -> Logprobs:
    return np.array([value for one in found for value in (*one.parts, one.whole, one.bare, one.steps)], np.float32)


def _unpacked(vector: Logprobs, pair: Pair) -> PairGradients:
    harmful, affirming = np.split(vector, [len(pair[0].ids) + 3])
    return _side(harmful), _side(affirming)


def _side(vector: Logprobs) -> Gradients:
    whole, bare, steps = vector[-3:].tolist()
    return Gradients(vector[:-3].astype(np.float64), whole, bare, int(steps))
