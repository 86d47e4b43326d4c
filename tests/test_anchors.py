"""Twin of auditor.adapters.report.anchors."""

from __future__ import annotations

import subprocess

from auditor.adapters.report.anchors import anchor_bytes, anchor_of


def test_addresses_stay_what_they_are() -> None:
    # From the command line: printf 'stigma\0trans women/1' | sha256sum
    command = ["sh", "-c", r"printf 'stigma\0trans women/1' | sha256sum"]
    expected = subprocess.run(command, check=True, capture_output=True, text=True).stdout[:12]
    assert anchor_of("stigma", "trans women/1") == expected
    assert anchor_bytes("stigma", "trans women/1").hex() == expected


def test_probe_and_item_both_count() -> None:
    names = [("a", "b"), ("b", "a"), ("", "ab"), ("ab", ""), ("a", "b "), ("a", "\ud800"), ("a", "\u4f60")]
    assert len({anchor_of(*one) for one in names}) == len(names)
