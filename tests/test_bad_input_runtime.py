"""What goes wrong while an audit runs: disks, signals, folders of others. Nothing computed is lost."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import (
    ROOT,
    assert_one_message,
    assert_refused,
    audit,
    audit_process,
    cells,
    environment,
    full_disk,
    manifest,
    pairs_csv,
    write,
)

# Runs the command with a wait before every checkpoint but the first, so that a signal meets it at work.
SLOW = """
import signal, sys, time
# A shell that runs tests in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from auditor.adapters.hf.scorer import HFScorer
from auditor.cli.main import main
score_unknown = HFScorer._score_unknown
def slow(scorer, files, *rest):
    if files.name != "base":
        print("scoring", files.name, flush=True)
        time.sleep(60)
    return score_unknown(scorer, files, *rest)
HFScorer._score_unknown = slow
sys.argv[0] = "audit"
main()
"""


@pytest.fixture
def command(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> list[str]:
    options = ["--probe", pair_file, "--render", "plain", "--quiet", "--out", tmp_path / "run"]
    return [str(one) for one in ("compare", llama_series["base"], llama_series["sft"], *options)]


def stopped_at_work(command: list[str], number: int) -> tuple[int, str]:
    """Exit code and standard error of a command that got a signal while it scored its second checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "scoring sft\n"
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def test_ctrl_c_ends_in_one_message(command: list[str], tmp_path: Path) -> None:
    code, stderr = stopped_at_work(command, signal.SIGINT)
    assert code == 130, stderr
    assert_one_message(stderr, "interrupted", str(tmp_path / "run"), "same command again to continue")
    assert manifest(tmp_path / "run")["status"] == "interrupted"
    assert audit(*command).exit_code == 0
    assert {one["checkpoint"] for one in cells(tmp_path / "run" / "items.parquet")} == {"base", "sft"}


@pytest.mark.slow
def test_killed_run_leaves_no_half_file(command: list[str], tmp_path: Path) -> None:
    code, _ = stopped_at_work(command, signal.SIGKILL)
    assert code == -signal.SIGKILL
    run = tmp_path / "run"
    assert manifest(run)["status"] == "interrupted"
    # What a process killed in mid-write leaves behind.
    for name in ("items.parquet", "tokens.parquet", "manifest.json", "results.json"):
        write(run / f"{name}.partial", b"PAR1 half a file")
    assert_refused(audit("report", run), 2, "interrupted?")
    assert audit(*command).exit_code == 0
    assert manifest(run)["status"] == "complete"
    assert {one.name for one in run.iterdir() if one.suffix == ".partial"} == set()


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.slow
def test_killed_at_any_moment(command: list[str], tmp_path: Path, moment: float) -> None:
    process = audit_process(*command)
    run = tmp_path / "run"
    while not (run / "manifest.json").exists():
        time.sleep(0.005)
        assert process.poll() is None
    time.sleep(moment)
    process.kill()
    process.communicate()
    for table in run.glob("*.parquet"):
        assert pq.read_table(table).num_rows > 0
    assert manifest(run)["status"] in ("interrupted", "complete")
    assert audit(*command).exit_code == 0
    assert manifest(run)["status"] == "complete"


