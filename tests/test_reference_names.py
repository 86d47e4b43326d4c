"""Twin of auditor.adapters.report.reference_names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from run_factory import HARMED, controlled_probe, identity_swap_probe, make_run, responsive_probe, text_swap_probe

from auditor.adapters.report.reference_names import ReferenceNames, reference_names
from auditor.adapters.run.run_folder import ITEMS_FILE
from auditor.core.contrasts import match_key
from auditor.core.items import Probe
from auditor.errors import UsageError


def by_hand(probes: Sequence[Probe]) -> ReferenceNames:
    """Each marked item beside the reference items that share its key, one by one."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for probe in probes:
        for one in probe.items:
            for other in probe.items:
                if one.role == "marked" and other.role == "reference" and match_key(one) == match_key(other):
                    found[probe.name, one.axis, one.identity].add(other.identity)
    return {place: tuple(sorted(names)) for place, names in found.items()}


def undeclared(probe: Probe) -> Probe:
    """The same rows without a key of their own, and a second reference identity under some of them."""
    items = [replace(one, match="") for one in probe.items]
    more = [replace(one, id=f"{one.id} again", identity="cis men") for one in items if one.role == "reference"][:3]
    return Probe(probe.name, (*items, *more), probe.card)


@pytest.mark.parametrize(
    "probes",
    [
        (text_swap_probe(), identity_swap_probe()),
        (controlled_probe(), responsive_probe()),
        (undeclared(text_swap_probe()),),
    ],
    ids=["declared", "controls", "undeclared"],
)
@pytest.mark.parametrize("private", [False, True])
def test_whoever_shares_a_key(tmp_path: Path, probes: Sequence[Probe], private: bool) -> None:
    run = make_run(tmp_path / "run", probes=probes, private=private, renders=("plain",))
    found = reference_names(run / ITEMS_FILE, "plain", "dpo<b>")
    assert found == by_hand(probes)
    if probes[0].name == "small":
        assert found["small", "gender identity", HARMED][-1] == "cisgender people"


def test_without_marked_rows_there_are_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",))
    assert reference_names(run / ITEMS_FILE, "chat", "dpo<b>") == {}


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"items\.parquet"):
        reference_names(tmp_path / ITEMS_FILE, "plain", "dpo")
