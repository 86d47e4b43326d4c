"""`audit cache info` and `audit cache prune`, as a user calls them."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from command_line import ROOT, assert_misused, assert_refused, audit, environment
from kept_scores import ONE, TWO, entries
from typer.testing import Result

from auditor.adapters.cache.score_store import STORE_FILE, ScoreStore
from auditor.adapters.cache.weight_hashes import HASHES_FILE, WeightHashes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache folder with scores of two models, one of them last used five days ago."""
    path = tmp_path / "cache"
    with ScoreStore.open(path) as store:
        store.keep(ONE, entries(range(1500)))
        store.keep(TWO, entries(range(20)))
    with closing(sqlite3.connect(path / STORE_FILE, isolation_level=None)) as connection:
        connection.execute("UPDATE scopes SET used = used - 5 * 86400 WHERE id = 1")
    return path


def cache(folder: Path, *arguments: object) -> Result:
    return audit("cache", *arguments, env={"AUDIT_CACHE_DIR": str(folder)})


def test_info_names_folder_models_and_dates(folder: Path) -> None:
    result = cache(folder, "info")
    assert result.exit_code == 0, result.stderr
    assert f"folder: {folder}\n" in result.stdout
    assert re.search(r"1,520 scores of 2 models, [\d.]+ kB on the disk", result.stdout)
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith((ONE[:12], TWO[:12]))]
    assert [line[:2] for line in lines] == [[TWO[:12], "20"], [ONE[:12], "1,500"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", line[at]) for line in lines for at in (-4, -2))
    # Kept today, and used five days before that.
    assert lines[1][-2] < lines[1][-4]


def test_nothing_is_there(tmp_path: Path) -> None:
    for arguments in (["info"], ["prune", "--all"], ["prune", "--older-than", "3"]):
        result = cache(tmp_path / "none", *arguments)
        assert result.exit_code == 0, result.stderr
        assert "no scores are kept" in result.stdout
    assert not (tmp_path / "none").exists()


def test_prune_by_age(folder: Path) -> None:
    result = cache(folder, "prune", "--older-than", "6")
    assert "0 scores forgotten" in result.stdout
    before = (folder / STORE_FILE).stat().st_size
    result = cache(folder, "prune", "--older-than", "4")
    assert result.exit_code == 0, result.stderr
    assert re.match(r"1,500 scores forgotten, [\d.]+ kB freed, [\d.]+ kB left\n", result.stdout)
    assert (folder / STORE_FILE).stat().st_size < before / 2
    assert "20 scores of 1 model," in cache(folder, "info").stdout


def test_prune_all(folder: Path) -> None:
    file = folder / "weights"
    file.write_bytes(b"x")
    WeightHashes(folder)._remember(bytes(32), "ab" * 32)
    assert (folder / HASHES_FILE).exists()
    result = cache(folder, "prune", "--all")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("1,520 scores forgotten")
    assert {one.name for one in folder.iterdir()} == {STORE_FILE, "weights"}
    assert "0 scores of 0 models" in cache(folder, "info").stdout


def test_prune_says_what_it_needs(folder: Path) -> None:
    for arguments in ([], ["--all", "--older-than", "3"]):
        assert_refused(cache(folder, "prune", *arguments), 2, "what to forget is not clear", "--older-than")
    assert_misused(cache(folder, "prune", "--older-than", "-1"), "--older-than")
    assert "1,520" in cache(folder, "info").stdout


def damaged_pages(content: bytes) -> bytes:
    return content[:4096] + bytes(len(content) - 4096)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[:5000], "is damaged"),
        (lambda content: content[:50], "is damaged"),
        (damaged_pages, "is damaged"),
        # Bytes 60 to 63 of the header: the version of the schema.
        (lambda content: content[:63] + b"\7" + content[64:], "another version of auditor (schema 7, not 1)"),
    ],
    ids=["half", "start", "pages", "version"],
)
def test_prune_all_repairs_what_is_ours(folder: Path, change: object, words: str) -> None:
    assert callable(change)
    (folder / STORE_FILE).write_bytes(change((folder / STORE_FILE).read_bytes()))
    for arguments in (["info"], ["prune", "--older-than", "1"]):
        assert_refused(cache(folder, *arguments), 2, words, str(folder), "audit cache prune --all")
    result = cache(folder, "prune", "--all")
    assert result.exit_code == 0, result.stderr
    assert words in result.stdout
    assert "removed" in result.stdout
    assert not (folder / STORE_FILE).exists()
    with ScoreStore.open(folder) as store:
        assert store.caution is None


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / STORE_FILE
    file.write_text("My diary.")
    for arguments in (["info"], ["prune", "--older-than", "1"], ["prune", "--all"]):
        assert_refused(cache(tmp_path, *arguments), 2, "is no file of auditor", "Move it away")
    assert file.read_text() == "My diary."


def test_no_torch_is_needed(folder: Path) -> None:
    code = """
import sys
from auditor.cli.main import app
app(sys.argv[1:], standalone_mode=False)
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""
    for arguments in (["info"], ["prune", "--all"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "cache", *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=environment(AUDIT_CACHE_DIR=str(folder)),
        )
        assert done.stdout.endswith("[]\n"), done.stdout
