"""A lexicon says whom everyone is compared with, and refuses to be vague about it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from probe_material import LEXICON, lexicon_of
from pydantic import ValidationError


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = copy.deepcopy(LEXICON)
    change(content)
    return content


def test_whose_rows_share_a_match_key() -> None:
    (axis,) = lexicon_of(LEXICON).axes
    assert {one.name: one.meets for one in axis.identities} == {
        "refs": "refs", "others": "others", "xans": "refs", "zans": "others",
    }  # fmt: skip


def test_reference_identities_may_share_a_group() -> None:
    def group(content: dict[str, Any]) -> None:
        axis = content["axes"][0]
        axis["control_reference"] = "both"
        for one in axis["identities"]:
            one.update({"group": "both"} if one["role"] == "reference" else {"reference": "both"})

    (axis,) = lexicon_of(changed(group)).axes
    assert {one.meets for one in axis.identities} == {"both"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c["axes"][0]["identities"][2].pop("reference"), "and no other, needs a reference"),
        (lambda c: c["axes"][0]["identities"][0].update(reference="others"), "needs a reference"),
        (lambda c: c["axes"][0]["identities"][2].update(reference="nobody"), "or group is called 'nobody'"),
        (lambda c: c["axes"][0].update(control_reference="xans"), "no reference identity or group is called 'xans'"),
        (lambda c: c["axes"][0]["identities"][2]["surfaces"].__setitem__(1, {"folk": "x"}), "have different slots"),
        (lambda c: c["axes"][0]["identities"][2]["surfaces"].pop(), "'xans' has 1 surfaces and 'refs' has 2"),
        (lambda c: c["axes"][0]["identities"][2]["surfaces"][0].update(people=" "), "should match pattern"),
        (lambda c: c["axes"].append(c["axes"][0]), "axis 'a' stands twice"),
        (lambda c: c["controls"].append(c["controls"][0]), "identity 'oboists' stands twice"),
        (lambda c: c["controls"][0].update(surfaces=[]), "at least 1 item"),
        (lambda c: c["axes"][0].update(name="An Axis"), "should match pattern"),
        (lambda c: c["axes"][0].update(name="a*b"), "should match pattern"),
        (lambda c: [one.update(who="who hum") for one in c["axes"][0]["identities"]], "who 'who hum' stands twice"),
        (lambda c: [one.update(who="who play") for one in c["controls"]], "who 'who play' stands twice"),
        (lambda c: c["axes"][0]["identities"][0].update(who=" who are"), "should match pattern"),
        (lambda c: c["controls"][0].update(who=","), "should match pattern"),
        (lambda c: c.update(conjunction=" "), "should match pattern"),
        (lambda c: c.update(people=[]), "Extra inputs"),
    ],
)  # fmt: skip
def test_what_a_lexicon_must_not_be(change: Callable[[dict[str, Any]], object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        lexicon_of(changed(change))
