"""Twin of auditor.adapters.report.plots.figure_tables."""

from __future__ import annotations

import csv
import io
import re

import pytest
from run_factory import HOSTILE

from auditor.adapters.printable import on_one_line
from auditor.adapters.report.plots.figure_tables import Table, file_name, numbered


def test_numbers_keep_every_digit_and_none_is_nothing() -> None:
    text = Table(("name", "value (nats)", "n"), (("one", 0.1 + 0.2, 3), ("two", None, 0))).csv()
    assert text == "name,value (nats),n\none,0.30000000000000004,3\ntwo,,0\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_cells(text: str) -> None:
    (header, row) = csv.reader(io.StringIO(Table(("name",), ((text,),)).csv()))
    assert (header, row) == (["name"], [on_one_line(text)])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_spreadsheet_runs_no_name(text: str) -> None:
    assert Table(("name",), ((text,),)).csv() == f"name\n'{text}\n"
    assert Table(("name",), ((-1.5,),)).csv() == "name\n-1.5\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_safe(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,130}", file_name(text, "../../etc"))


def test_names_are_readable() -> None:
    assert file_name("Stigma", "dpo<b>", "forest") == "stigma-dpo-b-forest"
    assert file_name("\u00c9tude", "\u4f60", "heat") == "etude-unnamed-heat"


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert numbered(["a", "b", "a", "a-2", "a"]) == ["a", "b", "a-2", "a-2-2", "a-3"]
