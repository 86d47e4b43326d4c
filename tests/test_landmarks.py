"""Twin of auditor.adapters.report.landmarks."""

from __future__ import annotations

import re

from run_factory import HOSTILE

from auditor.adapters.report.landmarks import identity_anchor, probe_anchor


def test_an_address_can_be_read_and_never_changes() -> None:
    assert probe_anchor("stigma") == "probe-stigma"
    assert probe_anchor("stigma", "text_swap") == "probe-stigma"
    assert probe_anchor("affirmation", "responsiveness") == "probe-affirmation-responsiveness"
    # SHA-256 of the names, joined by a null character, worked out with another program.
    assert identity_anchor("stigma", "trans women") == "identity-trans-women-40c4756c"


def test_different_names_have_different_addresses() -> None:
    names = [*HOSTILE, "a b", "a-b", "A b", "a  b", "", "\u4f60", "\u597d", "w" * 41, "w" * 42]
    assert len({probe_anchor(one) for one in names}) == len(names)
    assert len({identity_anchor("p", one) for one in names}) == len(names)
    assert identity_anchor("a", "b", "c") != identity_anchor("a", "bc")


def test_an_address_is_letters_digits_and_dashes() -> None:
    for one in HOSTILE:
        for anchor in (probe_anchor(one), identity_anchor("p", one)):
            assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", anchor)
            assert len(anchor) < 64
