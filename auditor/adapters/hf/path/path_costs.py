"""What parts along a parameter path would cost, before a weight is read."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.path.path_records import PathRecord
from auditor.adapters.hf.path.weight_differences import is_product
from auditor.adapters.hf.sequences import Sequences

_FLOAT = 4


@dataclass(frozen=True, slots=True)
class PathCost:
    """What is left to do, and what it takes; None where the weight files do not say how many parameters there are.

    Items that turn out to need more nodes come on top.

    Attributes:
        passes: forward and back again, one an item and node; ``kept``: those whose parts are kept already.
        moving: parameters that may move: all, or those of an adapter's products.
        memory: bytes of the model and of what training changed, float32; the second half may lie in files.
        operations: floating-point operations of all passes.
    """

    passes: int
    kept: int
    moving: int | None
    memory: int | None
    operations: float | None

    def seconds(self, rate: float) -> float | None:
        """The least time it may take.

        Args:
            rate: operations a second of a large matrix product, see `auditor.adapters.hf.devices.matmul_rate`; short
                texts reach a small part of it, since every pass reads all weights and writes all their gradients.
        """
        return None if self.operations is None else self.operations / rate


def path_cost(reference: CheckpointFiles, policy: CheckpointFiles, pairs: Sequences, record: PathRecord) -> PathCost:
    """The cost of what a record lacks.

    Args:
        record: of these checkpoints and pairs, see `auditor.adapters.hf.path.parameter_path.path_record`.
    """
    left = ~record.known
    passes, kept = int(left.sum()), int(record.known.sum())
    parameters, moving = policy.n_parameters, policy.n_parameters
    if is_product(reference, policy):
        moving = policy.adapter_weights.n_elements if policy.adapter_weights else None
    if parameters is None or moving is None:
        return PathCost(passes, kept, moving, None, None)
    tokens = sum(int(count) * int(length) for count, length in zip(left.sum(axis=1), _tokens(pairs), strict=True))
    # A product with each weight forward, one back to what went in, and one to the gradient of what moves.
    operations = 2.0 * (2 * parameters + moving) * tokens
    return PathCost(passes, kept, moving, _FLOAT * (parameters + moving), operations)


def _tokens(pairs: Sequences) -> list[int]:
    """Padded tokens of each item's pass."""
    return [2 * int(max(pair)) for pair in pairs.lengths.reshape(-1, 2)]
