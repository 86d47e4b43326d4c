"""Twin of auditor.adapters.run.effect_parts."""

from __future__ import annotations

import pytest

from auditor.adapters.run.effect_parts import PooledRow


@pytest.mark.parametrize("absent", [float("nan"), float("inf"), float("-inf"), None])
def test_a_number_that_is_none_is_null(absent: float | None) -> None:
    row = PooledRow.model_validate({"estimate": absent, "se": 0.5, "between": 0, "identities": 3})
    assert (row.estimate, row.se, row.between) == (None, 0.5, 0)


def test_keys_of_later_versions_are_passed_over() -> None:
    row = {"estimate": 1.0, "se": 0.5, "between": 0.0, "identities": 3, "later": "x"}
    assert PooledRow.model_validate(row).identities == 3
