"""The options of `audit export trl`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from command_line import assert_misused, audit
from trl import DPOConfig

from auditor.cli.export_options import TrlOptions


def test_the_length_is_trls_own_default() -> None:
    (length,) = (one.default for one in fields(DPOConfig) if one.name == "max_length")
    assert TrlOptions(Path("in.jsonl"), Path("out.jsonl")).max_length == length


def test_data_and_out_must_be_said() -> None:
    assert_misused(audit("export", "trl", "model", "--out", "x.jsonl"), "--data")
    assert_misused(audit("export", "trl", "model", "--data", "x.jsonl"), "--out")
    assert_misused(audit("export", "trl", "model", "--data", "x", "--out", "y", "--max-length", 1), "--max-length")
