"""The least a computer must do for a workload, counted without any engine.

    2 x body parameters x unique tokens + 2 x head parameters x predicting prefixes

floating-point operations: a multiplication and an addition for each weight. A token goes through the layers once
for every distinct prefix it ends, unless that prefix leads to no scored token; the head is asked once for every
distinct prefix that a scored token follows. Attention between tokens is left out, so no engine reaches the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedModel

from auditor.adapters.hf.sequences import Sequences


@dataclass(frozen=True, slots=True)
class Work:
    """What must be done at least.

    Attributes:
        tokens: of all sequences as they are.
        unique: distinct prefixes that lead to a scored token.
        predicting: distinct prefixes that a scored token follows.
    """

    tokens: int
    unique: int
    predicting: int

    def operations(self, body: int, head: int) -> float:
        """Floating-point operations on a model of so many parameters."""
        return 2.0 * body * self.unique + 2.0 * head * self.predicting


def work_of(sequences: Sequences) -> Work:
    """Count prefixes: each is known by the prefix before it and its last token."""
    known: dict[tuple[int, int], int] = {}
    predicting: set[int] = set()
    for at, start in enumerate(sequences.starts.tolist()):
        prefix = 0
        # The last token is predicted and never read.
        for position, token in enumerate(sequences[at].tolist()[:-1]):
            prefix = known.setdefault((prefix, token), len(known) + 1)
            if position + 1 >= start:
                predicting.add(prefix)
    return Work(len(sequences.ids), len(known), len(predicting))


def parameters(model: PreTrainedModel) -> tuple[int, int]:
    """Parameters of the body, embeddings left out, and of the head."""
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    apart = {id(one): one.numel() for one in (embeddings, head)}
    return sum(one.numel() for one in model.parameters()) - sum(apart.values()), head.numel()
