"""The one edit that would have done most: which single word, taken out or replaced, leaves a margin nearest to 0."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.core.attributions import Attribution, Unit


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """One edit of one item.

    Attributes:
        unit: what is edited; its ``replacement`` says what stands there then, "" for nothing.
        before: the margin, shift or excess as it is, nats; ``after``: with the edit.
    """

    unit: Unit
    before: float
    after: float


def counterfactual_of(ablation: Attribution, reference_mean: float | None = None) -> Counterfactual | None:
    """The single edit after which the margin or excess is nearest to 0; the first of several.

    Args:
        ablation: by feature ablation, whose parts are what goes with each unit alone.
        reference_mean: of the reference rows' margins or shifts, nats, for an excess; None for none. An item whose
            identity is replaced is its reference row, so its excess is 0 by definition: for an excess the identity
            is not among the edits.

    Returns:
        None where there is nothing to edit.

    Raises:
        ValueError: the parts are by another method.
    """
    if ablation.method != "ablation":
        raise ValueError("only ablation says what a margin is without a word")
    before = ablation.total - (reference_mean or 0.0)
    edits = [
        Counterfactual(unit, before, before - float(value))
        for unit, value in zip(ablation.units, ablation.values, strict=True)
        if unit.replacement is not None and not (reference_mean is not None and unit.role == "identity")
    ]
    return min(edits, key=lambda one: abs(one.after), default=None)
