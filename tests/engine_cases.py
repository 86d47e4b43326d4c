"""Models and sequences for the engine's tests, each model's own plain forward, and a model that does arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from model_factory import ARCHITECTURES, VOCAB_SIZE, new_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from auditor.adapters.hf.sequences import Logprobs, Scored, Sequences
from auditor.core.scores import FloatArray

_SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_ALL_HEADS = {key: value for key, value in _SMALL.items() if key != "intermediate_size"}
# Mistral, OLMo 3, Gemma 2 and Gemma 3 have a window of 8 tokens here; half of the sequences are longer.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ARCHITECTURES},
    "olmo": ("olmo", _SMALL),
    "olmo3": ("olmo3", {**_SMALL, "num_hidden_layers": 4, "sliding_window": 8, "max_position_embeddings": 256}),
    "gemma": ("gemma", {**_SMALL, "head_dim": 8, "num_key_value_heads": 1}),
    "phi3": ("phi3", {**_SMALL, "pad_token_id": 2, "eos_token_id": 1, "bos_token_id": 0}),
    "opt": ("opt", {**_ALL_HEADS, "ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 256}),
    "falcon": ("falcon", _ALL_HEADS),
    "mistral_no_window": ("mistral", {"sliding_window": None}),
    "llama_tied": ("llama", {"tie_word_embeddings": True}),
    "llama_eager": ("llama", {"attn_implementation": "eager"}),
    "gemma2_eager": ("gemma2", {"attn_implementation": "eager"}),
    "granite": ("granite", {**_SMALL, "logits_scaling": 4.0}),
}
# They cannot take many texts in one row.
UNPACKABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "mpt": ("mpt", {"d_model": 32, "n_layers": 2, "n_heads": 4, "expansion_ratio": 2, "max_seq_len": 256}),
    "falcon_alibi": ("falcon", {**_ALL_HEADS, "alibi": True}),
    "mamba": ("mamba", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
}


def build(variant: str, **overrides: Any) -> PreTrainedModel:
    """A new model of one variant."""
    architecture, settings = (VARIANTS | UNPACKABLE)[variant]
    return make(architecture, {**settings, **overrides})


def make(architecture: str, settings: dict[str, Any]) -> PreTrainedModel:
    """A new model, random with a fixed seed."""
    if architecture in ARCHITECTURES:
        return new_model(architecture, seed=11, **settings)
    given = {"pad_token_id": 2, "initializer_range": 0.2, **settings}
    config = AutoConfig.for_model(architecture, vocab_size=VOCAB_SIZE, **given)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return AutoModelForCausalLM.from_config(config).eval()


@cache
def model_of(variant: str) -> PreTrainedModel:
    """One model of each variant a test run."""
    return build(variant)


def plain_forward(model: PreTrainedModel, ids: Sequence[int], start: int) -> FloatArray:
    """One sequence, no padding, no mask, no positions, all logits; softmax in float64."""
    tokens = torch.tensor(ids, dtype=torch.long)
    with torch.no_grad():
        logits = model(input_ids=tokens[None]).logits[0]
    logprobs = torch.log_softmax(logits.double(), dim=-1)
    return np.array([logprobs[at - 1, tokens[at]].item() for at in range(start, len(tokens))])


def plain_forwards(model: PreTrainedModel, sequences: Sequences) -> tuple[FloatArray, ...]:
    """The same of each sequence."""
    return tuple(
        plain_forward(model, sequences[at].tolist(), int(sequences.starts[at])) for at in range(len(sequences))
    )


def collect(found: Iterable[Scored], n: int) -> list[Logprobs]:
    """Every sequence's log-probabilities in order; each was found exactly once."""
    results: dict[int, Logprobs] = {}
    for scored in found:
        for position, logprobs in zip(scored.positions, scored.logprobs, strict=True):
            assert position not in results
            results[position] = logprobs
    return [results[at] for at in range(n)]


