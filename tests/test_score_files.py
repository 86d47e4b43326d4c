"""Files of one set of scores: items are told apart by their ids, and without them only where places say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import write

from auditor.adapters.external.score_files import by_place, read_tables
from auditor.adapters.external.score_mapping import score_mapping
from auditor.adapters.external.score_rows import ScoreTable
from auditor.errors import UsageError

WIDE: dict[str, Any] = {"columns": ["harmful=h", "affirming=a"]}


def tables(*paths: Path, of_probe: bool = False, names: tuple[str | None, ...] = (), **given: Any) -> list[ScoreTable]:
    nothing: dict[str, Any] = {"fields": [], "columns": [], "sides": [], "quantity": "reward", "file": None}
    files = list(zip(names or [None] * len(paths), paths, strict=True))
    return read_tables(files, score_mapping(**{**nothing, **given}), of_probe=of_probe)


def test_files_of_one_name_in_two_folders_are_not_paired_by_line(tmp_path: Path) -> None:
    paths = [write(tmp_path / side / "s.csv", "value\n1\n2\n") for side in ("harmful", "affirming")]
    found = tables(*paths, names=("rm.harmful", "rm.affirming"))
    items = [row.item for table in found for row in table.rows()]
    assert len(set(items)) == len(items) == 4
    assert not by_place(found)


def test_rows_of_wide_files_stand_at_places_whatever_their_lines(tmp_path: Path) -> None:
    csv = write(tmp_path / "sft.csv", 'h,a,context\n1,2,"two\nlines"\n3,4,\n')
    jsonl = write(tmp_path / "dpo.jsonl", '{"h": 5, "a": 6}\n{"h": 7, "a": 8}\n')
    found = tables(csv, jsonl, **WIDE)
    assert by_place(found)
    values = {(row.checkpoint, row.item, row.side): row.value for table in found for row in table.rows()}
    assert values == {
        ("sft", "1", "harmful"): 1, ("sft", "1", "affirming"): 2, ("sft", "2", "harmful"): 3,
        ("sft", "2", "affirming"): 4, ("dpo", "1", "harmful"): 5, ("dpo", "1", "affirming"): 6,
        ("dpo", "2", "harmful"): 7, ("dpo", "2", "affirming"): 8,
    }  # fmt: skip
    assert not by_place(found[:1])


@pytest.mark.parametrize(
    ("other", "of_probe", "words"),
    [
        ("h,a\n1,2\n", False, "the files hold other numbers of rows"),
        ("id,h,a\n1,1,2\n2,3,4\n", False, "those of another file have some"),
        ("h,a\n1,2\n3,4\n", True, "of which item of the probe a row is"),
    ],
)
def test_places_that_say_nothing(tmp_path: Path, other: str, of_probe: bool, words: str) -> None:
    paths = [write(tmp_path / "a.csv", "h,a\n1,2\n3,4\n"), write(tmp_path / "b.csv", other)]
    with pytest.raises(UsageError, match=words) as caught:
        tables(*paths, of_probe=of_probe, **WIDE)
    assert caught.value.where == str(paths[0])
    assert "column id" in caught.value.fix


def test_long_files_may_lack_ids_and_be_of_any_length(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"rm.{side}.csv", "value\n" + "1\n" * n) for side, n in (("harmful", 2), ("affirming", 3))
    ]
    assert sum(1 for table in tables(*paths) for _ in table.rows()) == 5


def test_a_file_given_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "value\n1\n")
    with pytest.raises(UsageError, match="given twice"):
        tables(path, tmp_path / "." / "a.csv", names=("rm.harmful", "rm.affirming"))
