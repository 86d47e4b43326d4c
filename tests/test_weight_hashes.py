"""Hashes of files: those of their contents, whatever was remembered; against hashlib on the bytes that were written."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from auditor.adapters.cache import weight_hashes
from auditor.adapters.cache.weight_hashes import HASHES_FILE, SETTLED, WeightHashes, forget_hashes, hash_file
from auditor.adapters.hf.loading.checkpoints import LoadPolicy, fingerprint, resolve
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.errors import ModelLoadError, StorageError


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "secret-name.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, in order."""
    read: list[Path] = []

    def noting(path: Path) -> str:
        read.append(path)
        return hash_file(path)

    monkeypatch.setattr(weight_hashes, "hash_file", noting)
    return read


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour from now: whatever was just written is settled."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)


@pytest.mark.usefixtures("later")
def test_a_file_is_read_once(file: Path, cache: Path, reads: list[Path]) -> None:
    assert WeightHashes(cache).digest(file) == sha256(b"weights")
    assert WeightHashes(cache).digest(file) == sha256(b"weights")
    link = file.with_name("link")
    link.symlink_to(file)
    assert WeightHashes(cache).digest(link) == sha256(b"weights")
    assert reads == [file]


@pytest.mark.usefixtures("later")
def test_no_path_is_in_the_memo(file: Path, cache: Path) -> None:
    WeightHashes(cache).digest(file)
    content = (cache / HASHES_FILE).read_bytes()
    assert bytes.fromhex(sha256(b"weights")) in content
    assert b"secret" not in content
    assert b"safetensors" not in content


@pytest.mark.usefixtures("later")
def test_a_changed_file_is_read_again_even_where_its_date_was_put_back(
    file: Path, cache: Path, reads: list[Path]
) -> None:
    WeightHashes(cache).digest(file)
    before = file.stat()
    time.sleep(0.02)
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert WeightHashes(cache).digest(file) == sha256(b"WEIGHTS")
    other = file.with_name("other")
    other.write_bytes(b"another")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert WeightHashes(cache).digest(file) == sha256(b"another")
    assert len(reads) == 3


def test_a_file_just_written_is_not_remembered(file: Path, cache: Path, reads: list[Path]) -> None:
    # It could be written once more within one tick of the clock that dates it.
    hashes = WeightHashes(cache)
    assert hashes.digest(file) == hashes.digest(file) == sha256(b"weights")
    assert len(reads) == 2


@pytest.mark.parametrize(("age", "times"), [(SETTLED - 0.5, 2), (SETTLED + 0.5, 1), (-10.0, 2)])
def test_from_when_on_it_is_remembered(
    file: Path, cache: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch, age: float, times: int
) -> None:
    now = file.stat().st_ctime + age
    monkeypatch.setattr(time, "time", lambda: now)
    for _ in range(2):
        WeightHashes(cache).digest(file)
    assert len(reads) == times


@pytest.mark.usefixtures("later")
def test_a_file_written_while_it_is_read_is_not_remembered(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(path: Path) -> str:
        found = hash_file(path)
        path.write_bytes(b"longer weights")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(weight_hashes, "hash_file", slowly)
        WeightHashes(cache).digest(file)
    assert WeightHashes(cache).digest(file) == sha256(b"longer weights")


def blob(tmp_path: Path, name: str, content: bytes) -> Path:
    """A file of the hub's cache, by the link in a snapshot."""
    path = tmp_path / "models--org--name" / "blobs" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    link = tmp_path / "models--org--name" / "snapshots" / "model.safetensors"
    link.parent.mkdir()
    link.symlink_to(path)
    return link


def test_a_blob_named_by_its_hash_is_not_read(tmp_path: Path, cache: Path, reads: list[Path]) -> None:
    link = blob(tmp_path, sha256(b"weights"), b"weights")
    assert WeightHashes(cache).digest(link) == sha256(b"weights")
    assert reads == []
    assert WeightHashes(cache, rehash=True).digest(link) == sha256(b"weights")
    assert reads == [link.resolve()]


def test_a_damaged_blob_shows_when_it_is_read(tmp_path: Path, cache: Path) -> None:
    link = blob(tmp_path, sha256(b"weights"), b"WEIGHTS")
    with pytest.raises(ModelLoadError, match="damaged") as caught:
        WeightHashes(cache, rehash=True).digest(link)
    assert caught.value.where == str(link.resolve())
    assert "download it anew" in caught.value.fix


@pytest.mark.parametrize("name", [hashlib.sha1(b"x").hexdigest(), "A" * 64, "a" * 63, "a" * 64 + ".incomplete"])
def test_blobs_of_other_names_are_read(tmp_path: Path, name: str) -> None:
    assert WeightHashes(None).digest(blob(tmp_path, name, b"weights")) == sha256(b"weights")


def test_a_name_of_64_digits_elsewhere_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 64)
    path.write_bytes(b"weights")
    assert WeightHashes(None).digest(path) == sha256(b"weights")


