"""Text a terminal may show: everything that stands there, nothing that acts."""

from __future__ import annotations

import pytest

from auditor.adapters.printable import on_one_line, printable, signed, span


@pytest.mark.parametrize(
    "text", ["", "plain\ttext\n", "\u05e9\u05dc\u05d5\u05dd e\u0301", "\U0001f468\u200d\U0001f469", "[bold]x[/bold]"]
)
def test_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb\x07\x00", "a\\rb\\x07\\x00"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\u202eevil\u2069", "\\u202eevil\\u2069"),
        ("\ud800", "\\ud800"),
        ("a\u2028b\u2029\u061c", "a\\u2028b\\u2029\\u061c"),
    ],
)
def test_what_acts_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    printable(text).encode()


def test_a_name_writes_no_line_of_its_own() -> None:
    assert on_one_line("x\nThe gate passed.\t\x1b") == "x\\nThe gate passed.\\t\\x1b"


def test_a_signed_number_has_a_side_only_where_it_shows_one() -> None:
    assert [signed(one) for one in (1.234, -0.5, 0.004, -0.004, 0.0)] == ["+1.23", "-0.50", "0.00", "0.00", "0.00"]
    assert signed(0.0004, 3) == "0.000"
    assert [signed(one) for one in (-12345.678, 41890795.98)] == ["-12345.68", "+4.19e+07"]
    assert [signed(one) for one in (float("nan"), float("inf"))] == ["n/a", "n/a"]


def test_an_end_of_which_nothing_is_known_is_open() -> None:
    assert span(-0.5, 1.234) == "-0.50 to +1.23"
    assert span(float("-inf"), 0.004) == "-inf to 0.00"
    assert span(-1.0, None) == "-1.00 to +inf"
    assert span(float("-inf"), float("inf")) == span(None, None) == span(float("nan"), float("nan")) == "unbounded"
