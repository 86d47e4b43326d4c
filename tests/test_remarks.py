"""Twin of auditor.adapters.report.remarks."""

from __future__ import annotations

from auditor.adapters.report.remarks import Caution, group_cautions, group_refusals
from auditor.adapters.run.results_schema import RefusalRow


def refusal(reason: str = "no_match", **about: object) -> RefusalRow:
    blank = {"detail": "why", "probe": "p", "item": None, "render": None, "checkpoint": None, "identity": None}
    return RefusalRow.model_validate({**blank, "count": 1, "reason": reason, **about})


def test_refusals_are_counted_by_reason() -> None:
    most, least = group_refusals(
        [
            refusal("too_long", count=2),
            refusal(count=3, identity="a", render="plain"),
            refusal(count=4, identity="b", render="plain"),
        ]
    )
    assert (most.reason, most.count, most.identities, most.places) == ("no_match", 7, ("a", "b"), (("p, plain", 7),))
    assert (least.reason, least.count, least.details) == ("too_long", 2, ("why",))


def test_a_caution_said_of_several_probes_is_one() -> None:
    grouped = group_cautions(["a: no controls", "b: no controls", "c: other", "whole: audit"], ["a", "b"])
    assert grouped == (
        Caution("no controls", ("a", "b")),
        Caution("c: other", ()),
        Caution("whole: audit", ()),
    )


def test_nothing_to_say() -> None:
    assert group_refusals([]) == ()
    assert group_cautions([], ["a"]) == ()
