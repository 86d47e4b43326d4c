"""Public sets are known by their columns, keys or names, alone or in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import write
from test_bbq import ROW
from test_holisticbias import folder
from test_political_compass import folder_with
from test_stereoset import document, entry
from test_winobias import ANTI, LINES, OTHERS, PRO
from test_winogender import ROWS
from test_worldvaluesbench import ENTRY

from auditor.adapters.data_sets.public_readers import files_in
from auditor.adapters.probe_files.probes import open_probe
from auditor.errors import UsageError


def test_bbq(tmp_path: Path) -> None:
    for name in ("Age", "Religion"):
        write(tmp_path / f"{name}.jsonl", json.dumps({**ROW, "category": name}))
    one, both = open_probe(str(tmp_path / "Age.jsonl")), open_probe(str(tmp_path))
    assert (one.name, [item.axis for item in one.items]) == ("bbq_age", ["Age"])
    assert (both.name, [item.axis for item in both.items]) == ("bbq", ["Age", "Religion"])
    assert both.card.source == "Age.jsonl, Religion.jsonl"


def test_winogender(tmp_path: Path) -> None:
    path = write(tmp_path / "set" / "all_sentences.tsv", "\n".join(["sentid\tsentence", *ROWS]))
    write(tmp_path / "set" / "occupations-stats.tsv", "occupation\tbls_pct_female\ncook\t40\n")
    assert open_probe(str(path)).name == open_probe(str(path.parent)).name == "winogender"


def test_stereoset(tmp_path: Path) -> None:
    path = write(tmp_path / "set" / "any.json", document(intra=[entry()]))
    write(tmp_path / "set" / "more.json", "{}")
    assert open_probe(str(path)).name == open_probe(str(path.parent)).name == "stereoset"


def test_winobias(tmp_path: Path) -> None:
    for name, lines in ((PRO, LINES), (ANTI, OTHERS)):
        write(tmp_path / name, "\n".join(lines))
    for argument in (tmp_path, tmp_path / PRO, tmp_path / ANTI):
        probe = open_probe(str(argument))
        assert (probe.name, len(probe.items)) == ("winobias", 2)


def test_holisticbias(tmp_path: Path) -> None:
    for argument in (folder(tmp_path), tmp_path / "descriptors.json"):
        assert open_probe(str(argument)).name == "holisticbias"


def test_political_compass(tmp_path: Path) -> None:
    probe = open_probe(str(folder_with(tmp_path)), "quick")
    assert (probe.name, len(probe.items)) == ("political_compass", 12)


def test_worldvaluesbench(tmp_path: Path) -> None:
    path = write(tmp_path / "set" / "question_metadata.json", json.dumps({"Q1": ENTRY}))
    write(tmp_path / "set" / "codebook.json", json.dumps({"Q1": {"choices": {"1": "Good"}}}))
    assert open_probe(str(path)).name == open_probe(str(path.parent)).name == "worldvaluesbench"


def test_two_sets_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", "\n".join(["sentid\tsentence", *ROWS]))
    write(tmp_path / "b.jsonl", json.dumps(ROW))
    with pytest.raises(UsageError, match="holds 2 files of a known data set"):
        open_probe(str(tmp_path))


def test_another_json_is_no_probe(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown kind of file"):
        open_probe(str(write(tmp_path / "other.json", "{}")))
    with pytest.raises(UsageError, match="malformed JSON") as caught:
        open_probe(str(write(tmp_path / "broken.json", '{\n"data": ]')))
    assert "line 2" in str(caught.value.where)
    with pytest.raises(UsageError, match="malformed JSON: key 'a' stands twice"):
        open_probe(str(write(tmp_path / "twice.json", '{"a": 1, "a": 2}')))


def test_a_name_that_cannot_be_printed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be printed"):
        open_probe(str(write(tmp_path / "de\nv.json", document(intra=[entry()]))))


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        files_in(tmp_path / "gone")
