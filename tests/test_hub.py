"""Twin of auditor.adapters.hf.loading.hub: a local server speaks the hub's API."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest

from auditor.adapters.hf.loading import hub
from auditor.errors import ModelLoadError, StorageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": b"weights" * 1000,
    "tokenizer.json": b"{}",
    "README.md": b"---\ntags: [dpo]\n---\n",
    "pytorch_model.bin": b"a pickle",
    "modeling_x.py": b"raise SystemExit",
    "onnx/model.onnx": b"onnx",
    "original/model.safetensors": b"other",
}


@dataclass
class FakeHub:
    """A hub of one model, ``org/model``, and one data set, ``org/data``; its answers can be changed while it runs."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    api_status: int = 200
    file_status: int = 200
    error_code: str | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    state: FakeHub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.state.asked.append(path)
        if path.startswith(("/api/models/org/model", "/api/datasets/org/data")):
            self.api(path)
        elif path.startswith((f"/org/model/resolve/{COMMIT}/", f"/datasets/org/data/resolve/{COMMIT}/")):
            self.file(path.split(f"{COMMIT}/", 1)[1], body)
        else:
            self.fail(404, "RepoNotFound")

    def api(self, path: str) -> None:
        files = self.state.files
        if self.state.api_status != 200:
            self.fail(self.state.api_status, self.state.error_code)
        elif "/tree/" in path:
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
            self.send(json.dumps(entries).encode(), "application/json")
        elif "/revision/" in path and not path.endswith(("/main", COMMIT)):
            self.fail(404, "RevisionNotFound")
        else:
            siblings = [{"rfilename": name} for name in files]
            info = {"id": "org/model", "sha": COMMIT, "siblings": siblings, "private": False}
            self.send(json.dumps(info).encode(), "application/json")

    def file(self, name: str, body: bool) -> None:
        if self.state.file_status != 200:
            self.fail(self.state.file_status, self.state.error_code)
            return
        if name not in self.state.files:
            self.fail(404, "EntryNotFound")
            return
        data = self.state.files[name]
        self.send(data, "application/octet-stream", body, etag=hashlib.sha1(data).hexdigest())

    def send(self, data: bytes, kind: str, body: bool = True, etag: str | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if etag:
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def fail(self, status: int, code: str | None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    state = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"state": state}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", state.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_snapshot_holds_what_is_needed_and_its_commit(fake_hub: FakeHub, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, int, int]] = []
    snapshot = hub.fetch("org/model", progress=lambda *step: seen.append(step))
    assert snapshot.commit == COMMIT
    assert _names(snapshot.folder) == {"config.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert (snapshot.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert max(done for _, done, _ in seen) >= len(FILES["model.safetensors"])
    assert capfd.readouterr() == ("", "")
    assert not any("pytorch_model.bin" in path for path in fake_hub.asked)


def header(shapes: dict[str, list[int]]) -> bytes:
    """A safetensors file of float32 tensors, all zero."""
    at, entries = 0, {}
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def test_weights_are_described_from_their_headers(fake_hub: FakeHub) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}}
    del fake_hub.files["model.safetensors"]
    fake_hub.files |= {
        "model.safetensors.index.json": json.dumps(index).encode(),
        "model-1.safetensors": header({"a": [2, 3], "b": [5]}),
        "model-2.safetensors": header({"c": [7]}),
    }
    snapshot = hub.fetch("org/model", weights=False, allow_pickle=True)
    assert not [one for one in _names(snapshot.folder) if one.endswith((".safetensors", ".bin"))]
    found = hub.describe_weights(snapshot, "model.safetensors", offline=False)
    assert (found.files, found.n_elements, found.n_bytes) == ((), 18, 72)
    del fake_hub.files["model-2.safetensors"]
    unknown = hub.describe_weights(snapshot, "model.safetensors", offline=False)
    assert (unknown.n_elements, unknown.n_bytes) == (None, 0)
    offline = hub.describe_weights(snapshot, "model.safetensors", offline=True)
    assert (offline.n_elements, offline.n_bytes) == (None, 0)


def test_cache_serves_offline_runs_without_a_request(fake_hub: FakeHub) -> None:
    online = hub.fetch("org/model", "main")
    fake_hub.asked.clear()
    assert hub.fetch("org/model", "main", offline=True) == online
    assert fake_hub.asked == []


def test_code_comes_only_when_asked_for(fake_hub: FakeHub) -> None:
    assert "modeling_x.py" in _names(hub.fetch("org/model", trust_remote_code=True).folder)
    assert fake_hub.asked


