"""A folder that an export fills."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from auditor.adapters.exports.new_folder import check_new, fill
from auditor.errors import StorageError, UsageError


def test_files_are_written_as_they_are_given(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "b", {"one": "x\n\u00e9\r\n", "two": lambda path: path.write_bytes(b"\0")})
    assert (tmp_path / "a" / "b" / "one").read_bytes() == b"x\n\xc3\xa9\r\n"
    assert (tmp_path / "a" / "b" / "two").read_bytes() == b"\0"


def test_an_empty_folder_may_be_filled_and_no_other(tmp_path: Path) -> None:
    check_new(tmp_path / "missing")
    check_new(tmp_path)
    (tmp_path / "mine").write_text("kept", encoding="utf-8")
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(UsageError, match="is there already and is not empty"):
            fill(taken, {"mine": "lost"})
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "kept"


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written"):
        fill(tmp_path / "file" / "below", {"one": "x"})


def test_what_cannot_be_finished_is_taken_away(tmp_path: Path) -> None:
    def fails() -> None:
        assert (tmp_path / "new" / "one").exists()
        raise UsageError("not so", where="here", fix="mend it")

    with pytest.raises(UsageError, match="not so"):
        fill(tmp_path / "new", {"one": "x", "two": "y"}, fails)
    assert not (tmp_path / "new").exists()

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="No space left"):
        fill(tmp_path / "empty", {"one": "x", "two": full})
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_full_disk_is_no_wrong_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="no space left on the disk"):
        fill(tmp_path / "new", {"one": "x"})
    assert not (tmp_path / "new").exists()
