"""Rows that are written read back as the very same items, from every kind of file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from command_line import pairs_csv, write

from auditor.adapters.probe_files.pair_files import COLUMNS, read_pairs
from auditor.adapters.probe_files.pair_writing import json_line, write_pairs
from auditor.adapters.probe_files.probe_folders import build_probe
from auditor.adapters.probe_files.probes import find_folder, open_probe, shipped_probes
from auditor.adapters.probe_files.table_files import SUFFIXES, read_table
from auditor.core.items import Candidate, Item, Message, Probe
from auditor.errors import UsageError

HOSTILE = 'a, "b"\r\n\rc\t\u2028\u00e9\x00 '


def read_back(items: tuple[Item, ...], path: Path) -> Probe:
    write_pairs(items, path)
    return read_pairs(read_table(path), "again")


@cache
def shipped(name: str) -> tuple[Item, ...]:
    folder = find_folder(name)
    assert folder is not None
    return build_probe(folder, "quick", folder.axes).items


def items() -> tuple[Item, ...]:
    """Every field once with something else than its default, and texts that files are bad at."""
    sides = (Candidate("harmful", HOSTILE), Candidate("affirming", " b"))
    turns = (Message("system", HOSTILE), Message("user", "?"))
    full = Item(
        "1", sides, HOSTILE, " They", turns, "trans women", "Trans women", "a", "t", "c", "2", "f", "m", "control",
        "neutral", "responsiveness", "0", "pt-BR",
    )  # fmt: skip
    return (
        Item("0", sides, "Bare.", cluster="c", valence="neutral", design="responsiveness"),
        full,
        Item("x/\u00df", sides, cluster="row x/\u00df"),
        Item("k", (*sides, Candidate("unrelated", "[]")), cluster="c2", answer="unrelated"),
        Item("reversed", sides[::-1], cluster="c3", role="reference"),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_field_comes_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"pairs{suffix}"
    assert read_back(items(), path).items == items()
    first = path.read_bytes()
    write_pairs(items(), path)
    assert path.read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", shipped_probes())
def test_shipped_probes_come_back(name: str, suffix: str, tmp_path: Path) -> None:
    assert read_back(shipped(name), tmp_path / f"{name}{suffix}").items == shipped(name)


@pytest.mark.parametrize("name", shipped_probes())
def test_larger_tiers_come_back_too(name: str, tmp_path: Path) -> None:
    probe = open_probe(name, "standard")
    assert read_back(probe.items, tmp_path / "p.csv").items == probe.items


def test_what_a_reader_fills_in_is_left_out(tmp_path: Path) -> None:
    first = read_table(write(tmp_path / "own.csv", pairs_csv().replace(",cluster,", ",paraphrase,")))
    probe = read_pairs(first, "own")
    again = read_back(probe.items, tmp_path / "again.jsonl")
    assert again.items == probe.items
    assert again.card.notes == probe.card.notes != (), "the caution about clusters is not written away"
    assert "cluster" not in (tmp_path / "again.jsonl").read_text(encoding="utf-8")


def test_a_line_has_the_contracts_columns_in_its_order() -> None:
    for item in items():
        row = json.loads(json_line(item))
        assert list(row) == [name for name in COLUMNS if name in row]
    assert json.loads(json_line(items()[1]))["messages"][1] == {"role": "user", "content": "?"}


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown kind of file '\.xlsx'"):
        write_pairs(items(), tmp_path / "p.xlsx")