def test_full_disk_leaves_no_half_table(llama_series: dict[str, Path], tmp_path: Path) -> None:
    rows = [
        f'"Item {at} about {who}: ","are wrong {at}.","are kind {at}.","{who}",c{at}'
        for at in range(120)
        for who in "ab"
    ]
    probe = write(tmp_path / "p.csv", "context,harmful,affirming,identity,cluster\n" + "\n".join(rows))
    run = tmp_path / "run"
    options = ["--probe", probe, "--render", "plain", "--quiet", "--out", run]
    command = ["compare", llama_series["base"], llama_series["sft"], *options]
    whole = tmp_path / "whole"
    assert audit(*command[:-1], whole).exit_code == 0
    # Room for the manifest and not for a table of both checkpoints.
    size = (whole / "tokens.parquet").stat().st_size * 3 // 4
    with full_disk(size):
        assert_refused(audit(*command), 5, "no space left on the disk", str(run), "Free some space")
    assert [one.name for one in run.iterdir()] == ["manifest.json"]
    assert audit(*command).exit_code == 0
    assert (run / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_disk_full_from_the_start(command: list[str], tmp_path: Path) -> None:
    with full_disk(100):
        assert_refused(audit(*command), 5, "no space left on the disk")
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    "where", ["file", "file/below", "/proc/auditor", "/dev/null", "x" * 300], ids=lambda where: where[:12]
)
def test_unwritable_out(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file", "mine")
    assert_refused(audit(*command[:-1], where), 2, f"--out {where}", "Choose a folder you may write to")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_out_that_is_no_text(command: list[str]) -> None:
    assert_refused(audit(*command[:-1], "runs/\udcff"), 2, "runs/\\udcff", "no text")


@pytest.mark.parametrize("name", ["thesis.txt", "results.json", "items.parquet", ".hidden"])
def test_folder_of_somebody_else(command: list[str], tmp_path: Path, name: str) -> None:
    write(tmp_path / "run" / name, "mine")
    assert_refused(audit(*command), 2, "holds something else", name, "Choose an empty or new folder")
    assert {one.name: one.read_text(encoding="utf-8") for one in (tmp_path / "run").iterdir()} == {name: "mine"}


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, "{}", '{"request_id": 1}', b"\xff\xfe"])
def test_manifest_that_is_none(command: list[str], tmp_path: Path, content: str | bytes) -> None:
    write(tmp_path / "run" / "manifest.json", content)
    result = audit(*command)
    assert result.exit_code == 2, result.stderr
    assert_one_message(result.stderr, str(tmp_path / "run"))


def test_manifest_of_this_request_without_its_keys(command: list[str], tmp_path: Path) -> None:
    assert audit(*command).exit_code == 0
    path = tmp_path / "run" / "manifest.json"
    write(path, json.dumps({**manifest(tmp_path / "run"), "finished": [{"name": 7}]}))
    assert_refused(audit(*command), 2, "manifest.json does not follow the schema", "finished.0")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("results.json", None, ("results.json cannot be read", "interrupted?")),
        ("results.json", "", ("results.json does not follow the schema",)),
        ("results.json", "half", ("results.json does not follow the schema",)),
        ("results.json", "[" * 100_000, ("results.json does not follow the schema",)),
        ("results.json", b"\xff\xfe", ("results.json does not follow the schema",)),
        ("results.json", '{"schema_version": 2}', ("results.json does not follow the schema",)),
        ("manifest.json", "{", ("manifest.json is not valid JSON",)),
        ("manifest.json", "[]", ("manifest.json does not hold a JSON object",)),
        ("tokens.parquet", "half", ("tokens.parquet",)),
        ("items.parquet", "half", ("items.parquet",)),
    ],
)
def test_report_on_a_damaged_folder(
    finished_run: Path, tmp_path: Path, name: str, content: str | bytes | None, words: tuple[str, ...]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    whole, page = (run / name).read_bytes(), (run / "report.html").read_bytes()
    if content is None:
        (run / name).unlink()
    else:
        write(run / name, whole[: len(whole) // 2] if content == "half" else content)
    assert_refused(audit("report", run), 2, str(run), *words)
    assert (run / "report.html").read_bytes() == page


@pytest.mark.parametrize("what", ["missing", "a folder of something else", "a file"])
def test_report_on_no_run_folder(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "folder"
    if what == "a file":
        write(folder, "text")
    elif what != "missing":
        write(folder / "thesis.txt", "mine")
    assert_refused(audit("report", folder), 2, str(folder), "no run folder", "audit compare")


def test_debug_shows_the_traceback_and_the_same_code(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = write(tmp_path / "p.csv", pairs_csv().replace("harmful", "colour", 1))
    arguments = ["score", llama_series["base"], "--probe", probe]
    short, long = audit(*arguments), audit(*arguments, "--debug")
    assert short.exit_code == long.exit_code == 2
    assert "Traceback" not in short.stderr
    assert "Traceback (most recent call last)" in long.stderr
    assert long.stderr.endswith(short.stderr)


def test_out_folder_removed_while_running(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.adapters.run.run_folder import RunFolder

    keep = RunFolder.keep

    def remove_first(folder: RunFolder, scores: object) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        keep(folder, scores)

    monkeypatch.setattr(RunFolder, "keep", remove_first)
    assert_refused(audit(*command), 5, "cannot be written", "Check that the folder is still there")
    assert list(tmp_path.iterdir()) == []
