"""`audit probes new`, `build` and `schema`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import assert_misused, assert_refused, audit, pairs_csv, write
from probe_material import FAITH, LEXICON, write_probe

from auditor.adapters.probe_files.format_schemas import FORMAT_PARTS, format_schema
from auditor.adapters.probe_files.probe_folders import read_folder
from auditor.adapters.probe_files.probes import open_probe
from auditor.cli.probe_making import FormatFile


def test_new_writes_what_validates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = audit("probes", "new", "age-de", "--language", "de")
    assert result.exit_code == 0, result.stderr
    for name in ("card.yaml", "lexicon.yaml", "sentences.yaml", "README.md"):
        assert f"age-de/{name}\n" in result.stdout
    valid = audit("probes", "validate", "age-de")
    assert valid.exit_code == 0, valid.stderr
    assert valid.stdout.endswith("valid\n")
    assert read_folder(tmp_path / "age-de").card.language == "de"
    assert_refused(audit("probes", "new", "age-de"), 2, "age-de is there already", "Nothing is overwritten")


def test_new_goes_where_it_is_told_and_marks_each_probe_by_a_canary_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert audit("probes", "new", "age", "--out", tmp_path / "in" / name).exit_code == 0
    cards = [read_folder(tmp_path / "in" / name).card for name in ("one", "two")]
    assert [card.name for card in cards] == ["age", "age"]
    assert cards[0].canary != cards[1].canary


def test_new_refuses_names_and_languages(tmp_path: Path) -> None:
    assert_refused(audit("probes", "new", "my probe", "--out", tmp_path / "x"), 2, "NAME", "is no name for a probe")
    assert_refused(audit("probes", "new", "x", "--out", tmp_path / "x", "--language", "?"), 2, "--language")
    assert not (tmp_path / "x").exists()


def test_build_writes_what_a_probe_reads_back(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "mine", lexicon={**LEXICON, "axes": [*LEXICON["axes"], FAITH]})
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        options = ["--tier", "quick", "--axis", "faith", "--axis", "a*faith"]
        result = audit("probes", "build", folder, "--out", tmp_path / name, *options)
        assert result.exit_code == 0, result.stderr
        items = open_probe(str(folder), "quick", ["faith", "a*faith"]).items
        assert f"{name}: {len(items)} rows" in result.stdout
        assert open_probe(str(tmp_path / name)).items == items


def test_build_replaces_a_file_only_if_told_to(tmp_path: Path) -> None:
    folder, out = write_probe(tmp_path / "mine"), write(tmp_path / "p.csv", "kept")
    assert_refused(audit("probes", "build", folder, "--out", out), 2, "p.csv is there already", "--force")
    assert out.read_text(encoding="utf-8") == "kept"
    assert audit("probes", "build", folder, "--out", out, "--force").exit_code == 0
    assert open_probe(str(out)).items == open_probe(str(folder)).items


def test_build_refuses_an_axis_it_would_leave_out(tmp_path: Path) -> None:
    result = audit("probes", "build", "stigma", "--out", tmp_path / "p.csv", "--axis", "gender", "--axis", "hats")
    assert_refused(result, 2, "no probe has the axis 'hats'", "Known: gender")
    assert list(tmp_path.iterdir()) == []


def test_build_takes_a_pair_file(tmp_path: Path) -> None:
    own = write(tmp_path / "own.csv", pairs_csv())
    assert audit("probes", "build", own, "--out", tmp_path / "own.parquet").exit_code == 0
    assert open_probe(str(tmp_path / "own.parquet")).items == open_probe(str(own)).items


def test_build_knows_before_the_work_where_it_cannot_write(tmp_path: Path) -> None:
    for out, words in (("p.xlsx", "unknown kind of file"), ("no/p.csv", "folder that does not exist")):
        assert_refused(audit("probes", "build", "nowhere", "--out", tmp_path / out), 2, "--out", words)
    assert_misused(audit("probes", "build", "stigma"), "Missing option", "--out")
    assert_refused(audit("probes", "build", "nowhere", "--out", tmp_path / "p.csv"), 2, "no such file or folder")


def test_schema_prints_each() -> None:
    assert [one.value for one in FormatFile] == list(FORMAT_PARTS)
    for part in FORMAT_PARTS:
        result = audit("probes", "schema", part)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout) == format_schema(part)
    assert_misused(audit("probes", "schema", "page"), "'card', 'lexicon', 'sentences', 'pairs'")


def test_build_reads_a_file_by_its_own_columns(tmp_path: Path) -> None:
    own = write(tmp_path / "own.csv", pairs_csv())
    other = write(tmp_path / "other.csv", pairs_csv().replace("harmful,affirming", "bad,good", 1))
    given = ("--map", "harmful=bad,affirming=good", "--language", "en", "--out", tmp_path / "out.csv")
    assert audit("probes", "build", other, *given).exit_code == 0
    items = open_probe(str(tmp_path / "out.csv")).items
    assert [item.candidates for item in items] == [item.candidates for item in open_probe(str(own)).items]
    assert {item.language for item in items} == {"en"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_build_keeps_which_answer_is_right(suffix: str, tmp_path: Path) -> None:
    row = {"candidates": ["yes", "no", "who knows"], "labels": ["harmful", "affirming", "unknown"]}
    rows = [{**row, "context": "Was it her? ", "right_label": "unknown"}, {**row, "context": "Was it him? "}]
    file, out = write(tmp_path / "p.jsonl", "\n".join(map(json.dumps, rows))), tmp_path / f"out.{suffix}"
    assert audit("probes", "build", file, "--out", out).exit_code == 0
    assert [item.answer for item in open_probe(str(out)).items] == ["unknown", ""]
    assert open_probe(str(out)).items == open_probe(str(file)).items
