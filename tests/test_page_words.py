"""Twin of auditor.adapters.report.page_words."""

from __future__ import annotations

from auditor.adapters.report.page_words import (
    brief,
    environment,
    figure,
    odds,
    options,
    percentage,
    plain,
    shade,
    signed,
    unsigned,
)


def test_numbers_of_metrics() -> None:
    assert [figure(one) for one in (50.0, -12.34, 1234.5, -0.04)] == ["50.0", "\u221212.3", "1,234.5", "0.0"]


def test_numbers() -> None:
    assert [signed(one) for one in (1.5, -1.5, 0.0, -0.001, None)] == ["+1.50", "\u22121.50", "0", "0.00", "\u2013"]
    assert signed(1e9) == "+1.00e+09"
    assert [odds(one) for one in (0.0, 0.2231, 6.0, -30.0, 1e4, -1e4, None)] == [
        "\u00d71.00",
        "\u00d71.25",
        "\u00d7403",
        "\u00d79.4\u00b710\u207b\u00b9\u2074",
        "\u00d7 beyond 10\u00b3\u2070\u2070",
        "\u00d7 below 10\u207b\u00b3\u2070\u2070",
        "\u2013",
    ]
    assert [shade(one) for one in (-0.1, -1.5, -99.0, float("nan"), None)] == [0, 2, 5, 9, 9]
    assert brief("abcdef", 4) == "abc\u2026"
    assert options("see --end <b> not-an--option") == ["see ", "--end", " <b> not-an--option"]


def test_numbers_without_a_side() -> None:
    assert [unsigned(one) for one in (0.2231, 1.0, None)] == ["0.22", "1.00", "\u2013"]
    assert [percentage(one) for one in (0.25, -0.031, None)] == ["25%", "\u22123%", "\u2013"]


def test_what_is_put_into_a_template_is_text() -> None:
    made = environment("report").from_string("{{ text }} {{ text | brief(4) }}").render(text="<b>\u202ename")
    assert "<b>" not in made
    assert "\u202e" not in made


def test_a_template_is_compiled_once_a_process() -> None:
    """Compiling takes longer than filling in: a series of pages pays for it once."""
    assert environment("report").get_template("page.html") is environment("report").get_template("page.html")
    assert environment("history", "report") is not environment("report")


def test_values_of_a_manifest_in_words() -> None:
    assert [plain(one) for one in (True, 1234, ["a", False], None)] == ["yes", "1,234", "a, no", "None"]
