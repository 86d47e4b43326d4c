"""The run folder by itself: claimed, continued, replaced, whole at every moment. No model is run."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import cells, write
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from run_factory import make_run

from auditor.adapters.run.run_folder import RunFolder, read_manifest, read_results, replace_file
from auditor.adapters.run.score_tables import TOKENS
from auditor.core.sampling import TokenSample
from auditor.core.scores import CheckpointScores
from auditor.errors import StorageError, UsageError

TABLE = {name: {"1": 1.0, "2": 2.0} for name in ("base", "sft")}
PROBE = probe_of(pair("1"), pair("2"))


def new_manifest(request: str = "a" * 64) -> dict[str, Any]:
    entry = {"reference": None, "objective": "none", "objective_source": "", "beta": None}
    return {
        "schema_version": 1, "auditor": "0", "created": "", "command": "", "request_id": request, "request": {},
        "engine": {}, "environment": {}, "renders": ["plain"], "renders_reason": "", "first_rendered": {},
        "series": [{"name": name, "source": name, **entry} for name in TABLE],
        "probes": [{"name": "probe", "sha256": "0" * 64, "items": 2}],
    }  # fmt: skip


def score(name: str, **changes: Any) -> CheckpointScores:
    (checkpoint,) = series_of(name).checkpoints
    timings = {"load_s": 1.0, "tokenize_s": 1.0, "forward_s": 1.0}
    scores = FakeScorer(margins(TABLE)).score(checkpoint, [PROBE])
    return replace(scores, **{"fingerprint": f"{name} weights", "timings": timings, **changes})


def opened(path: Path, request: str = "a" * 64) -> RunFolder:
    return RunFolder(path, new_manifest(request), private=False)


def test_manifest_comes_first_and_says_interrupted(tmp_path: Path) -> None:
    opened(tmp_path / "deep" / "run")
    assert [one.name for one in (tmp_path / "deep" / "run").iterdir()] == ["manifest.json"]
    assert read_manifest(tmp_path / "deep" / "run")["status"] == "interrupted"


def test_tables_hold_every_checkpoint_and_the_manifest_says_so(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.keep([score(name, notes=(f"{name}: a remark",)) for name in TABLE])
    for table in ("items", "tokens"):
        rows = cells(tmp_path / f"{table}.parquet")
        assert [one["checkpoint"] for one in rows] == ["base"] * 4 + ["sft"] * 4
    manifest = read_manifest(tmp_path)
    assert manifest["finished"] == [
        {"name": name, "fingerprint": f"{name} weights", "notes": [f"{name}: a remark"]} for name in TABLE
    ]
    assert set(manifest["timings"]["sft"]) == {"load_s", "tokenize_s", "forward_s", "store_s"}
    assert all(one["store_s"] > 0 for one in manifest["timings"].values())
    assert (manifest["tokens"], manifest["tokens_items"]) == ("all", None)


def test_old_conclusions_never_stand_beside_new_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    derived = ("report.html", "report.md", "report.json", "effects.csv", "cells.csv", "report.md.partial")
    for name in ("results.json", "tokens.parquet", *derived):
        write(tmp_path / name, "of the run before")
    write(
        tmp_path / "manifest.json", json.dumps(new_manifest() | {"status": "complete", "finished": [], "timings": {}})
    )
    folder = opened(tmp_path)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("auditor.adapters.run.run_folder.token_parts", stop)
        with pytest.raises(KeyboardInterrupt):
            folder.keep([score("base")])
    assert {one.name for one in tmp_path.iterdir()} == {"manifest.json", "tokens.parquet", "report.md.partial"}
    assert read_manifest(tmp_path)["finished"] == []


def test_tokens_of_a_sample(tmp_path: Path) -> None:
    sample = TokenSample("sample", {"probe": frozenset("2")}, 1)
    RunFolder(tmp_path, new_manifest(), private=False, tokens=sample).keep([score("base")])
    assert {one["item"] for one in cells(tmp_path / "tokens.parquet")} == {"2"}
    assert {one["item"] for one in cells(tmp_path / "items.parquet")} == {"1", "2"}
    assert (read_manifest(tmp_path)["tokens"], read_manifest(tmp_path)["tokens_items"]) == ("sample", 1)


def test_no_tokens_are_a_table_without_rows(tmp_path: Path) -> None:
    RunFolder(tmp_path, new_manifest(), private=False, tokens=TokenSample("none", {}, 0)).keep([score("base")])
    assert pq.read_schema(tmp_path / "tokens.parquet").equals(TOKENS)
    assert cells(tmp_path / "tokens.parquet") == []


def test_only_the_same_request_may_have_the_folder(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(UsageError, match="another audit"):
        opened(tmp_path, "b" * 64)


def test_only_a_manifest_half_written_counts_as_empty(tmp_path: Path) -> None:
    write(tmp_path / "manifest.json.partial", "{")
    opened(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["manifest.json"]


def test_complete_run_without_its_report_is_continued(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    manifest = read_manifest(run)
    assert (manifest["status"], (run / "report.html").exists()) == ("complete", False)
    assert read_results(run).effects


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_failed_write_leaves_the_old_file(tmp_path: Path, number: int) -> None:
    path = write(tmp_path / "file", "old")

    def fail(partial: Path) -> None:
        partial.write_text("half", encoding="utf-8")
        raise OSError(number, "the disk says no")

    with pytest.raises(StorageError, match="the disk says no" if number == errno.EIO else "no space left"):
        replace_file(path, fail)
    assert [(one.name, one.read_text(encoding="utf-8")) for one in tmp_path.iterdir()] == [("file", "old")]


def test_ctrl_c_in_mid_write_leaves_no_half_file(tmp_path: Path) -> None:
    def stop(partial: Path) -> None:
        partial.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "file", stop)
    assert list(tmp_path.iterdir()) == []


def test_manifest_is_json_without_nan(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.manifest["request"] = {"sesoi": float("nan")}
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.keep([score("base")])
    json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
