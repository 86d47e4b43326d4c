"""The scoring engine: sequences in, log-probabilities or rewards out, each text and prefix computed once.

A model is first asked for the pack that holds the longest sequence, and for two of its sequences by themselves:
an architecture that does not keep to masks and positions is found out before a number of it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from auditor.adapters.hf.bad_layers import first_bad_layer
from auditor.adapters.hf.devices import total_memory
from auditor.adapters.hf.packed import packed_logprobs
from auditor.adapters.hf.padded import padded_logprobs
from auditor.adapters.hf.plans import plan_packs, remaining, row_costs
from auditor.adapters.hf.rewards import packed_rewards, reward_values
from auditor.adapters.hf.sequences import Logprobs, Scored, Sequences
from auditor.adapters.hf.tree_attention import tree_attention
from auditor.core.scores import IntArray
from auditor.errors import ModelLoadError, one_line

Forward = Literal["packed", "padded"]

# How far a pack may be off a plain forward, relative to max(1, |log p|) and in nats: what arithmetic of so many bits
# does to it, far below what a wrong mask does.
_TOLERANCE = {torch.float32: 5e-5, torch.float16: 0.05, torch.bfloat16: 0.3}


class NonFiniteLogitsError(Exception):
    """The model gives NaN or infinity.

    Attributes:
        position: of the sequence where it was seen.
        layer: the first module that gave one, "" where the sequence by itself shows none.
    """

    def __init__(self, position: int, layer: str) -> None:
        super().__init__(position, layer)
        self.position, self.layer = position, layer


@dataclass(slots=True)
class Work:
    """What an engine did, for the manifest.

    Attributes:
        plan: SHA-256 of the sequences and the packs they were planned into; "" where nothing was packed.
        tokens: token ids of all sequences.
        nodes: token ids that go through the model by the plan.
        packs: of the plan.
        split: passes more than planned, because memory ran out or stored scores left packs incomplete.
    """

    plan: str = ""
    tokens: int = 0
    nodes: int = 0
    packs: int = 0
    split: int = 0


def score_sequences(
    model: PreTrainedModel,
    sequences: Sequences,
    *,
    forward: Forward = "packed",
    known: NDArray[np.bool_] | None = None,
    batch_size: int | None = None,
    work: Work | None = None,
    output: int | None = None,
) -> Iterator[Scored]:
    """Score what is not known, pass by pass; sequences that are one text go through the model once.

    Args:
        known: sequences that need no scoring, shape (n,).
        batch_size: sequences of a padded batch; None chooses.
        work: is told what was done.
        output: of a reward model's outputs the one that is its reward.

    Raises:
        ModelLoadError: a sequence does not fit into memory, a token id has no embedding, or a pack's numbers are not
            those of its sequences alone.
        NonFiniteLogitsError: the model gives NaN or infinity.
    """
    _check_ids(model, sequences)
    known = np.zeros(len(sequences), dtype=bool) if known is None else known
    work = work or Work()
    work.tokens = len(sequences.ids)
    firsts, places = sequences.distinct()
    once = sequences.take(firsts) if len(firsts) < len(sequences) else sequences
    asked = np.isin(np.arange(len(firsts)), places[~known])
    if forward == "packed":
        found = _packed(model, once, ~asked, work, output)
    else:
        found = _padded(model, once, np.flatnonzero(asked), batch_size, output)
    alike = np.argsort(places, kind="stable")
    alike = alike[~known[alike]]
    bounds = np.searchsorted(places[alike], np.arange(len(firsts) + 1))
    try:
        for scored in found:
            _check_finite(model, once, scored)
            yield _for_all(scored, alike, bounds)
    except NonFiniteLogitsError as error:
        raise NonFiniteLogitsError(int(firsts[error.position]), error.layer) from None


def _for_all(scored: Scored, alike: IntArray, bounds: IntArray) -> Scored:
    """The same of every sequence that is one of these texts.

    Args:
        alike: positions of sequences, those of one text together; ``bounds``: where each text's begin and end.
    """
    texts = zip(scored.positions, scored.logprobs, strict=True)
    every = [(at, own) for text, own in texts for at in alike[bounds[text] : bounds[text + 1]].tolist()]
    return Scored([at for at, _ in every], [own for _, own in every])


def _packed(
    model: PreTrainedModel, sequences: Sequences, known: NDArray[np.bool_], work: Work, output: int | None
) -> Iterator[Scored]:
    costs = row_costs(model.config.get_text_config(), model.device.type, total_memory(model.device))
    laid_out = sequences if output is None else sequences.read_to_the_end()
    plan = plan_packs(laid_out, costs)
    work.plan, work.nodes, work.packs = plan.digest, plan.nodes, len(plan.packs)
    left = remaining(plan, laid_out, known, costs)
    untouched = sum(not known[pack].any() for pack in plan.packs)
    passes = 0
    with tree_attention(model):
        for number, positions in enumerate(left.packs):
            if output is None:
                found = packed_logprobs(model, sequences, positions)
            else:
                found = packed_rewards(model, sequences, positions, output)
            for scored in found if number else _checked(model, sequences, found, output):
                passes += 1
                work.split = passes - min(untouched, number + 1)
                yield scored
    yield from _padded(model, sequences, left.long, None, output)


def _padded(
    model: PreTrainedModel, sequences: Sequences, positions: IntArray, batch_size: int | None, output: int | None
) -> Iterator[Scored]:
    """Each sequence by itself, under the positions they have among all."""
    own = sequences.take(positions)
    if output is None:
        found = padded_logprobs(model, own, batch_size=batch_size)
    else:
        found = reward_values(model, own, output, batch_size=batch_size)
    for one in found:
        yield Scored(positions[list(one.positions)].tolist(), one.logprobs)


def _check_ids(model: PreTrainedModel, sequences: Sequences) -> None:
    """Unchecked, an id beyond the embedding ends in an index error, on a card in one that never clears."""
    rows = int(model.config.get_text_config().vocab_size)
    largest = int(sequences.ids.max(initial=0))
    if largest >= rows:
        raise ModelLoadError(
            f"the tokenizer gives the token id {largest}, but the model has only {rows} embeddings",
            where=str(model.config.name_or_path),
            fix="Tokenizer and weights belong to different checkpoints, or the embeddings were never resized.",
        )


def _check_finite(model: PreTrainedModel, sequences: Sequences, scored: Scored) -> None:
    for position, logprobs in zip(scored.positions, scored.logprobs, strict=True):
        if np.isnan(logprobs).any():
            raise NonFiniteLogitsError(position, first_bad_layer(model, sequences[position]) or "")


def _checked(
    model: PreTrainedModel, sequences: Sequences, found: Iterator[Scored], output: int | None
) -> Iterator[Scored]:
    """Hold the deepest path of a pack and its last branch against the model's plain forward."""
    for scored in _first_pass(model, found):
        _check_finite(model, sequences, scored)
        lengths = [len(sequences[position]) for position in scored.positions]
        last = max(range(len(lengths)), key=lambda at: sequences.sorting_key(scored.positions[at]))
        for at in dict.fromkeys((int(np.argmax(lengths)), last)):
            (plain,) = _padded(model, sequences, np.array([scored.positions[at]]), None, output)
            off = float(_deviation(scored.logprobs[at], plain.logprobs[0]))
            if not off <= _TOLERANCE.get(model.dtype, _TOLERANCE[torch.bfloat16]):
                what = "log-probability" if output is None else "reward"
                problem = f"off by {off:.2g}, relative to the larger of 1 and the {what}"
                raise _unpackable(
                    model, f"gives other numbers in a row with other texts than for a text alone ({problem})"
                )
        yield scored


def _first_pass(model: PreTrainedModel, found: Iterator[Scored]) -> Iterator[Scored]:
    """A model that does not know such masks may raise anything; memory that runs out is seen to before."""
    try:
        yield from found
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise _unpackable(model, f"does not take many texts in one row ({one_line(error)})") from error


def _unpackable(model: PreTrainedModel, problem: str) -> ModelLoadError:
    return ModelLoadError(
        f"this architecture ({model.config.model_type}) {problem}",
        where=str(model.config.name_or_path),
        fix="Score each text by itself, so many side by side: --batch-size 16.",
    )


def _deviation(found: Logprobs, plain: Logprobs) -> np.float32:
    # A token of probability 0 has no difference from itself.
    same = found == plain
    difference = np.where(same, 0, np.abs(np.where(same, 0, found) - np.where(same, 0, plain)))
    deviation: np.float32 = (difference / np.maximum(1, np.abs(plain))).max()
    return deviation
