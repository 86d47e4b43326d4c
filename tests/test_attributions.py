"""Parts that add up, and the difference of two checkpoints' parts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from auditor.core.attributions import Attribution, Unit, by_role, minus

UNITS = (Unit(0, "are"), Unit(1, "cruel"))


def _attribution(checkpoint: str, values: list[float], total: float) -> Attribution:
    return Attribution("p", "1", "plain", checkpoint, None, "tokens", "token", UNITS, np.array(values), total)


def test_the_error_is_what_the_parts_miss_of_the_total() -> None:
    assert _attribution("dpo", [1.0, 0.5], 1.25).completeness_error == 0.25


def test_a_shift_is_the_difference_of_two_margins_unit_by_unit() -> None:
    policy, reference = _attribution("dpo", [1.0, 0.5], 1.5), _attribution("sft", [0.25, -1.0], -0.75)
    shift = minus(policy, reference)
    assert (shift.checkpoint, shift.reference) == ("dpo", "sft")
    assert shift.values.tolist() == [0.75, 1.5]
    assert shift.total == 2.25


def test_errors_of_drawing_add_up_in_squares() -> None:
    policy, reference = (
        replace(_attribution("dpo", [1.0, 0.5], 1.5), noise=np.array([one, 0.0])) for one in (3.0, 4.0)
    )
    noise = minus(policy, reference).noise
    assert noise is not None
    assert math.isclose(noise[0], 5.0)


def test_other_units_are_not_subtracted() -> None:
    other = replace(_attribution("sft", [0.0, 0.0], 0.0), units=(Unit(0, "are"), Unit(1, "kind")))
    with pytest.raises(ValueError, match="same units"):
        minus(_attribution("dpo", [1.0, 0.5], 1.5), other)


def test_tokens_are_summed_by_their_roles_and_what_has_none_keeps_its_name() -> None:
    units = (Unit(0, ".", role="punctuation"), Unit(1, "cruel", role="predicate"), Unit(2, "and", role="predicate"))
    own = replace(_attribution("dpo", [1.0, 0.5], 8.0), units=(*units, Unit(-1, "(baseline)")))
    summed = by_role(replace(own, values=np.array([1.0, 2.0, 3.0, 4.0])))
    assert [(unit.number, unit.name) for unit in summed.units] == [
        (0, "predicate"),
        (1, "punctuation"),
        (2, "(baseline)"),
    ]
    assert summed.values.tolist() == [5.0, 1.0, 4.0]
    assert (summed.level, summed.total) == ("role", 8.0)
