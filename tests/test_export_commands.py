"""`audit export`, as a user calls it."""

from __future__ import annotations

from pathlib import Path

from command_line import ROOT, assert_refused, audit, pairs_csv, write

from auditor.adapters.probe_files.probe_folders import read_folder
from auditor.adapters.probe_files.probes import open_probe


def test_lm_eval_says_what_it_wrote_and_left_out(tmp_path: Path) -> None:
    result = audit("export", "lm-eval", "stigma", "--tier", "quick", "--out", tmp_path / "task")
    assert result.exit_code == 0, result.stderr
    assert "task auditor_stigma" in result.stdout
    assert "left out: " in result.stdout
    assert {path.name for path in (tmp_path / "task").iterdir()} == {
        "auditor_stigma.yaml",
        "items.jsonl",
        "metrics.py",
        "README.md",
    }
    canary = read_folder(ROOT / "probes" / "stigma").card.canary
    assert canary in (tmp_path / "task" / "README.md").read_text(encoding="utf-8")


def test_dataset_is_a_probe_that_asks_the_same(tmp_path: Path) -> None:
    chosen = ["affirmation", "--tier", "quick", "--axis", "gender"]
    result = audit("export", "dataset", *chosen, "--out", tmp_path / "data")
    assert result.exit_code == 0, result.stderr
    assert open_probe(str(tmp_path / "data")).items == open_probe("affirmation", "quick", ["gender"]).items


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    rows = '{"prompt": "Hi", "chosen": " Yes", "rejected": " No"}\n{"chosen": "a", "rejected": "a"}\nno\n'
    file = write(tmp_path / "p.jsonl", rows)
    for target in ("lm-eval", "dataset"):
        result = audit("export", target, file, "--out", tmp_path / target)
        assert result.exit_code == 0, result.stderr
        assert "left out: 2 rows that are not what their format promises" in result.stdout
    assert "Left out: 2 rows" in (tmp_path / "lm-eval" / "README.md").read_text(encoding="utf-8")


def test_columns_and_language_of_a_file_are_said(tmp_path: Path) -> None:
    file = write(tmp_path / "f.csv", "stereotype,other\nx y,x z\n")
    mapped = ["--map", "harmful=stereotype,affirming=other", "--language", "fr"]
    assert audit("export", "dataset", file, *mapped, "--out", tmp_path / "data").exit_code == 0
    (item,) = open_probe(str(tmp_path / "data")).items
    assert (item.candidates[0].text, item.language) == ("x y", "fr")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "kept", "kept")
    file = write(tmp_path / "p.csv", pairs_csv())
    for target in ("lm-eval", "dataset"):
        assert_refused(audit("export", target, file, "--out", tmp_path / "mine"), 2, "is not empty")
    assert_refused(audit("export", "dataset", "nothing", "--out", tmp_path / "new"), 2, "no such file or folder")
