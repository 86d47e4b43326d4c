"""Sums and means of token log-probabilities."""

import pytest
from fake_scores import pair, scored


def test_total_and_mean_of_a_text() -> None:
    harmful = scored(pair("1"), [[-1.0, -2.5, -0.5], [-1.0]]).candidates[0]
    assert harmful.total == pytest.approx(-4.0)
    assert harmful.text_mean == pytest.approx(-4.0 / 3)


def test_sums_are_taken_in_float64() -> None:
    # In float32, 1e8 + 1 is 1e8: the small token would vanish.
    harmful = scored(pair("1"), [[-1e8, -1.0], [-1.0]]).candidates[0]
    assert harmful.total == -100000001.0
