"""The two commands are there, and what goes wrong in them ends as in all others."""

from __future__ import annotations

from pathlib import Path

from command_line import assert_refused, audit


def test_they_say_what_they_do() -> None:
    shown = audit("--help").stdout
    assert "Write the token ids that another engine is to score" in shown
    assert "Analyse scores made elsewhere" in shown


def test_without_an_argument() -> None:
    for name in ("requests", "analyse"):
        result = audit(name)
        assert result.exit_code == 2
        assert "Missing argument" in result.stderr


def test_errors_are_messages(tmp_path: Path) -> None:
    assert_refused(audit("analyse", tmp_path / "none.csv", "--quantity", "reward"), 2, "cannot be read")
    assert_refused(audit("requests", tmp_path / "none"), 4, "no such folder")
