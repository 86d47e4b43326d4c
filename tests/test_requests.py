"""``audit requests`` writes what the audit itself would score, and reads no weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import assert_refused, audit, cells
from model_factory import make_tokenizer
from request_factory import lines_of


def header_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    return content


@pytest.fixture(scope="module")
def bare_series(llama_series: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The series without its weights."""
    folder = tmp_path_factory.mktemp("bare")
    ignored = shutil.ignore_patterns("*.safetensors")
    return {name: Path(shutil.copytree(path, folder / name, ignore=ignored)) for name, path in llama_series.items()}


def test_asks_what_an_audit_scores(
    bare_series: dict[str, Path], pair_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "requests.jsonl"
    result = audit("requests", *bare_series.values(), "--probe", pair_file, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(out)
    assert "96 sequences for 1 tokenizer; 0 items refused" in result.stderr
    lines = {(one["item"], one["render"], one["candidate"]): one for one in lines_of(out)}
    rows = [row for row in cells(finished_run / "items.parquet") if row["checkpoint"] == "dpo"]
    assert len(rows) == len(lines) == 96
    tokens: dict[tuple[str, str, str], list[int]] = {}
    for row in cells(finished_run / "tokens.parquet"):
        if row["checkpoint"] == "dpo":
            tokens.setdefault((row["item"], row["render"], row["candidate"]), []).append(row["token_id"])
    for row in rows:
        place = (row["item"], row["render"], row["candidate"])
        one = lines[place]
        assert one["ids"][one["start"] :] == tokens[place]
        assert (one["context"], one["bytes"]) == (row["context"], row["bytes"])
        assert (one["complete"], one["straddles"]) == (row["complete"], row["straddles"])
    header = header_of(out)
    assert header["renders"] == ["plain", "chat"]
    assert header["tokenizers"][0]["checkpoints"] == ["base", "sft", "dpo"]
    assert set(header["first_rendered"]) == {"plain", "chat"}


def test_options_reach_the_texts(bare_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "requests.jsonl"
    given = ("--render", "chat", "--system", "Be brief.", "--end", "none", "--limit", "6", "--seed", "3", "--quiet")
    result = audit("requests", f"m={bare_series['dpo']}", "--probe", pair_file, "--out", out, *given)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    lines = lines_of(out)
    assert len(lines) == 12
    assert all("Be brief." in one["context"] and not one["complete"] for one in lines)
    header = header_of(out)
    assert header["selection"] == {"tier": "standard", "axis": [], "limit": 6, "seed": 3}
    assert header["series"] == [{"name": "m", "source": f"m={bare_series['dpo']}", "tags": []}]


def test_checkpoints_of_two_tokenizers(bare_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_tokenizer(other, "metaspace")
    out = tmp_path / "requests.jsonl"
    result = audit("requests", bare_series["base"], other, "--probe", pair_file, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "96 sequences for 2 tokenizers" in result.stderr
    assert [one["checkpoints"] for one in header_of(out)["tokenizers"]] == [["base"], ["other"]]
    assert {one["tokenizer"] for one in lines_of(out)} == {0, 1}


def test_what_is_refused(bare_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    where = tmp_path / "none" / "x.jsonl"
    assert_refused(audit("requests", bare_series["dpo"], "--probe", pair_file, "--out", where), 2, "does not exist")
    assert_refused(audit("requests", tmp_path / "none", "--probe", pair_file), 4, "no such folder")
    assert_refused(audit("requests", bare_series["dpo"], "--probe", "nobody"), 2, "nobody")


def test_requests_replace_requests_and_nothing_else(
    bare_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "requests.jsonl"
    given = (f"m={bare_series['dpo']}", "--probe", pair_file, "--out", out, "--limit", "6", "--quiet")
    for _ in range(2):
        assert audit("requests", *given).exit_code == 0
    scores = '{"format": "auditor-logprobs"}\n'
    out.write_text(scores, encoding="utf-8")
    assert_refused(audit("requests", *given), 2, "--out", "holds no requests")
    assert out.read_text(encoding="utf-8") == scores
