"""`audit probes lint`, as a user and as a commit hook call it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_line import ROOT, assert_refused, audit, environment, pairs_csv, write
from lint_cases import predicate, spoilt
from model_factory import make_tokenizer

ARTICLE = predicate("new", ("a ogre", "a angel"))
HOOK = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]


def test_nothing_found(tmp_path: Path) -> None:
    result = audit("probes", "lint", spoilt(tmp_path / "mine"))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "mine: no findings\n"


def test_all_shipped_probes_by_default() -> None:
    result = audit("probes", "lint")
    assert result.exit_code == 0, result.stdout
    assert result.stdout == "affirmation: no findings\nstigma: no findings\n"


def test_shipped_probes_on_an_axis() -> None:
    assert audit("probes", "lint", "--axis", "pronouns").stdout == "affirmation: no findings\n"
    assert_refused(audit("probes", "lint", "--axis", "nowhere"), 2, "none of these axes")


def test_findings_are_listed_and_end_with_2(tmp_path: Path) -> None:
    result = audit("probes", "lint", spoilt(tmp_path / "mine", ARTICLE))
    assert_refused(result, 2, "2 findings; the first: article: new, wording 1")
    assert "mine: 2 findings" in result.stdout
    assert "  article: new, wording 1: 'are a ogre.': 'a ogre'. Write 'an ogre'.\n" in result.stdout


def test_findings_as_json(tmp_path: Path) -> None:
    result = audit("probes", "lint", spoilt(tmp_path / "mine", ARTICLE), "affirmation", "--format", "json")
    assert result.exit_code == 2
    mine, shipped = json.loads(result.stdout)["probes"]
    assert (mine["probe"], mine["language"], mine["english"], shipped["findings"]) == ("mine", "en", True, [])
    assert mine["findings"][0] == {
        "rule": "article",
        "where": "new, wording 1",
        "what": "'are a ogre.': 'a ogre'",
        "fix": "Write 'an ogre'.",
    }


def test_an_axis_and_tokenizers(tmp_path: Path) -> None:
    make_tokenizer(tmp_path / "bpe")
    folder = spoilt(tmp_path / "mine", predicate("new", ("xqzxqzxq", "in there"), theme="u"))
    result = audit("probes", "lint", folder, "--axis", "a", "--tokenizer", f"small={tmp_path / 'bpe'}")
    assert_refused(result, 2, "tokens (small) longer")
    assert_refused(audit("probes", "lint", folder, "--axis", "b"), 2, "none of these axes")
    assert_refused(audit("probes", "lint", folder, "--tokenizer", tmp_path / "no"), 4, "no such file or folder")


def test_a_language_that_is_not_named_is_told(tmp_path: Path) -> None:
    result = audit("probes", "lint", write(tmp_path / "own.csv", pairs_csv()))
    assert "checks of English were left out: the probe is of a language that is not named" in result.stdout


def test_a_hostile_text_is_printed_and_not_obeyed(tmp_path: Path) -> None:
    folder = spoilt(tmp_path / "mine", predicate("new", ("rude  \u001b[31m", "kind  \u001b[31m")))
    result = audit("probes", "lint", folder)
    assert result.exit_code == 2
    assert "\u001b" not in result.stdout + result.stderr


def test_nothing_of_that_name() -> None:
    assert_refused(audit("probes", "lint", "nowhere"), 2, "no such file or folder", "stigma")


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("probes/mine/sentences.yaml", True),
        ("card.yaml", True),
        ("probes/mine/lexicon.yaml", True),
        ("probes/mine/pairs.jsonl", True),
        ("probes/mine/pairs.tsv", True),
        ("probes/mine/README.md", False),
        ("scorecard.yaml", False),
        ("pairs.txt", False),
    ],
)
def test_the_hook_chooses_files_of_probe_folders(path: str, chosen: bool) -> None:
    assert bool(re.search(HOOK["files"], path)) is chosen


def test_the_hook_lints_each_folder_once(tmp_path: Path) -> None:
    spoilt(tmp_path / "probes" / "fine")
    spoilt(tmp_path / "probes" / "mine", ARTICLE)
    changed = [f"probes/{one}/{name}" for one in ("fine", "mine") for name in ("card.yaml", "sentences.yaml")]
    program, *words = shlex.split(HOOK["entry"])
    assert program == "audit"
    command = [sys.executable, "-m", "auditor", *words, *changed]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 2, done.stderr
    assert re.findall(r"^\S.*$", done.stdout, flags=re.MULTILINE) == ["mine: no findings", "mine: 2 findings"]


def test_a_file_by_its_own_columns_in_a_language_that_is_said(tmp_path: Path) -> None:
    rows = pairs_csv().replace("harmful,affirming", "bad,good", 1).replace("are rude", "are a idiot, rude")
    path = write(tmp_path / "own.csv", rows)
    result = audit("probes", "lint", path, "--map", "harmful=bad,affirming=good", "--language", "en")
    assert result.exit_code == 2
    assert "checks of English were left out" not in result.stdout
    assert "article: " in result.stdout


def test_rows_that_are_no_pairs_are_not_called_sound(tmp_path: Path) -> None:
    row = {"context": "They", "candidates": [" a", " b"], "labels": ["x", "y"], "language": "en"}
    result = audit("probes", "lint", write(tmp_path / "own.jsonl", json.dumps(row)))
    assert result.exit_code == 0, result.stderr
    assert "nothing was looked at: no row is a pair" in result.stdout
