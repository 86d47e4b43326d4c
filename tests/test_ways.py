"""What an attribution costs, in one line."""

from __future__ import annotations

import pytest
from test_questions import _ask, _table

from auditor.adapters.attribution.ways import Cost, cost_line


def test_costs_add_up_and_what_is_not_known_stays_unknown() -> None:
    assert Cost(2, 1.5) + Cost(3, 2.0) == Cost(5, 3.5)
    assert Cost(2, 1.5) + Cost(3, None) == Cost(5, None)
    assert sum([Cost(1, None), Cost()], Cost()) == Cost(1, None)
    # What holds a bound from below is one.
    assert Cost(2, 1.5) + Cost(3, 2.0, least=True) == Cost(5, 3.5, least=True)


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (Cost(), "no pass through a model"),
        (Cost(1200, None), "1,200 passes through a model, for how long is not known"),
        (Cost(7, 0.2), "7 passes through a model, about a second (an estimate)"),
        (Cost(7, 119.0), "7 passes through a model, about 119 seconds (an estimate)"),
        (Cost(7, 180.0, least=True), "7 passes through a model, at least 3 minutes (an estimate)"),
    ],
)
def test_one_line_says_items_methods_passes_and_time(cost: Cost, said: str) -> None:
    (asked,) = _ask(_table(), "dpo", clusters=4)
    assert len(asked.chosen.all) == 12
    assert cost_line([asked, asked], ["tokens", "path"], cost) == f"attribute 24 items by tokens, path: {said}"
