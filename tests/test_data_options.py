"""The options of `audit data`."""

from __future__ import annotations

from pathlib import Path

from command_line import assert_misused, audit

from auditor.cli.data_options import DataOptions


def test_the_folder_must_be_said() -> None:
    assert_misused(audit("data", "pairs.jsonl"), "--out")


def test_both_renderings_at_once_are_none() -> None:
    assert_misused(audit("data", "pairs.jsonl", "--out", "x", "--render", "both"), "--render")


def test_variables_are_read(tmp_path: Path) -> None:
    assert DataOptions(tmp_path).lexicon == "stigma"
    result = audit("data", "pairs.jsonl", "--out", tmp_path / "x", env={"AUDIT_LEXICON": "nothing"})
    assert result.exit_code == 2
    assert "nothing" in result.stderr