def test_pickles_come_only_when_asked_for_and_needed(fake_hub: FakeHub) -> None:
    assert "pytorch_model.bin" not in _names(hub.fetch("org/model", allow_pickle=True).folder)
    assert fake_hub.asked


def test_pickles_of_a_repository_without_safetensors(fake_hub: FakeHub) -> None:
    del fake_hub.files["model.safetensors"]
    assert "pytorch_model.bin" not in _names(hub.fetch("org/model").folder)
    assert "pytorch_model.bin" in _names(hub.fetch("org/model", allow_pickle=True).folder)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "GatedRepo", "is gated"),
        (403, "GatedRepo", "is gated"),
        (401, "RepoNotFound", "same answer for a missing one"),
        (401, None, "private or gated"),
        (403, None, "private or gated"),
        (404, "RepoNotFound", "no such repository"),
        (404, None, "no such repository"),
    ],
)
def test_refusals_of_the_repository(fake_hub: FakeHub, status: int, code: str | None, message: str) -> None:
    fake_hub.api_status, fake_hub.error_code = status, code
    with pytest.raises(ModelLoadError, match=message) as caught:
        hub.fetch("org/model")
    assert "org/model" in caught.value.where
    assert ("hf auth login" in caught.value.fix) == (status != 404)


@pytest.mark.parametrize(("status", "code"), [(401, "GatedRepo"), (403, "GatedRepo"), (403, None)])
def test_gated_files_behind_a_public_listing(fake_hub: FakeHub, status: int, code: str | None) -> None:
    # The real hub lists a gated repository for everybody and refuses its files.
    fake_hub.file_status, fake_hub.error_code = status, code
    with pytest.raises(ModelLoadError, match="gated") as caught:
        hub.fetch("org/model")
    assert "hf auth login" in caught.value.fix


def test_missing_revision(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelLoadError, match="not this branch, tag or commit") as caught:
        hub.fetch("org/model", "no-such-branch")
    assert caught.value.where == "org/model@no-such-branch"
    assert fake_hub.asked


def test_other_missing_repository(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelLoadError, match="no such repository"):
        hub.fetch("org/other")
    assert fake_hub.asked


def test_offline_and_not_cached(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelLoadError, match="this run is offline") as caught:
        hub.fetch("org/model", offline=True)
    assert "--offline" in caught.value.fix
    assert fake_hub.asked == []


def test_half_a_snapshot_is_not_taken_for_a_whole_one(fake_hub: FakeHub) -> None:
    (hub.fetch("org/model").folder / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match="only in part"):
        hub.fetch("org/model", offline=True)
    assert fake_hub.url


def test_no_network(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(ModelLoadError, match="can't be reached"):
        hub.fetch("org/model")
    assert fake_hub.asked == []


def test_no_hub_id(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelLoadError, match="no hub id either"):
        hub.fetch("./no/such/folder")
    assert fake_hub.asked == []


def test_full_disk(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("download failed") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(StorageError, match="disk is full") as caught:
        hub.fetch("org/model")
    assert caught.value.exit_code == 5
    assert fake_hub.url


def test_unknown_errors_stay_as_they_are(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
    with pytest.raises(ZeroDivisionError):
        hub.fetch("org/model")
    assert fake_hub.url


def test_environment_variables_of_a_fresh_process(fake_hub: FakeHub, tmp_path: Path) -> None:
    code = "from auditor.adapters.hf.loading.hub import fetch; print(fetch('org/model').folder)"
    environment = {**os.environ, "HF_ENDPOINT": fake_hub.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code]
    online = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert Path(online.stdout.strip()).is_relative_to(tmp_path / "home")
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    offline = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "this run is offline" in offline.stderr


def test_tables_of_a_data_set(fake_hub: FakeHub) -> None:
    fake_hub.files = {
        "README.md": b"---\n---\n",
        "data/test.jsonl.gz": b"packed",
        "data/test.parquet": b"rows",
        "load.py": b"raise SystemExit",
        "picture.png": b"x",
    }
    snapshot = hub.fetch_data("org/data")
    assert snapshot.commit == COMMIT
    assert _names(snapshot.folder) == {"README.md", "data/test.jsonl.gz", "data/test.parquet"}
    fake_hub.asked.clear()
    assert hub.fetch_data("org/data", offline=True).folder == snapshot.folder
    assert fake_hub.asked == []


def test_no_such_data_set(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelLoadError, match="no such repository"):
        hub.fetch_data("org/other")
    with pytest.raises(ModelLoadError, match="this run is offline"):
        hub.fetch_data("org/data", "v2", offline=True)
    assert fake_hub.asked