@pytest.mark.usefixtures("later")
def test_rehash_reads_once_what_was_remembered(file: Path, cache: Path, reads: list[Path]) -> None:
    WeightHashes(cache).digest(file)
    hashes = WeightHashes(cache, rehash=True)
    assert hashes.digest(file) == hashes.digest(file) == sha256(b"weights")
    assert len(reads) == 2


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("statement", ["zeroblob(40)", "'text'", "NULL", "7"])
def test_a_broken_memo_is_none(file: Path, cache: Path, reads: list[Path], statement: str) -> None:
    WeightHashes(cache).digest(file)
    with closing(sqlite3.connect(cache / HASHES_FILE, isolation_level=None)) as connection:
        connection.execute(f"UPDATE hashes SET value = {statement}")
    for _ in range(2):
        assert WeightHashes(cache).digest(file) == sha256(b"weights")
    # Read again once, and then remembered anew.
    assert len(reads) == 2


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("content", [b"My diary.", b"SQLite format 3\0", bytes(9000)])
def test_a_memo_that_is_none_of_ours(file: Path, cache: Path, content: bytes) -> None:
    cache.mkdir()
    (cache / HASHES_FILE).write_bytes(content)
    assert WeightHashes(cache).digest(file) == sha256(b"weights")
    assert (cache / HASHES_FILE).read_bytes() == content
    forget_hashes(cache)
    assert (cache / HASHES_FILE).exists() is not content.startswith(b"SQLite")


@pytest.mark.usefixtures("later")
def test_without_a_folder_and_in_one_that_is_none(file: Path, reads: list[Path]) -> None:
    for folder in (None, file / "below"):
        hashes = WeightHashes(folder)
        assert hashes.digest(file) == hashes.digest(file) == sha256(b"weights")
    assert len(reads) == 2


@pytest.mark.usefixtures("later")
def test_forgotten(file: Path, cache: Path, reads: list[Path]) -> None:
    forget_hashes(cache)
    assert not cache.exists()
    WeightHashes(cache).digest(file)
    forget_hashes(cache)
    assert list(cache.iterdir()) == []
    WeightHashes(cache).digest(file)
    assert len(reads) == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for digest in (WeightHashes(None).digest, hash_file):
        with pytest.raises(StorageError, match="can't be read"):
            digest(tmp_path / "nowhere")


@pytest.mark.usefixtures("later")
def test_a_checkpoint_has_the_same_fingerprint_either_way(
    llama_series: dict[str, Path], tmp_path: Path, cache: Path, reads: list[Path]
) -> None:
    copy = shutil.copytree(llama_series["base"], tmp_path / "copy")
    here, there = (resolve(parse_specs([f"x={one}"])[0], LoadPolicy()) for one in (llama_series["base"], copy))
    plain = fingerprint(here)
    assert reads == []
    for _ in range(2):
        assert fingerprint(here, WeightHashes(cache).digest) == plain
    assert len(reads) == len(set(reads)) > 2
    assert fingerprint(there, WeightHashes(cache).digest) == plain
