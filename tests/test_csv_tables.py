"""Twin of auditor.adapters.summaries.csv_tables: two readers read it back, value by value as in results.json."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from run_factory import BRANCHED, HOSTILE, controlled_probe, make_run, text_swap_probe, worded_probe

from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries.csv_tables import write_csv
from auditor.adapters.summaries.run_summary import summary_of
from auditor.adapters.summaries.summary_schema import SummaryCell

PROBES = (text_swap_probe(), controlled_probe(), worded_probe())
NESTED = ("control_checks", "beyond_forms", "scales", "pooled", "plausible")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=PROBES, **BRANCHED)


@pytest.fixture(scope="module")
def effects(run: Path) -> Path:
    path = run.parent / "effects.csv"
    write_csv(path, EffectRow, read_results(run).effects)
    return path


def recorded(run: Path) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    effects: list[dict[str, Any]] = content["effects"]
    return effects


def wanted(effect: dict[str, Any], column: str) -> Any:
    """What ``results.json`` holds at the place of a column."""
    key, _, inner = column.partition(".")
    return effect[key] if not inner else None if effect[key] is None else effect[key][inner]


def test_header_is_the_contracts_names(run: Path, effects: Path) -> None:
    with effects.open(encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
    assert list(dict.fromkeys(name.partition(".")[0] for name in header)) == list(recorded(run)[0])
    assert {name.partition(".")[0] for name in header if "." in name} == set(NESTED)
    assert {"scales.selection", "control_checks.form_estimate", "plausible.verdict"} <= set(header)


def test_the_csv_module_reads_every_value_back(run: Path, effects: Path) -> None:
    with effects.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, strict=True))
    records = recorded(run)
    assert len(rows) == len(records) > 500
    floats = 0
    for row, record in zip(rows, records, strict=True):
        for column, text in row.items():
            value = wanted(record, column)
            if value is None:
                assert text == ""
            elif isinstance(value, bool):
                assert text == json.dumps(value)
            elif isinstance(value, int | float):
                # Every digit: the same float64, not a near one.
                assert float(text) == value, column
                floats += isinstance(value, float)
            elif isinstance(value, list):
                assert json.loads(text) == value
            else:
                assert text == value, column
    assert floats > 10_000


def test_pyarrow_reads_every_value_back_and_knows_an_empty_text_from_none(run: Path, effects: Path) -> None:
    options = arrow_csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    table = arrow_csv.read_csv(effects, parse_options=parse, convert_options=options)
    records = recorded(run)
    assert table.num_rows == len(records)
    for column in table.column_names:
        if column == "robustness":
            continue
        assert table[column].to_pylist() == [wanted(one, column) for one in records], column
    assert pa.types.is_float64(table.schema.field("estimate").type)
    assert pa.types.is_integer(table.schema.field("items").type)
    assert pa.types.is_boolean(table.schema.field("complete").type)


def test_cells_are_the_summarys(run: Path, tmp_path: Path) -> None:
    summary = summary_of(read_results(run), read_manifest(run))
    write_csv(tmp_path / "cells.csv", SummaryCell, summary.cells)
    with (tmp_path / "cells.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, strict=True))
    assert list(rows[0]) == list(SummaryCell.model_fields)
    assert len(rows) == len(summary.cells)
    for row, cell in zip(rows, summary.cells, strict=True):
        assert (row["identity"], row["verdict"]) == (cell.identity, cell.verdict)
        assert row["odds"] == "" if cell.odds is None else float(row["odds"]) == cell.odds
        assert json.loads(row["stages"]) == [one.model_dump(mode="json") for one in cell.stages]
    assert {row["identity"] for row in rows} >= set(HOSTILE) - {one for one in HOSTILE if "\0" in one}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_text_is_a_formula(run: Path, tmp_path: Path, text: str) -> None:
    effect = read_results(run).effects[0].model_copy(update={"identity": text, "estimate": -1.5})
    write_csv(tmp_path / "one.csv", EffectRow, [effect])
    with (tmp_path / "one.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream, strict=True)
    assert row["identity"] == f"'{text}"
    assert row["estimate"] == "-1.5"


@pytest.mark.parametrize("text", [*HOSTILE, 'a "quoted" text', "a,b;c", "two\nlines\r\nand more", "'apostrophe"])
def test_hostile_texts_come_back_as_they_were(run: Path, tmp_path: Path, text: str) -> None:
    effect = read_results(run).effects[0].model_copy(update={"identity": text})
    write_csv(tmp_path / "one.csv", EffectRow, [effect])
    with (tmp_path / "one.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream, strict=True)
    assert row["identity"] == text


def test_no_rows_leave_the_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "none.csv", SummaryCell, [])
    lines = (tmp_path / "none.csv").read_text(encoding="utf-8").splitlines()
    assert [line.replace('"', "") for line in lines] == [",".join(SummaryCell.model_fields)]
