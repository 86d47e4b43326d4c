"""Twin of auditor.adapters.history.found_runs."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from history_material import edit_manifest
from run_factory import make_run, text_swap_probe

from auditor.adapters.history.found_runs import FoundRun, LeftOut, find_runs
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = text_swap_probe()
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[small], renders=("plain",), checkpoints=("only",))


def names(below: Path) -> list[str]:
    return [one.name for one in find_runs(below) if isinstance(one, FoundRun)]


def left_out(below: Path) -> dict[str, tuple[str, str]]:
    return {one.name: (one.reason, one.detail) for one in find_runs(below) if isinstance(one, LeftOut)}


def dated(run: Path, to: Path, day: int) -> Path:
    return edit_manifest(shutil.copytree(run, to), created=f"2026-03-0{day}T00:00:00Z")


def test_runs_at_any_depth_by_name(run: Path, tmp_path: Path) -> None:
    for at, place in enumerate(("b", "a/deep/er", "c d")):
        dated(run, tmp_path / place, at + 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "manifest.txt").write_text("no folder")
    assert names(tmp_path) == ["a/deep/er", "b", "c d"]
    assert left_out(tmp_path) == {}


def test_the_folder_itself_may_be_a_run(run: Path) -> None:
    (found,) = find_runs(run)
    assert isinstance(found, FoundRun)
    assert (found.name, found.folder) == ("run", run)
    assert found.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_links_are_followed_once(run: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    dated(run, project / "z", 1)
    (project / "a").symlink_to(project / "z")
    (project / "loop").symlink_to(project)
    (project / "gone").symlink_to(tmp_path / "nowhere")
    (project / "self").symlink_to(project / "self")
    (project / "outside").symlink_to(dated(run, tmp_path / "elsewhere", 2))
    # What lies here keeps its own name, whatever also leads there.
    assert names(project) == ["z", "outside"]
    assert left_out(project) == {}


def test_a_time_without_a_zone_is_utc(run: Path, tmp_path: Path) -> None:
    edit_manifest(shutil.copytree(run, tmp_path / "run"), created="2026-03-01T10:00:00")
    (found,) = find_runs(tmp_path)
    assert isinstance(found, FoundRun)
    assert found.created == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_copy_is_shown_once(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(run, tmp_path / name)
    # Begun in the same second, with other results: no copy.
    edit_manifest(shutil.copytree(run, tmp_path / "three"), files={"results.json": "0" * 64})
    assert names(tmp_path) == ["one", "three"]
    assert left_out(tmp_path) == {"two": ("copy", "it is a copy of one")}


def test_what_is_broken_is_neither_a_copy_nor_what_is_copied(run: Path, tmp_path: Path) -> None:
    (shutil.copytree(run, tmp_path / "a") / "results.json").unlink()
    (shutil.copytree(run, tmp_path / "b") / "results.json").write_text("{")
    for name in ("c", "d"):
        shutil.copytree(run, tmp_path / name)
    assert names(tmp_path) == ["c"]
    broken = ("broken", "its files are not those that it was finished with")
    assert left_out(tmp_path) == {"a": broken, "b": broken, "d": ("copy", "it is a copy of c")}


def test_runs_that_name_no_hashes_are_no_copies(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        edit_manifest(shutil.copytree(run, tmp_path / name), files={})
    assert names(tmp_path) == ["one", "two"]


def test_what_is_no_finished_run_is_named_with_its_reason(run: Path, tmp_path: Path) -> None:
    edit_manifest(shutil.copytree(run, tmp_path / "at work"), status="interrupted")
    edit_manifest(shutil.copytree(run, tmp_path / "no time"), created="yesterday")
    edit_manifest(shutil.copytree(run, tmp_path / "edited"), probes=3)
    (shutil.copytree(run, tmp_path / "cut") / "manifest.json").write_text('{"auditor": ')
    (shutil.copytree(run, tmp_path / "lost") / "manifest.json").unlink()
    for name, content in (("web", {"name": "my app", "icons": []}), ("list", [1])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(content))
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "manifest.json").write_bytes(b"\xff\xfe")
    assert names(tmp_path) == []
    found = left_out(tmp_path)
    assert {name: reason for name, (reason, _) in found.items()} == {
        "at work": "unfinished",
        "no time": "broken",
        "edited": "broken",
        "cut": "broken",
        "lost": "broken",
        "web": "foreign",
        "list": "foreign",
        "text": "foreign",
    }
    assert "still at work" in found["at work"][1]
    assert "yesterday" in found["no time"][1]
    assert "probes" in found["edited"][1]
    assert "not valid JSON" in found["cut"][1]
    assert "some other program" in found["web"][1]


def test_a_folder_that_cannot_be_read_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dated(run, tmp_path / "run", 1)
    (tmp_path / "shut").mkdir()
    listed = Path.iterdir

    def refusing(path: Path) -> object:
        if path.name == "shut":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refusing)
    assert names(tmp_path) == ["run"]
    assert left_out(tmp_path) == {"shut": ("broken", "the folder cannot be read")}


def test_a_name_that_is_no_text_stops_nothing(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, os.fsdecode(os.fsencode(tmp_path / "run") + b"\xff"))
    assert [one.encode(errors="surrogateescape") for one in names(tmp_path)] == [b"run\xff"]


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be read as a folder"):
        next(iter(find_runs(tmp_path / name)))
