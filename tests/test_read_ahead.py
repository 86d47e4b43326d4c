"""Twin of auditor.adapters.hf.read_ahead."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from auditor.adapters.hf import read_ahead
from auditor.adapters.hf.read_ahead import ReadAhead


def pipe(folder: Path, name: str) -> Path:
    """A file whose reading another side can follow."""
    os.mkfifo(folder / name)
    return folder / name


def test_reads_every_file_while_the_block_runs(tmp_path: Path) -> None:
    pipes = [pipe(tmp_path, name) for name in "ab"]
    taken = []
    with ReadAhead([pipes[0], tmp_path / "missing", pipes[1]]):
        for each in pipes:
            # Opening to write waits for a reader; so much does not fit into a pipe, somebody must take it.
            with each.open("wb") as stream:
                taken.append(stream.write(bytes(2**20)))
    assert taken == [2**20, 2**20]


def test_stops_with_the_block(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(2**40)
    reading = ReadAhead([])
    reading._files = [large]
    began = time.monotonic()
    with reading:
        time.sleep(0.05)
    assert time.monotonic() - began < 5


def test_what_does_not_fit_into_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(100))
    monkeypatch.setattr(read_ahead, "total_memory", lambda _: 199)
    assert ReadAhead([file])._files == ()
    monkeypatch.setattr(read_ahead, "total_memory", lambda _: 200)
    assert ReadAhead([file])._files == [file]
