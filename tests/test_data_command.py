"""`audit data` on the command line."""

from __future__ import annotations

from command_line import assert_misused, audit


def test_a_file_must_be_named() -> None:
    assert_misused(audit("data", "--out", "x"), "FILE")


def test_help_says_what_stands_where() -> None:
    said = " ".join(audit("data", "--help").stdout.split())
    assert "FILE [[NAME=]MODEL...]" in said
    assert "Look into a preference set before training" in said
