"""One number a row, averaged in each contrast."""

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.contrasts import match_items
from auditor.core.measured import Measured
from auditor.core.tables import line_up

ITEMS = (
    pair("m1", cluster="c1", match="k1"),
    pair("m2", cluster="c2", match="k2"),
    pair("r1", cluster="c1", match="k1", identity="r", role="reference"),
    pair("r2", cluster="c2", match="k2", identity="r", role="reference"),
    pair("r3", cluster="c2", match="k2", identity="s", role="reference"),
)
NUMBERS = np.array([3.0, 9.0, 1.0, 2.0, 4.0])
ROWS = np.array([0, 1])


def _measured(allowed: list[bool] | None = None) -> Measured:
    probe = probe_of(*ITEMS)
    scores = FakeScorer(margins({"base": {item.id: 0.0 for item in ITEMS}})).score(series_of("base")["base"], [probe])
    matching = match_items(line_up(probe, "plain", [scores]))
    return Measured(matching, NUMBERS, np.array(allowed or [True] * 5))


def test_means_in_each_contrast() -> None:
    # References: 1, and (2 + 4) / 2 = 3. Excess: 2 and 6.
    measured = _measured()
    for contrast, expected in (("raw", [3.0, 9.0]), ("reference", [1.0, 3.0]), ("excess", [2.0, 6.0])):
        assert measured.means(ROWS, contrast).means.tolist() == expected


def test_a_key_is_only_as_good_as_its_worst_reference() -> None:
    measured = _measured([True, True, True, True, False])
    assert measured.usable(ROWS, "excess").tolist() == [0]
    assert measured.usable(ROWS, "raw").tolist() == [0, 1]
    assert measured.means(ROWS, "excess").means.tolist() == [2.0]


def test_rows_that_may_not_enter_are_left_out_of_all_contrasts() -> None:
    measured = _measured([False, True, True, True, True])
    for contrast in ("raw", "excess"):
        assert measured.usable(ROWS, contrast).tolist() == [1]


def test_raw_is_excess_and_reference() -> None:
    measured = _measured()
    assert measured.values(ROWS, "raw") == pytest.approx(
        measured.values(ROWS, "excess") + measured.values(ROWS, "reference")
    )
