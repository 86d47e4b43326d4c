"""attributions.parquet: what is written is what is read, and a private run's words stay out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auditor.adapters.run.attribution_tables import (
    find_attributions,
    read_attributions,
    rows_without,
    write_attributions,
)
from auditor.adapters.run.run_folder import ATTRIBUTIONS_FILE
from auditor.core.attributions import Attribution, Unit
from auditor.errors import UsageError

UNITS = (
    Unit(0, "<script>", "harmful", 1, 9, "predicate", replacement=""),
    Unit(1, "layer 3 head 5"),
)
ONE = Attribution(
    "p", "1", "plain", "dpo", "sft", "ablation", "word", UNITS, np.array([1.5, -0.25]), 1.0, np.array([0.1, 0.0])
)


def test_a_row_a_part(tmp_path: Path) -> None:
    write_attributions(tmp_path, [ONE], private=False)
    table = read_attributions(tmp_path)
    assert table is not None
    first, second = table.to_pylist()
    assert first == {
        "probe": "p",
        "item": "1",
        "render": "plain",
        "checkpoint": "dpo",
        "reference": "sft",
        "method": "ablation",
        "level": "word",
        "candidate": "harmful",
        "unit": 0,
        "name": "<script>",
        "role": "predicate",
        "replacement": "",
        "start": 1,
        "end": 9,
        "value": 1.5,
        "total": 1.0,
        "completeness_error": 0.25,
        "noise": 0.1,
        "sampled": True,
    }
    assert (second["candidate"], second["start"], second["replacement"]) == (None, None, None)


def test_private_words_stay_out_and_layers_do_not(tmp_path: Path) -> None:
    write_attributions(tmp_path, [ONE], private=True)
    table = read_attributions(tmp_path)
    assert table is not None
    assert table["name"].to_pylist() == [None, "layer 3 head 5"]
    assert table["start"].null_count == table["replacement"].null_count == 2
    assert table["role"].to_pylist() == ["predicate", None]


def test_rows_of_an_earlier_table_stay_in_front(tmp_path: Path) -> None:
    write_attributions(tmp_path, [ONE], private=False)
    write_attributions(tmp_path, [ONE], private=False, kept=read_attributions(tmp_path))
    table = read_attributions(tmp_path)
    assert table is not None
    assert table.num_rows == 4


def test_no_table_is_none_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    assert read_attributions(tmp_path) is None
    (tmp_path / ATTRIBUTIONS_FILE).write_bytes(b"no parquet")
    with pytest.raises(UsageError, match="cannot be read"):
        read_attributions(tmp_path)


def test_what_is_said_of_one_item_comes_back(tmp_path: Path) -> None:
    level = replace(ONE, reference=None, noise=None, sampled=False)
    write_attributions(tmp_path, [ONE, level, replace(ONE, item="2"), replace(ONE, render="chat")], private=False)
    shift, margin = find_attributions(tmp_path, "p", "1", "plain", "dpo")
    assert (shift.reference, margin.reference, margin.noise, margin.sampled) == ("sft", None, None, False)
    assert shift.units == margin.units == UNITS
    assert shift.values.tolist() == [1.5, -0.25]
    assert shift.noise is not None
    assert (shift.noise.tolist(), shift.total, shift.completeness_error) == ([0.1, 0.0], 1.0, 0.25)
    assert find_attributions(tmp_path, "p", "1", "plain", "sft") == ()
    assert find_attributions(tmp_path / "none", "p", "1", "plain", "dpo") == ()


def test_an_empty_earlier_table_changes_no_byte(tmp_path: Path) -> None:
    write_attributions(tmp_path, [ONE], private=False)
    first, table = (tmp_path / ATTRIBUTIONS_FILE).read_bytes(), read_attributions(tmp_path)
    assert table is not None
    write_attributions(tmp_path, [ONE], private=False, kept=rows_without(table, ["ablation"]))
    assert (tmp_path / ATTRIBUTIONS_FILE).read_bytes() == first
