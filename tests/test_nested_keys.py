"""Values inside objects as columns."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from command_line import write

from auditor.adapters.external.nested_keys import reach_into
from auditor.adapters.probe_files.table_files import read_table

ROWS = [
    {"id": "a", "scores": {"chosen": 1.5, "rejected": [0.5]}, "deep": {"er": {"x": "y"}}, "a.b": 3},
    {"id": "b", "scores": {"chosen": None, "rejected": ""}, "deep": 4, "a": {"b": 5}},
    {"id": "c"},
]


def test_names_lead_into_objects(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, ROWS))))
    found = reach_into(table, ["scores.chosen", "scores.rejected", "deep.er.x", "scores.none", "id.x", "id"])
    assert found.columns == (*table.columns, "scores.chosen", "scores.rejected", "deep.er.x")
    values = [{name: row.values.get(name) for name in found.columns[-3:]} for row in found.rows]
    assert values == [
        {"scores.chosen": 1.5, "scores.rejected": [0.5], "deep.er.x": "y"},
        {"scores.chosen": None, "scores.rejected": None, "deep.er.x": None},
        {"scores.chosen": None, "scores.rejected": None, "deep.er.x": None},
    ]
    assert [row.line for row in found.rows] == [1, 2, 3]


def test_a_column_of_that_name_comes_first(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, ROWS))))
    assert reach_into(table, ["a.b", "scores"]) is table


def test_parquet_has_objects_too(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"scores": [{"chosen": 1.0}, None, {"chosen": 2.0}]}), path)
    found = reach_into(read_table(path), ["scores.chosen"])
    assert [row.values.get("scores.chosen") for row in found.rows] == [1.0, None, 2.0]
