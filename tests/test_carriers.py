"""Twin of auditor.adapters.report.attribution.carriers."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.adapters.report.attribution.attribution_splits import Split, Splits
from auditor.adapters.report.attribution.carriers import MAX_SAID, ROLE_WORDS, Carrier, carriers_of
from auditor.adapters.run.results_schema import AttributionRow
from auditor.core.attributions import BASELINE_UNIT
from auditor.core.words import WORD_ROLES

ROW: dict[str, Any] = {
    "probe": "p",
    "axis": "",
    "theme": None,
    "render": "plain",
    "role": "marked",
    "checkpoint": "dpo",
    "reference": "sft",
    "method": "tokens",
    "level": "role",
    "number": 0,
    "contrast": "excess",
    "low": 0.0,
    "high": 1.0,
    "p": 0.01,
    "items": 8,
    "clusters": 4,
    "total": 1.0,
    "completeness_error": 0.0,
}


def row(unit: str, estimate: float, p: float | None = 0.01) -> AttributionRow:
    return AttributionRow(**ROW, identity="x", unit=unit, estimate=estimate, p_adjusted=p)


def split(identity: str, verdict: str, parts: dict[str, float], shared: dict[str, float]) -> Split:
    return Split(
        identity,
        "",
        verdict,
        {name: row(name, value) for name, value in parts.items()},
        {name: row(name, value) for name, value in shared.items()},
    )


def splits(*marked: Split, level: Any = "role", controls: tuple[Split, ...] = ()) -> Splits:
    units = tuple(dict.fromkeys(unit for one in marked for unit in one.parts))
    return Splits("tokens", level, "dpo", "sft", True, units, marked, controls)


def carrier(excess: float, shared: float | None) -> Carrier:
    own = split("one", "harm", {"predicate": excess, "frame": 0.01}, {} if shared is None else {"predicate": shared})
    (found,) = carriers_of(splits(own))
    return found


@pytest.mark.parametrize(
    ("excess", "shared", "specific", "against"),
    [(1.0, 0.2, True, False), (0.3, 0.9, False, False), (1.0, -0.4, True, True), (0.5, None, True, False)],
)
def test_shared_or_the_identitys_own(excess: float, shared: float | None, specific: bool, against: bool) -> None:
    found = carrier(excess, shared)
    assert (found.specific, found.against, found.shared) == (specific, against, shared)


def test_the_part_farthest_from_0_carries_most_whichever_its_side() -> None:
    own = split("one", "harm", {"predicate": 0.4, "frame": -1.2}, {})
    controls = tuple(split(name, "", {"frame": value}, {}) for name, value in (("a", -0.1), ("b", 0.3)))
    (found,) = carriers_of(splits(own, controls=controls))
    assert (found.words, found.part.estimate, found.controls) == (ROLE_WORDS["frame"], -1.2, (-0.1, 0.3))
    assert found.telling


def test_only_identities_that_show_harm_are_spoken_of_and_not_too_many() -> None:
    made = [split(f"group {at}", "harm" if at else "inconclusive", {"predicate": 1.0}, {}) for at in range(9)]
    assert [one.identity for one in carriers_of(splits(*made))] == [f"group {at}" for at in range(1, MAX_SAID + 1)]
    assert [one.identity for one in carriers_of(splits(*made), made[:1])] == ["group 0"]


def test_parts_of_the_model_keep_their_names() -> None:
    (found,) = carriers_of(splits(split("one", "harm", {"layer 1 mlp": 1.0}, {}), level="module"))
    assert found.words == "layer 1 MLP"


def test_every_role_has_words() -> None:
    assert set(ROLE_WORDS) == {*WORD_ROLES, BASELINE_UNIT}
