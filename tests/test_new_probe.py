"""What a new probe begins with is valid, guides its author, and replaces nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from auditor.adapters.probe_files.new_probe import FILES, write_new_probe
from auditor.adapters.probe_files.probe_checks import Checked, check_folder
from auditor.adapters.probe_files.probe_folders import TIERS, build_probe, read_folder
from auditor.errors import UsageError


@pytest.mark.parametrize("language", ["en", "de", "no", "pt-BR"])
def test_it_is_valid(language: str, tmp_path: Path) -> None:
    write_new_probe(tmp_path / "mine", "y", language, "a canary")
    folder = read_folder(tmp_path / "mine")
    assert (folder.card.name, folder.card.language, folder.card.canary) == ("y", language, "a canary")
    probes = [build_probe(folder, tier) for tier in TIERS]
    assert len(probes[0].items) < len(probes[1].items) < len(probes[2].items)
    for probe in probes:
        assert check_folder(folder, probe) == Checked((), ())
    items = probes[-1].items
    assert {item.role for item in items} == {"marked", "reference", "control"}
    assert any(item.messages for item in items), "a conversation is among the frames"


def test_each_file_has_comments(tmp_path: Path) -> None:
    write_new_probe(tmp_path, "mine", "en", "a canary")
    assert {one.name for one in tmp_path.iterdir()} == set(FILES)
    for name in FILES:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "$" not in text
        assert "# " in text


def test_both_sides_of_a_wording_and_of_its_twin_have_equally_many_words(tmp_path: Path) -> None:
    write_new_probe(tmp_path, "mine", "en", "a canary")
    content = yaml.safe_load((tmp_path / "sentences.yaml").read_text(encoding="utf-8"))
    for predicate in content["sections"][0]["predicates"]:
        for own, twin in zip(predicate["wordings"], predicate["neutral"]["wordings"], strict=True):
            assert len({len(side.split()) for side in (*own, *twin)}) == 1


@pytest.mark.parametrize(
    ("name", "language", "problem"),
    [
        ("my probe", "en", "is no name for a probe"),
        ("../up", "en", "is no name for a probe"),
        ("", "en", "is no name for a probe"),
        ("mine", "Germanlanguage", "is no language tag"),
        ("mine", "de\n", "is no language tag"),
    ],
)
def test_what_it_is_not_called(name: str, language: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=problem):
        write_new_probe(tmp_path / "mine", name, language, "a canary")
    assert not (tmp_path / "mine").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_new_probe(tmp_path / "mine", "mine", "en", "a canary")
    (tmp_path / "mine" / "card.yaml").write_text("my work", encoding="utf-8")
    (tmp_path / "file").write_text("my work", encoding="utf-8")
    for taken in ("mine", "file"):
        with pytest.raises(UsageError, match="is there already and is not empty"):
            write_new_probe(tmp_path / taken, "mine", "en", "a canary")
    assert (tmp_path / "mine" / "card.yaml").read_text(encoding="utf-8") == "my work"
    with pytest.raises(UsageError, match="cannot be written"):
        write_new_probe(tmp_path / "file" / "below", "mine", "en", "a canary")