def assert_close(found: Sequence[Logprobs], expected: Sequence[FloatArray]) -> None:
    """5e-5 x max(1, |logp|) a token, 1e-4 x max(1, |sum| / 100) a sum."""
    assert [len(one) for one in found] == [len(one) for one in expected]
    for mine, own in zip(found, expected, strict=True):
        assert mine.dtype == np.float32
        assert (np.abs(mine - own) <= 5e-5 * np.maximum(1, np.abs(own))).all()
        assert abs(mine.sum(dtype=np.float64) - own.sum()) <= 1e-4 * max(1, abs(own.sum()) / 100)


LENGTHS = (2, 3, 40, 7, 12, 5, 61, 9, 33, 120, 4)


@cache
def unlike() -> Sequences:
    """Random ids; the first scored token is the second, the last, or one in the middle."""
    generator = np.random.default_rng(3)
    starts = [1 + at % (length - 1) if at % 3 else length - 1 for at, length in enumerate(LENGTHS)]
    return Sequences.of(
        [(generator.integers(3, VOCAB_SIZE, length), start) for length, start in zip(LENGTHS, starts, strict=True)]
    )


@cache
def alike() -> Sequences:
    """Items whose candidates, and often whose contexts, begin alike; one candidate begins another, one stands twice."""
    generator = np.random.default_rng(5)
    rows: list[tuple[list[int], int]] = []
    items: list[int] = []
    for length in (1, 4, 30):
        context = generator.integers(3, VOCAB_SIZE, length).tolist()
        for _ in range(4):
            before = context + generator.integers(3, 8, generator.integers(0, 5)).tolist()
            first = generator.integers(3, 8, 3).tolist()
            for candidate in (first, [*first, 5, 6], generator.integers(3, 8, 1).tolist()):
                rows.append((before + candidate, len(before)))
                items.append(len(items) // 3)
    # The same sequence again, scored from its second token on.
    return Sequences.of([*rows, (rows[0][0], 1)], [*items, items[-1] + 1])


class FakeModel:
    """Predicts id + 1 with a fixed logit, whatever the row or mask; can run out of memory."""

    def __init__(self, largest: int = 10**6, value: float = 2.0) -> None:
        text = SimpleNamespace(vocab_size=8, hidden_size=4)
        self.config = SimpleNamespace(get_text_config=lambda: text, name_or_path="fake", model_type="fake")
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.sizes: list[int] = []
        self.largest, self.value = largest, value

    def __call__(self, **arguments: Any) -> SimpleNamespace:
        return self.forward(**arguments)

    def named_modules(self) -> list[Any]:
        """It has no parts."""
        return []

    def size(self, input_ids: torch.Tensor) -> int:
        """What memory is measured in: sequences of a batch."""
        return len(input_ids)

    def run_out(self) -> None:
        """What memory that is too small does."""
        raise torch.OutOfMemoryError("CUDA out of memory")

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, use_cache: bool) -> SimpleNamespace:
        assert attention_mask.shape[-1] == input_ids.shape[1]
        assert not use_cache
        self.sizes.append(self.size(input_ids))
        if self.sizes[-1] > self.largest:
            self.run_out()
        following = torch.nn.functional.one_hot((input_ids + 1) % 8, 8)
        return SimpleNamespace(logits=following.float() * self.value)


class FakeSpread(FakeModel):
    """A model spread over cards: positions given as a tensor would lie on the wrong one."""

    def forward(self, logits_to_keep: int, **arguments: Any) -> SimpleNamespace:  # type: ignore[override]
        assert isinstance(logits_to_keep, int)
        return SimpleNamespace(logits=super().forward(**arguments).logits[:, -logits_to_keep:])


# log(e^2 / (e^2 + 7)) for a token that follows its predecessor, log(1 / (e^2 + 7)) for any other.
HIT, MISS = 2 - np.log(np.exp(2) + 7), -np.log(np.exp(2) + 7)
COUNTING = [([1, 2, 3, 3], 1), ([5, 6], 1), ([7, 0, 4], 2)]
COUNTED = [[HIT, HIT, MISS], [HIT], [MISS]]
